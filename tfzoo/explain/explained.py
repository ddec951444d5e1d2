"""All that is told of one kind of an evaluation: by class, by score, by what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.bootstrap import Matches, matches_of
from tfzoo.accuracy.evidence import Evidence
from tfzoo.accuracy.fields import Id
from tfzoo.accuracy.measured import Accuracy
from tfzoo.accuracy.metrics import Metrics, names_of, run_evaluation, scorable
from tfzoo.accuracy.truth import GroundTruth, Kind
from tfzoo.explain.boxes import in_columns
from tfzoo.explain.by_image import image_precision
from tfzoo.explain.calibration import Calibration, calibration
from tfzoo.explain.confusion import Confusion, confusion_matrix
from tfzoo.explain.curves import ScoreCurve, precision_by_recall, score_curve
from tfzoo.explain.pictures import MIN_SCORE
from tfzoo.explain.tide import ErrorCosts, error_costs


@dataclass(frozen=True)
class ClassFigures:
    """How well one category does.

    Attributes:
        ap: AP over IoU 0.50 to 0.95, 0 to 1, or None without objects.
        objects: Objects to be found, crowds left out.
        images: Images that hold some.
        detections: Detections of it.
        precision: float [T, 101], at 101 points of recall, of each IoU threshold.
        by_score: Precision, recall and F1 by score, at IoU 0.5.
    """

    ap: float | None
    objects: int
    images: int
    detections: int
    precision: NDArray[np.float64]
    by_score: ScoreCurve


@dataclass(frozen=True)
class Explained:
    """What lies behind the figures of one kind.

    Attributes:
        kind: `box`, `keypoints` or `masks`.
        metrics: Its figures.
        per_class: By category name.
        by_score: Precision, recall and F1 by score of all categories in one list, at IoU 0.5.
        calibration: Of all detections, and of those that are usually shown.
        errors: What errors cost, by TIDE; boxes alone.
        confusion: Which categories are taken for which; boxes alone.
        worst: Ids of images, the worst first, each with its AP by itself, 0 to 1.
    """

    kind: Kind
    metrics: Metrics
    per_class: Mapping[str, ClassFigures]
    by_score: ScoreCurve
    calibration: tuple[Calibration, Calibration]
    errors: ErrorCosts | None
    confusion: Confusion | None
    worst: Sequence[tuple[Id, float]]

    @property
    def precision(self) -> NDArray[np.float64]:
        """Precision by recall, the mean of the categories that have objects: float [T, 101]."""
        some = [one.precision for one in self.per_class.values() if one.objects]
        return np.asarray(np.mean(some, axis=0), dtype=np.float64)

    def thresholds(self) -> dict[str, float]:
        """The score that maximises F1 by category name, of those of which something is found."""
        found = {name: one.by_score.best_score for name, one in self.per_class.items()}
        return {name: score for name, score in found.items() if score is not None}


def explain_kinds(measured: Accuracy) -> dict[Kind, Explained]:
    """What lies behind each kind's figures of a measurement."""
    evidence = measured.evidence
    assert evidence is not None  # `evaluate` always keeps it.
    return {
        kind: explain(evidence, kind, metrics)
        for kind, metrics in measured.metrics.items()
        if any(one.objects.any() for one in _matches(evidence, kind, metrics))
    }


def explain(evidence: Evidence, kind: Kind, metrics: Metrics) -> Explained:
    """What lies behind the figures of a kind.

    Args:
        evidence: The annotations and detections.
        kind: Which.
        metrics: What they were scored to be.
    """
    truth = evidence.truths[kind]
    matches = _matches(evidence, kind, metrics)
    per_class = {
        name: ClassFigures(
            metrics.per_class[name],
            int(one.objects.sum()),
            int((one.objects > 0).sum()),
            len(one.scores),
            precision_by_recall(one),
            score_curve([one]),
        )
        for name, one in zip(metrics.per_class, matches, strict=True)
    }
    by_score = score_curve(matches)
    errors, confusion = None, None
    if kind == "box":
        found = in_columns(truth, evidence.rows)
        objects = in_columns(truth, truth.data["annotations"])
        errors = error_costs(found, objects, len(truth.categories))
        least = MIN_SCORE if by_score.best_score is None else by_score.best_score
        confusion = confusion_matrix(found, objects, len(truth.categories), least)
    return Explained(
        kind,
        metrics,
        per_class,
        by_score,
        (calibration(matches), calibration(matches, MIN_SCORE)),
        errors,
        confusion,
        _worst(truth, matches),
    )


def class_names(truth: GroundTruth) -> list[str]:
    """Names of the categories in their order, and of the background."""
    return [*names_of(truth).values(), "background"]


def _matches(evidence: Evidence, kind: Kind, metrics: Metrics) -> Sequence[Matches]:
    if metrics.matches:
        return metrics.matches
    truth, rows = scorable(evidence.truths[kind], evidence.rows, kind)
    sized, most = evidence.sized_by_box, evidence.most
    return matches_of(run_evaluation(truth, rows, kind, sized_by_box=sized, most=most))


def _worst(truth: GroundTruth, matches: Sequence[Matches]) -> list[tuple[Id, float]]:
    """By what is missing to an AP of 1, times the objects."""
    precisions = image_precision(matches)
    objects: NDArray[Any] = np.sum([one.objects for one in matches], axis=0)
    lost = np.nan_to_num(1 - precisions) * objects
    listed = list(truth.images)
    order = np.argsort(-lost, kind="stable")
    return [(listed[i], float(precisions[i])) for i in order if lost[i] > 1e-12]
