"""COCO metrics of detections against ground truth, by faster-coco-eval.

The protocol is COCO's own (https://cocodataset.org/#detection-eval), which the zoo reports by: AP
over IoU 0.50 to 0.95 in steps of 0.05, 100 detections an image (20 for keypoints), no score
threshold.
"""

from __future__ import annotations

import contextlib
import gc
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from tfzoo.accuracy.bootstrap import Interval, Matches, draw, interval, matches_of
from tfzoo.accuracy.settings import MOST_DETECTIONS, Evaluator
from tfzoo.accuracy.truth import FIELDS, GroundTruth, Kind
from tfzoo.errors import AnnotationError, MeasurementError, UsageError

EVALUATORS: tuple[Evaluator, ...] = ("faster-coco-eval", "pycocotools", "official")

Row = Mapping[str, Any]

#: The metrics in the order of COCO's summary. Area: s below 32^2, m to 96^2, l from 96^2 pixels.
#: AR1, AR10 and AR100 allow that many detections an image.
BOX_METRICS = (
    *("AP", "AP50", "AP75", "APs", "APm", "APl"),
    *("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
)
KEYPOINT_METRICS = (
    *("AP", "AP50", "AP75", "APm", "APl"),
    *("AR", "AR50", "AR75", "ARm", "ARl"),
)
METRICS: dict[Kind, tuple[str, ...]] = {
    "box": BOX_METRICS,
    "keypoints": KEYPOINT_METRICS,
    "masks": BOX_METRICS,
}

_IOU_TYPES: dict[Kind, str] = {"box": "bbox", "keypoints": "keypoints", "masks": "segm"}
_MODULES = {
    "faster-coco-eval": ("faster_coco_eval", "evaluate"),
    "pycocotools": ("pycocotools", "evaluate"),
    "official": ("official", "official"),
}


@dataclass(frozen=True)
class Metrics:
    """How well one kind of output does.

    Attributes:
        kind: `box`, `keypoints` or `masks`.
        values: COCO's twelve numbers (ten for keypoints) by name, 0 to 1; None where the ground
            truth holds nothing to score.
        per_class: AP by category name, 0 to 1; None for a category without objects.
        interval: 95 % bootstrap interval of AP over images.
        matches: What became of each category's detections, in the order of `per_class`; empty
            where no interval was asked for.
    """

    kind: Kind
    values: dict[str, float | None]
    per_class: dict[str, float | None]
    interval: Interval | None
    matches: Sequence[Matches] = field(default=(), repr=False, compare=False)

    @property
    def ap(self) -> float | None:
        """AP over IoU 0.50 to 0.95, 0 to 1."""
        return self.values["AP"]

    def to_json(self) -> dict[str, Any]:
        """The metrics as `tfzoo evaluate --json` prints them."""
        interval = None if self.interval is None else [self.interval.low, self.interval.high]
        return {**self.values, "AP_interval": interval, "per_class": self.per_class}


def score(
    truth: GroundTruth,
    results: Iterable[Row],
    kind: Kind,
    *,
    evaluator: Evaluator = "faster-coco-eval",
    resamples: int = 200,
    seed: int = 0,
    sized_by_box: bool = False,
    most: int = MOST_DETECTIONS,
) -> Metrics:
    """Scores detections.

    Args:
        truth: Annotations; every image of theirs counts, with detections or without.
        results: COCO results rows; those without the field the kind needs are left out.
        kind: What to score.
        evaluator: Who computes the numbers. `official` is tf-models-official's; per-class AP and
            the interval come from faster-coco-eval then.
        resamples: Bootstrap resamples of the interval; 0 for none.
        seed: Of the resampling.
        sized_by_box: Whether keypoints and masks are as large as their rows' boxes, as COCO's
            tools take rows that have both; or as the keypoints and masks themselves.
        most: How many detections of an image are scored (keypoints: always 20). Above COCO's own
            100, it takes their place in all figures, and AR100 goes by that number: AR300.

    Raises:
        UsageError: The annotations, or the evaluator, can't score this kind.
        AnnotationError: The detections are of images that the annotations do not list.
        MeasurementError: The evaluator is not installed.
    """
    require(evaluator)
    truth, rows = scorable(truth, results, kind)
    if evaluator == "official":
        from tfzoo.accuracy.official import official_metrics

        values = official_metrics(truth, rows, kind)
    evaluation = run_evaluation(
        truth,
        rows,
        kind,
        "pycocotools" if evaluator == "pycocotools" else "faster-coco-eval",
        sized_by_box,
        most,
    )
    if evaluator != "official":
        names = [f"AR{most}" if name == "AR100" else name for name in METRICS[kind]]
        numbers = [_or_none(value) for value in _twelve(evaluation, kind)]
        values = dict(zip(names, numbers, strict=True))
    # IoU x recall x category, over all areas, with the most detections.
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    categories = names_of(truth)
    per_class = {
        categories[category_id]: _or_none(precision[:, :, k].mean())
        for k, category_id in enumerate(evaluation.params.catIds)
    }
    if not resamples:
        return Metrics(kind, values, per_class, None)
    matches = matches_of(evaluation)
    drawn = draw(len(evaluation.params.imgIds), resamples, seed)
    return Metrics(kind, values, per_class, interval(matches, drawn), matches)


def _twelve(evaluation: Any, kind: Kind) -> Sequence[float]:
    """COCO's numbers, twelve or for keypoints ten, with the most detections that were scored."""
    numbers: list[float] = list(evaluation.stats[: len(METRICS[kind])])
    if kind != "keypoints" and evaluation.params.maxDets[-1] != MOST_DETECTIONS:
        # pycocotools takes AP at 100 whatever it is told, and gives -1 where there is no such.
        precision = evaluation.eval["precision"][:, :, :, 0, -1]
        known = precision[precision > -1]
        numbers[0] = float(known.mean()) if known.size else -1.0
    return numbers


def scorable(
    truth: GroundTruth, results: Iterable[Row], kind: Kind
) -> tuple[GroundTruth, Sequence[Row]]:
    """Annotations and detections as `run_evaluation` takes them: whole numbers as ids.

    Returns:
        The annotations, images and categories in their order, and the rows of this kind.

    Raises:
        UsageError: The annotations hold nothing of this kind.
        AnnotationError: The detections are of images that the annotations do not list.
    """
    if kind not in truth.kinds:
        raise UsageError(
            f"{truth.path} holds no {kind} to score against; it holds "
            f"{', '.join(truth.kinds) or 'nothing'}"
        )
    rows: Sequence[Row] = [row for row in results if row.get(FIELDS[kind])]
    _check_images(truth, rows)
    return _with_numbers(truth, rows)


def _or_none(value: Any) -> float | None:
    # COCO marks what it could not score by -1.
    return None if value < 0 else float(value)


def require(evaluator: Evaluator) -> None:
    """Raises what to install where an evaluator is missing.

    Raises:
        UsageError: No evaluator goes by this name.
        MeasurementError: It is not installed.
    """
    if evaluator not in _MODULES:
        raise UsageError(
            f"no evaluator is called '{evaluator}'; evaluators are {', '.join(EVALUATORS)}"
        )
    module, extra = _MODULES[evaluator]
    if find_spec(module) is None:
        raise MeasurementError(
            f"evaluator {evaluator} is not installed: pip install 'tfzoo[{extra}]'"
        )


def evaluator_version(evaluator: Evaluator) -> str:
    """Name and version of an evaluator, such as `faster-coco-eval 1.8.0`."""
    package = "tf-models-official" if evaluator == "official" else evaluator
    return f"{package} {version(package)}"


def _check_images(truth: GroundTruth, rows: Sequence[Row]) -> None:
    strays = {row["image_id"] for row in rows} - truth.images.keys()
    if strays:
        shown = ", ".join(map(str, sorted(strays, key=str)[:3]))
        raise AnnotationError(
            f"the detections are of {len(strays)} images that {truth.path} does not list (such as "
            f"{shown}); expected its image ids. Were they made for another split, or numbered anew?"
        )


def names_of(truth: GroundTruth) -> dict[Any, str]:
    """Names of the categories by id; those of one name have their ids beside it."""
    counts = Counter(truth.categories.values())
    return {
        identity: name if counts[name] == 1 else f"{name} (id {identity})"
        for identity, name in truth.categories.items()
    }


def _with_numbers(truth: GroundTruth, rows: Sequence[Row]) -> tuple[GroundTruth, Sequence[Row]]:
    """The same with whole numbers as ids, which the libraries need; in the same order."""
    images, categories = truth.images, truth.categories
    if all(type(one) is int and 0 <= one < 2**31 for one in (*images, *categories)):
        return truth, rows
    image_ids = {identity: number for number, identity in enumerate(images, start=1)}
    category_ids = {identity: number for number, identity in enumerate(categories, start=1)}
    names = names_of(truth)

    def numbered(row: Row) -> dict[str, Any]:
        ids = (image_ids[row["image_id"]], category_ids[row["category_id"]])
        return {**row, "image_id": ids[0], "category_id": ids[1]}

    data = truth.data | {
        "images": [image | {"id": image_ids[image["id"]]} for image in truth.data["images"]],
        "categories": [
            category | {"id": category_ids[category["id"]], "name": names[category["id"]]}
            for category in truth.data["categories"]
        ],
        "annotations": [numbered(annotation) for annotation in truth.data["annotations"]],
    }
    # What is of no category that is listed counts for nothing.
    kept = [numbered(row) for row in rows if row["category_id"] in category_ids]
    return GroundTruth(data, truth.path), kept


def run_evaluation(
    truth: GroundTruth,
    rows: Iterable[Row],
    kind: Kind,
    library: Literal["faster-coco-eval", "pycocotools"] = "faster-coco-eval",
    sized_by_box: bool = False,
    most: int = MOST_DETECTIONS,
) -> Any:
    """Runs COCO's evaluation; see `score`.

    Returns:
        The finished `COCOeval` object of the library: `stats`, `eval`, `ious`, `params`.
    """
    coco_class, evaluation_class = _load(library)
    # The libraries write into what they are given.
    data = truth.data | {"annotations": truth.numbered()}
    with _quick_and_quiet():
        truth_index = _index(coco_class, data)
        fields = (FIELDS[kind], "bbox") if sized_by_box else (FIELDS[kind],)
        results_index = _results_index(truth_index, coco_class, data, rows, fields)
        evaluation = evaluation_class(truth_index, results_index, _IOU_TYPES[kind])
        evaluation.params.catIds = truth.scored(kind)
        if kind != "keypoints":
            evaluation.params.maxDets = [1, 10, max(most, MOST_DETECTIONS)]
        if kind == "keypoints" and (sigmas := _sigmas(truth)) is not None:
            evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _index(coco_class: Any, data: dict[str, Any]) -> Any:
    index = coco_class()
    index.dataset = data
    index.createIndex()
    return index


def _results_index(
    truth_index: Any,
    coco_class: Any,
    data: dict[str, Any],
    rows: Iterable[Row],
    fields: tuple[str, ...],
) -> Any:
    if fields[0] == "bbox":
        # As `loadRes` makes them, but for a polygon a row that boxes have no use for.
        boxes = [
            {
                "id": number,
                "image_id": row["image_id"],
                "category_id": row["category_id"],
                "bbox": row["bbox"],
                "score": row["score"],
                "area": row["bbox"][2] * row["bbox"][3],
                "iscrowd": 0,
            }
            for number, row in enumerate(rows, start=1)
        ]
        return _index(coco_class, data | {"annotations": boxes})
    # The libraries pick how to take an object's area by the fields that the first row has: masks
    # by their pixels, keypoints by their extent. So rows have the one field of this kind, unless
    # their boxes are asked for.
    kept = ("image_id", "category_id", "score", *fields)
    copies = [{key: row[key] for key in kept} for row in rows]
    if not copies:
        return _index(coco_class, data | {"annotations": []})
    return truth_index.loadRes(copies)


@contextlib.contextmanager
def _quick_and_quiet() -> Iterator[None]:
    """Without the libraries' prints, and without the garbage collector.

    A million small objects that all live on make it look through them again and again.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        if enabled:
            gc.enable()


def _load(library: str) -> tuple[Any, Any]:
    if library == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        return COCO, COCOeval
    from faster_coco_eval import COCO as FasterCOCO
    from faster_coco_eval import COCOeval_faster

    return FasterCOCO, COCOeval_faster


def _sigmas(truth: GroundTruth) -> np.ndarray[Any, Any] | None:
    """Per-keypoint constants of the categories (`sigmas` beside `keypoints`), else COCO's own.

    COCO's 17 constants are for its person alone; other objects' annotations bring theirs, as
    a `sigmas` list of the category.

    Raises:
        UsageError: The keypoints are not COCO's 17, and no sigmas are given.
    """
    for category in truth.data["categories"]:
        points = len(category.get("keypoints", ()))
        if sigmas := category.get("sigmas"):
            return np.asarray(sigmas, dtype=float)
        if points not in (0, 17):
            raise UsageError(
                f"{truth.path}: category {category.get('name')} has {points} keypoints; COCO's "
                "per-keypoint constants are for its 17 alone. Give `sigmas`, a list of "
                f"{points} numbers, beside the category's `keypoints`"
            )
    return None
