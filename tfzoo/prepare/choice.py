"""Which runtime to run a model with: what was measured on this machine, kept, and read for a task.

`tfzoo.trials` measures. What it found of a model is kept beside the model's prepared forms: what
each runtime costs from the start of a process to its last image, and whether it gives TensorFlow's
own detections.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tfzoo.prepare.export import find_export
from tfzoo.prepare.int8 import find_int8
from tfzoo.prepare.prepared import (
    forget_kept,
    keep,
    kept,
    library_version,
    machine,
    write_record,
)
from tfzoo.runtimes.runtime import NEEDS, installed
from tfzoo.store.models import StoredModel

#: How many images are reckoned with where nobody says.
USUAL_IMAGES = 100

#: Costs that differ by less than this part are the same, however steady the measurement was.
LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class Trial:
    """How one runtime did.

    Attributes:
        runtime: One of `tfzoo.runtimes.NEEDS`.
        version: Its library's version.
        agrees: Whether it gives TensorFlow's detections.
        reason: In a sentence, what was seen.
        open_s: From the start of a process to its first detections in seconds: Python, the
            runtime's import, opening, the slow first call. None where it did not run.
        latency_ms: Median time of one image alone in milliseconds.
        images_per_s: Images a second with several in flight.
        spread: How much the time of one image varied: the distance of its quartiles, as a part of
            the median.
    """

    runtime: str
    version: str
    agrees: bool
    reason: str
    open_s: float | None = None
    latency_ms: float | None = None
    images_per_s: float | None = None
    spread: float | None = None

    @property
    def offered(self) -> bool:
        """Whether `auto` may take it."""
        return self.agrees and None not in (self.open_s, self.latency_ms, self.images_per_s)

    def seconds(self, images: int) -> float:
        """The whole time of a process that detects so many images, in seconds; infinite if none."""
        if self.open_s is None or self.latency_ms is None or self.images_per_s is None:
            return float("inf")
        return self.open_s + max(self.latency_ms / 1000, images / self.images_per_s)


@dataclass(frozen=True)
class Choice:
    """All that was measured of a model here.

    Attributes:
        trials: TensorFlow's first.
        date: When, UTC, in ISO 8601.
        provisional: What disturbed the measurement; it is made again when the machine is quiet.
            Empty where nothing did.
        int8: What is known of the model's int8 form, or None: `map` (of its detections on images
            kept back, those of full precision taken as true, 0 to 1), `size_mb` and `images_per_s`
            of both precisions, and what it was calibrated on.
    """

    trials: tuple[Trial, ...]
    date: str = ""
    provisional: str = ""
    int8: Mapping[str, Any] | None = None

    def best(self, images: int = USUAL_IMAGES) -> Trial:
        """The runtime of the least whole time for so many images.

        Among those that the measurement can't tell apart, it is the one that opens fastest.
        """
        offered = [trial for trial in self.trials if trial.offered]
        if not offered:
            return self.trials[0]
        least = min(offered, key=lambda trial: trial.seconds(images))

        def like_the_least(trial: Trial) -> bool:
            spread = max(least.spread or 0, trial.spread or 0, LEAST_SPREAD)
            return trial.seconds(images) <= least.seconds(images) * (1 + min(spread, 1))

        return min(filter(like_the_least, offered), key=lambda trial: trial.open_s or 0)

    def reason(self, images: int = USUAL_IMAGES) -> str:
        """In a sentence, why that is the best."""
        best = self.best(images)
        others = [trial for trial in self.trials if trial.runtime != best.runtime]
        if not others:
            return best.reason
        if sum(trial.offered for trial in self.trials) < 2:
            reasons = "; ".join(f"{trial.runtime}: {trial.reason}" for trial in others)
            return f"no other is offered ({reasons})"
        count = "1 image" if images == 1 else f"{images} images"
        return f"the least time for {count}, {best.seconds(images):.2g} s; {best.reason}"


def candidates(model: StoredModel, gpu: bool) -> list[str]:
    """The runtimes that could run a SavedModel here, TensorFlow first.

    Args:
        model: From the store.
        gpu: Whether on a GPU (of NVIDIA's, which OpenVINO knows none of).
    """
    found = ["tensorflow", "frozen"]
    if installed("openvino") and not gpu:
        found.append("openvino")
    if installed("onnx") and find_export(model) is not None:
        found.append("onnx")
    return found


def on_gpu(device: str = "auto") -> bool:
    """Whether a device that is asked for is a GPU, by the driver's file.

    TensorFlow would take seconds to say whether it sees one.
    """
    return device.startswith("gpu") or (device == "auto" and Path("/dev/nvidiactl").exists())


def known_choice(model: StoredModel, gpu: bool = False) -> Choice | None:
    """What was measured of a model on this machine, or None where nothing was yet."""
    found = kept(model, _key(gpu), _versions(model))
    return None if found is None else _read(found[1])


def with_int8(choice: Choice, model: StoredModel) -> Choice:
    """The same with what is known of the model's int8 form, which costs a look at its files."""
    made = find_int8(model)
    return choice if made is None else replace(choice, int8=made[1])


def keep_choice(model: StoredModel, choice: Choice, gpu: bool = False) -> None:
    """Keeps what was measured of a model on this machine, in place of what was before.

    Raises:
        StoreError: The cache can't be written.
    """
    keep(
        model,
        _key(gpu),
        _versions(model),
        lambda folder: write_record(folder, {"choice": asdict(choice)}),
        anew=True,
    )


def forget(model: StoredModel, gpu: bool = False) -> None:
    """Forgets what was measured of a model, so that it is measured anew.

    Raises:
        StoreError: The cache can't be written.
    """
    forget_kept(model, _key(gpu), _versions(model))


def _key(gpu: bool) -> str:
    return "choice-gpu" if gpu else "choice"


def _versions(model: StoredModel) -> str:
    libraries = {name: library_version(name) for name in NEEDS}
    return json.dumps([libraries, find_export(model) is not None, machine()])


def _read(record: Mapping[str, Any]) -> Choice:
    choice = record["choice"]
    trials = tuple(Trial(**trial) for trial in choice["trials"])
    return Choice(trials, choice["date"], choice["provisional"])
