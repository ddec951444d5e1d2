"""Which runtime to run a model with: measured on this machine, and proven against TensorFlow.

Each installed runtime detects the packaged scenes in turn. The fastest that agrees with TensorFlow
is kept: every detection of TensorFlow's over 0.3 has its twin, of the same class, with an IoU
above 0.99 and a score within 0.005. Where there are fewer than ten of those, nothing is proven and
TensorFlow stays.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tfzoo.detections.types import Detections
from tfzoo.errors import ImageError, StoreError, TfzooError
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.prepare.export import find_export
from tfzoo.prepare.prepared import keep, kept, library_version, machine, write_record
from tfzoo.runtimes.runtime import NEEDS, installed
from tfzoo.store.folders import discard
from tfzoo.store.models import StoredModel
from tfzoo.zoo.manifest import packaged_scenes

SCENES = packaged_scenes()
#: Pictures each runtime detects.
SCENE_COUNT = 8
#: Each picture is timed so often, unless that takes longer than this.
MAX_ROUNDS = 5
MAX_SECONDS = 5.0
MIN_SCORE = 0.3
MIN_IOU = 0.99
MAX_SCORE_DIFFERENCE = 0.005
MIN_DETECTIONS = 10

_log = logging.getLogger("tfzoo.prepare.choose")

Detect = Callable[[Image], Detections]


@dataclass(frozen=True)
class Trial:
    """How one runtime did.

    Attributes:
        runtime: One of `tfzoo.runtimes.NEEDS`.
        version: Its library's version.
        latency_ms: Median time of one picture in milliseconds; None where it did not run.
        agrees: Whether it gives TensorFlow's detections.
        reason: In a sentence, what was seen.
    """

    runtime: str
    version: str
    latency_ms: float | None
    agrees: bool
    reason: str


@dataclass(frozen=True)
class Choice:
    """The runtime to use, why, and all that was tried."""

    runtime: str
    reason: str
    trials: tuple[Trial, ...] = ()


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
    """What was chosen for a model on this machine, or None where nothing was measured yet."""
    found = kept(model, _key(gpu), _versions(model))
    return None if found is None else _read(found[1])


def forget(model: StoredModel, gpu: bool = False) -> None:
    """Forgets what was chosen for a model, so that it is measured anew."""
    found = kept(model, _key(gpu), _versions(model))
    if found is not None:
        discard(found[0])


def choose(model: StoredModel, open_detector: Callable[[str], Detect], gpu: bool = False) -> Choice:
    """The runtime for a model: as measured before, or measured now and kept.

    Args:
        model: From the store.
        open_detector: Opens the model with a runtime, by name.
        gpu: Whether on a GPU: what is fastest there need not be on the processor.
    """
    if (known := known_choice(model, gpu)) is not None:
        return known
    names = candidates(model, gpu)
    scenes = load_scenes()
    if not scenes:
        return Choice("tensorflow", f"not measured: no pictures in {SCENES}")
    _tell(f"measuring which of {', '.join(names)} runs {model.id} best; this is done once")

    def build(folder: Path) -> None:
        choice = measure(names, open_detector, scenes)
        write_record(folder, {"choice": asdict(choice)})

    try:
        return _read(keep(model, _key(gpu), _versions(model), build)[1])
    except (StoreError, ImageError) as error:
        # A cache that can't be written, say, or a picture it can't take. What is no detector is
        # not to be chosen for.
        return Choice("tensorflow", f"not measured: {error}")


def measure(
    names: list[str], open_detector: Callable[[str], Detect], scenes: list[Image]
) -> Choice:
    """Runs each runtime on the same pictures.

    Args:
        names: The runtimes, TensorFlow first.
        open_detector: Opens the model with a runtime, by name.
        scenes: uint8 [H, W, 3] RGB each.
    """
    detectors: dict[str, Detect] = {}
    failed: dict[str, Trial] = {}
    found: dict[str, list[Detections]] = {}
    # Some graphs fail, under one runtime only, on a picture with nothing in it.
    pictures = [*scenes, *(np.full_like(scene, 128) for scene in scenes[:1])]
    for name in names:
        try:
            detect = open_detector(name)
            lowest = MIN_SCORE - MAX_SCORE_DIFFERENCE
            found[name] = [detect(picture).above(lowest) for picture in pictures]
            detectors[name] = detect
        except TfzooError as error:
            if name == "tensorflow":
                raise
            failed[name] = Trial(name, library_version(name), None, False, str(error))
    latencies = {name: _latency_ms(detect, scenes) for name, detect in detectors.items()}
    trials = [
        failed.get(name)
        or Trial(
            name,
            library_version(name),
            latencies[name],
            *compare(found["tensorflow"], found[name]),
        )
        for name in names
    ]
    return _fastest(trials)


def _latency_ms(detect: Detect, scenes: list[Image]) -> float | None:
    """Median over the pictures of the best of some rounds, which other work disturbs least."""
    if not scenes:
        return None
    best = [float("inf")] * len(scenes)
    started = time.perf_counter()
    for _ in range(MAX_ROUNDS):
        for i, scene in enumerate(scenes):
            begun = time.perf_counter()
            detect(scene)
            best[i] = min(best[i], time.perf_counter() - begun)
        if time.perf_counter() - started > MAX_SECONDS:
            break
    return round(median(best) * 1000, 2)


def compare(reference: list[Detections], others: list[Detections]) -> tuple[bool, str]:
    """Whether each detection over `MIN_SCORE` of the reference has its twin, and in words.

    Args:
        reference: TensorFlow's, an image each.
        others: The other runtime's, of the same images.
    """
    wanted = missing = 0
    for expected, got in zip(reference, others, strict=True):
        expected = expected.above(MIN_SCORE)
        wanted += len(expected)
        free = np.ones(len(got), dtype=bool)
        for one in expected:
            twins = (
                free
                & (got.class_ids == one.class_id)
                & (np.abs(got.scores - one.score) <= MAX_SCORE_DIFFERENCE)
                & (_overlaps(one.box, got.boxes) > MIN_IOU)
            )
            if not twins.any():
                missing += 1
                continue
            # The nearest in score, so that of near-equal things none takes another's twin.
            differences = np.where(twins, np.abs(got.scores - one.score), np.inf)
            free[int(np.argmin(differences))] = False
    if wanted < MIN_DETECTIONS:
        return False, (
            f"not proven: TensorFlow finds {wanted} things over {MIN_SCORE} in the packaged "
            f"pictures, and {MIN_DETECTIONS} are needed"
        )
    if missing:
        return False, f"{missing} of TensorFlow's {wanted} detections have no twin"
    return True, f"gives all of TensorFlow's {wanted} detections"


def _overlaps(box: Any, boxes: Any) -> Any:
    """IoU of a box [4] with boxes [N, 4], float64 [N]."""
    box, boxes = box.astype(np.float64), boxes.astype(np.float64)
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - shared
    # A box of no area, at the border say, shares nothing with its like.
    alike = np.abs(boxes - box).max(axis=1, initial=0) < 0.01
    return np.where(alike, 1.0, shared / np.maximum(union, 1e-12))


def _fastest(trials: list[Trial]) -> Choice:
    agreeing = [trial for trial in trials if trial.agrees and trial.latency_ms is not None]
    if len(agreeing) < 2:
        others = [trial for trial in trials if trial.runtime != "tensorflow"]
        reasons = "; ".join(f"{trial.runtime}: {trial.reason}" for trial in others)
        return Choice("tensorflow", f"TensorFlow kept: {reasons}", tuple(trials))
    best = min(agreeing, key=lambda trial: trial.latency_ms or 0)
    return Choice(best.runtime, f"the fastest that {best.reason}", tuple(trials))


def load_scenes() -> list[Image]:
    """The first of the packaged pictures, uint8 [H, W, 3] RGB each."""
    paths = sorted(SCENES.glob("*.jpg"))[:SCENE_COUNT]
    return [read_image(path) for path in paths]


def _key(gpu: bool) -> str:
    return "choice-gpu" if gpu else "choice"


def _versions(model: StoredModel) -> str:
    libraries = {name: library_version(name) for name in NEEDS}
    return json.dumps([libraries, find_export(model) is not None, machine()])


def _read(record: Mapping[str, Any]) -> Choice:
    choice = record["choice"]
    trials = tuple(Trial(**trial) for trial in choice["trials"])
    return Choice(choice["runtime"], choice["reason"], trials)


def _tell(text: str) -> None:
    _log.info(text)
    if sys.stderr.isatty():
        print(text, file=sys.stderr)
