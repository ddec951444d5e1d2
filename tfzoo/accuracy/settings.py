"""The settings of an evaluation: all that `tfzoo.evaluate` and `tfzoo evaluate` can be told."""

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tfzoo.accuracy.coco import CocoSet
from tfzoo.accuracy.truth import Kind
from tfzoo.detecting import SuppressOptions, TileOptions
from tfzoo.detections.label_files import Labels, labels_of, read_labels
from tfzoo.errors import UsageError
from tfzoo.options import (
    CHECK,
    DEVICE,
    PRECISION,
    RESULTS,
    RUNTIME,
    Option,
    Precision,
    check_least,
    option,
    told,
)

if TYPE_CHECKING:
    from tfzoo.detector import Detector
    from tfzoo.zoo.schema import ModelSpec

Evaluator = Literal["faster-coco-eval", "pycocotools", "official"]

#: How many detections of an image COCO's protocol scores.
MOST_DETECTIONS = 100

#: As `detect --labels` takes them; what is annotated by name is joined with them.
_LABELS = Option(
    "Category names by id, where they are not the model's own, or annotations have other names: as "
    "detect takes them, such as label_map.pbtxt.",
    metavar="FILE",
    text=str | None,
    parse=read_labels,
)

#: What sets a threshold by what it may miss.
_MISSES = Option(
    "Tell the highest score threshold at which at most this share of an image's objects is missed, "
    "with 95 % confidence, on images like these: 5%, or 0.05.",
    metavar="SHARE",
    text=str | None,
)
_BY_CLASS = Option("With --misses-at-most: a threshold for each category too.")

#: Told how many images are detected and how many there are.
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """On how many images detections are scored, and by whom.

    Raises:
        UsageError: A value makes no sense.
    """

    limit: int | None = option(None, "Evaluate on N images, drawn by the seed.", metavar="N")
    seed: int = option(0, "Seed of the drawing, and of the interval.", metavar="N")
    evaluator: Evaluator = option(
        "faster-coco-eval",
        "Who scores: faster-coco-eval, pycocotools, or official (tf-models-official's, for boxes "
        "and masks).",
    )
    resamples: int = option(
        200, "Bootstrap resamples of the 95 % interval; 0 for none.", metavar="N", least=0
    )

    def __post_init__(self) -> None:
        check_least(self)


@dataclass(frozen=True, kw_only=True)
class ImageOptions(ScoreOptions):
    """On which annotated images."""

    coco: str | PathLike[str] | CocoSet | None = option(
        None,
        "COCO folder in one of the usual layouts, or a folder of another format; left out, the "
        "images packaged with the model, or what tfzoo coco fetch val2017 fetched.",
        metavar="DIR",
        text=Path | None,
    )
    images: str | PathLike[str] | None = option(
        None,
        "Folder of images, with annotations, in place of a COCO folder.",
        metavar="DIR",
        text=Path | None,
    )
    annotations: str | PathLike[str] | Sequence[str | PathLike[str]] | None = option(
        None,
        "COCO annotation file; if keypoints are in another, that one too. Or Pascal VOC's folder, "
        "YOLO's data.yaml, Open Images' boxes (.csv) or TFRecords, known by what they are called.",
        metavar="FILE",
        text=list[Path] | None,
    )


@dataclass(frozen=True)
class EvaluateSettings(ImageOptions, SuppressOptions, TileOptions):
    """What to evaluate, on what, and where the results go."""

    model: "str | PathLike[str] | ModelSpec | Detector" = field(
        metadata=told(
            "A name, id, alias, short form, SavedModel folder, archive, or an opened model."
        )
    )
    _: KW_ONLY
    runtime: str = option("tensorflow", RUNTIME)
    precision: Precision = option("float32", PRECISION)
    device: str = option("auto", DEVICE)
    results: str | PathLike[str] = option("results", RESULTS)
    check: int = option(0, CHECK)
    labels: Labels | None = option(None, _LABELS)
    misses_at_most: float | None = option(None, _MISSES)
    by_class: bool = option(False, _BY_CLASS)
    on_progress: OnProgress | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        SuppressOptions.__post_init__(self)
        TileOptions.__post_init__(self)
        _understand(self)
        if self.evaluator == "official" and (self.max_detections or 0) > MOST_DETECTIONS:
            raise UsageError(
                f"max_detections is {self.max_detections}, but the official evaluator scores "
                f"{MOST_DETECTIONS} detections an image; use faster-coco-eval or pycocotools"
            )


@dataclass(frozen=True)
class PredictionSettings(ScoreOptions):
    """Which results file to score, against what."""

    predictions: str | PathLike[str] = field(metadata=told("COCO results file, whatever made it."))
    annotations: str | PathLike[str] = field(
        metadata=told("COCO annotation file, or annotations in another format.")
    )
    kind: Kind = option("box", "What the results file holds: box, keypoints or masks.")
    images: str | PathLike[str] | None = option(
        None, "Folder of the images, where their sizes are needed and they lie elsewhere."
    )
    labels: Labels | None = option(None, _LABELS)
    misses_at_most: float | None = option(None, _MISSES)
    by_class: bool = option(False, _BY_CLASS)

    def __post_init__(self) -> None:
        super().__post_init__()
        _understand(self)


def _understand(settings: EvaluateSettings | PredictionSettings) -> None:
    """Puts what is meant in place of what was given, while settings are being made."""
    object.__setattr__(settings, "labels", labels_of(settings.labels))
    if settings.misses_at_most is not None:
        object.__setattr__(settings, "misses_at_most", share_of(settings.misses_at_most))
    elif settings.by_class:
        raise UsageError("--by-class goes with --misses-at-most SHARE, such as 5%")


def share_of(text: str | float) -> float:
    """A share as it is written: `5%`, or `0.05`.

    Raises:
        UsageError: It is none, or none between 0 and 1.
    """
    given = str(text).strip()
    try:
        share = float(given.removesuffix("%")) / (100 if given.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise UsageError(
            f"misses at most {given[:40]!r}: expected a share such as 5% or 0.05, more than 0 and "
            "less than all"
        )
    return share
