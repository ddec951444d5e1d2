"""The settings of a comparison: all that `tfzoo.compare` and `tfzoo compare` can be told."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from tfzoo.accuracy.settings import ImageOptions, OnProgress
from tfzoo.errors import UsageError
from tfzoo.options import DEVICE, RESULTS, check_number, check_precision, option, told

if TYPE_CHECKING:
    from tfzoo.detector import Detector
    from tfzoo.zoo.schema import ModelSpec

_ONE_OR_TWO = "one for both sides, or two separated by a comma"

Pair = tuple[str, str]


@dataclass(frozen=True)
class CompareSettings(ImageOptions):
    """What to compare, on what images, and what counts as no difference.

    Raises:
        UsageError: A value makes no sense.
    """

    a: "str | PathLike[str] | ModelSpec | Detector" = field(
        metadata=told("A model by name or path, or a COCO results file (.json).")
    )
    b: "str | PathLike[str] | ModelSpec | Detector | None" = field(
        default=None, metadata=told("What A is compared with; left out, A with the other runtime.")
    )
    _: KW_ONLY
    runtime: str | Sequence[str] = option(
        "tensorflow",
        f"What runs the models: {_ONE_OR_TWO} (tensorflow,openvino).",
        metavar="RUNTIME",
        text=str,
    )
    precision: str | Sequence[str] = option(
        "float32",
        f"float32 or int8: {_ONE_OR_TWO} (float32,int8).",
        metavar="PRECISION",
        text=str,
    )
    device: str = option("auto", DEVICE)
    results: str | PathLike[str] = option("results", RESULTS)
    margin: float = option(
        0.3,
        "Points of mAP up to which a difference is none: no difference is said where the whole "
        "interval lies within.",
        metavar="POINTS",
    )
    report: str | PathLike[str] | None = option(
        None,
        "Write a page into this folder: differences by class and size, and the images that changed "
        "most.",
        metavar="DIR",
        text=Path | None,
    )
    on_progress: OnProgress | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "margin", check_number("margin", self.margin, 0, whole=False))
        object.__setattr__(self, "runtime", _pair("runtime", self.runtime))
        object.__setattr__(self, "precision", _pair("precision", self.precision))
        for precision in self.precision:
            check_precision(precision)
        if self.resamples < 2:
            raise UsageError(f"resamples is {self.resamples}; a comparison needs 2 or more")
        if self.evaluator == "official":
            raise UsageError(
                "a comparison needs to know which detections match; expected evaluator "
                "faster-coco-eval or pycocotools"
            )
        if self.b is None and len({*zip(self.runtime, self.precision, strict=True)}) == 1:
            raise UsageError(
                "say what to compare: tfzoo compare A B, or one model with two runtimes or "
                "precisions, such as: tfzoo compare A --runtime tensorflow,openvino"
            )


def _pair(name: str, given: str | Sequence[str]) -> Pair:
    values = given.split(",") if isinstance(given, str) else list(given)
    if len(values) not in (1, 2) or not all(values):
        raise UsageError(f"{name} is {given!r}; expected {_ONE_OR_TWO}")
    return values[0], values[-1]
