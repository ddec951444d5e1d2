"""The settings of a reproduction: all that `tfzoo.reproduce` and `tfzoo reproduce` can be told."""

import re
import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import KW_ONLY, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from tfzoo.accuracy.settings import ImageOptions
from tfzoo.errors import UsageError
from tfzoo.options import (
    ADDRESS,
    ENGINE,
    PRECISION,
    RESULTS,
    Engine,
    OnStep,
    Precision,
    check_engine,
    command_line,
    option,
    told,
)
from tfzoo.runtimes.runtime import installed
from tfzoo.timing.settings import BenchmarkSettings

if TYPE_CHECKING:
    from tfzoo.reproduction.rows import Row
    from tfzoo.zoo.schema import ModelSpec

#: Told of each model's row as soon as it is measured.
OnRow = Callable[["Row"], None]

#: What `all` means: what `auto` chooses among. Of them a model takes those that can run it.
_ALL = ("tensorflow", "frozen", "openvino", "onnx")

_TIMED = BenchmarkSettings.__dataclass_fields__


@dataclass(frozen=True)
class ReproduceSettings(ImageOptions):
    """Which rows to reproduce, on which images, with what, and what is kept.

    Raises:
        UsageError: A value makes no sense.
    """

    models: "Sequence[str | PathLike[str] | ModelSpec]" = field(
        metadata=told(
            "Names, ids, aliases, short forms or paths; patterns such as 'centernet*' mean all "
            "models of the zoo that they match."
        )
    )
    _: KW_ONLY
    all_models: bool = option(False, "Every model of the zoo.", flags=("--all",))
    family: str | None = option(None, "Every model of one family.", metavar="FAMILY")
    outputs: Collection[str] | None = option(
        None,
        "Every model that gives this: boxes, keypoints or masks; may be repeated.",
        metavar="OUTPUT",
        text=list[str] | None,
    )
    runtimes: Collection[str] = option(
        ("tensorflow",),
        "What runs the models: tensorflow, frozen, xla, openvino, onnx, auto, or all that are "
        "installed here; may be repeated.",
        metavar="RUNTIME",
        flags=("--runtime",),
        text=list[str],
    )
    precision: Precision = option("float32", PRECISION)
    device: str = option(
        "auto",
        "auto (a GPU where there is one), cpu, gpu, gpu:1, or several GPUs that have a model each: "
        "gpu:0,gpu:1.",
        metavar="DEVICE",
    )
    jobs: int | None = option(
        None,
        "Models at once on a machine; else one, or one a GPU of those named. Each is timed alone.",
        metavar="N",
        least=1,
        pinned=False,
    )
    engine: Engine = option("local", ENGINE)
    address: str | None = option(None, ADDRESS)
    min_images: int = field(default=50, metadata=_TIMED["min_images"].metadata)
    min_seconds: float = field(default=10.0, metadata=_TIMED["min_seconds"].metadata)
    timeout_s: float = field(default=3600.0, metadata=_TIMED["timeout_s"].metadata)
    results: str | PathLike[str] = option("results", RESULTS)
    report: str | PathLike[str] = option(
        "report",
        "Folder of the report: index.html and index.md.",
        metavar="DIR",
        text=Path,
        pinned=False,
    )
    free_disk: bool = option(
        False,
        "Remove each model that was fetched for this, once its row is measured.",
        pinned=False,
    )
    again: bool = option(False, "Measure anew what was measured before.", pinned=False)
    on_step: OnStep | None = field(default=None, repr=False)
    on_row: OnRow | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_engine(self.engine)
        _check_devices(self)
        if not (self.models or self.all_models or self.family or self.outputs):
            raise UsageError(
                "say which models: tfzoo reproduce NAME..., a pattern such as 'centernet*', "
                "--family FAMILY, --outputs OUTPUT or --all"
            )
        runtimes = (self.runtimes,) if isinstance(self.runtimes, str) else self.runtimes
        if "all" in runtimes:
            runtimes = [name for name in _ALL if installed(name)]
        object.__setattr__(self, "runtimes", tuple(dict.fromkeys(runtimes)))

    @property
    def gpus(self) -> tuple[int, ...]:
        """The GPUs that are named by their numbers."""
        found = re.findall(r"gpu:(\d+)", self.device)
        return tuple(int(number) for number in found)


def _check_devices(settings: ReproduceSettings) -> None:
    devices = [part.strip() for part in settings.device.split(",")]
    if settings.engine == "ray" and settings.device not in ("auto", "cpu", "gpu"):
        raise UsageError(
            f"device is '{settings.device}'; Ray takes every GPU of its nodes (auto, gpu), or "
            "none (cpu)"
        )
    if len(devices) == 1:
        return
    if len(set(devices)) < len(devices) or not all(re.fullmatch(r"gpu:\d+", d) for d in devices):
        raise UsageError(
            f"device is '{settings.device}'; several are GPUs, each named once: gpu:0,gpu:1"
        )


def command_of(model: str, runtime: str, settings: ReproduceSettings) -> str:
    """The command that measures a row just so."""
    choosing = ("all_models", "family", "outputs", "runtimes")
    told = command_line("reproduce", model, settings, choosing) or ""
    return f"{told} --runtime {shlex.quote(runtime)}"
