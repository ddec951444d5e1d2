"""The figures of a report as files: JSON, CSV, and the thresholds as YAML."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.bootstrap import RECALLS
from tfzoo.accuracy.measured import Accuracy
from tfzoo.accuracy.truth import Kind
from tfzoo.explain.calibration import Calibration
from tfzoo.explain.curves import SCORES, ScoreCurve
from tfzoo.explain.explained import Explained, class_names
from tfzoo.outside import in_csv, in_one_line

#: IoU thresholds whose curves are kept, by their place among COCO's ten; and the mean of all.
CURVES = {"0.50": 0, "0.75": 5}


def files_of(measured: Accuracy, kinds: Mapping[Kind, Explained]) -> dict[str, str]:
    """The figures as texts by file name."""
    shown = {"measurement": measured.to_json()} | {
        kind: _kind_json(measured, one) for kind, one in kinds.items()
    }
    files = {"figures.json": json.dumps(shown, allow_nan=False) + "\n"}
    for kind, one in kinds.items():
        start = f"{kind}_"
        files[f"{start}classes.csv"] = _classes_csv(one)
        files[f"{start}curves.csv"] = _curves_csv(one)
        files[f"{start}calibration.csv"] = _calibration_csv(one.calibration[0])
        if one.errors is not None:
            files[f"{start}errors.csv"] = _csv(
                ("error", "cost", "count"),
                ((name, cost, one.errors.counts[name]) for name, cost in one.errors.costs.items()),
            )
        if one.confusion is not None and measured.evidence is not None:
            names = [in_csv(name) for name in class_names(measured.evidence.truths[kind])]
            rows = zip(names, one.confusion.counts.tolist(), strict=True)
            files[f"{start}confusion.csv"] = _csv(
                ("truth \\ found", *names), ((name, *counts) for name, counts in rows)
            )
    # Of boxes where there are some: `detect` drops whole detections.
    files["thresholds.yaml"] = _thresholds(measured, next(iter(kinds.values())))
    return files


def _thresholds(measured: Accuracy, one: Explained) -> str:
    import yaml

    overall = (
        "none: nothing is found" if one.by_score.best_score is None else one.by_score.best_score
    )
    head = [
        f"Scores that maximise F1 at IoU 0.5, by category: {one.kind} of {measured.model},",
        f"{measured.model_digest} on {measured.images} images ({measured.image_set}).",
        f"Of all categories together: {overall}",
    ]
    comments = "".join(f"# {in_one_line(line)}\n" for line in head)
    return comments + yaml.safe_dump(one.thresholds(), allow_unicode=True, sort_keys=False)


def _kind_json(measured: Accuracy, one: Explained) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "per_class": {
            name: {
                "AP": figures.ap,
                "objects": figures.objects,
                "images": figures.images,
                "detections": figures.detections,
                **_score_json(figures.by_score),
                "precision_by_recall": _by_recall(figures.precision),
            }
            for name, figures in one.per_class.items()
        },
        "by_score": _score_json(one.by_score),
        "precision_by_recall": _by_recall(one.precision),
        "recalls": _numbers(RECALLS),
        "scores": _numbers(SCORES),
        "calibration": [_calibration_json(each) for each in one.calibration],
        "worst_images": [{"image_id": i, "AP": ap} for i, ap in one.worst[:100]],
    }
    if one.errors is not None:
        shown["errors"] = {
            "AP50": one.errors.ap,
            "costs": dict(one.errors.costs),
            "counts": dict(one.errors.counts),
        }
    if one.confusion is not None and measured.evidence is not None:
        shown["confusion"] = {
            "min_score": one.confusion.min_score,
            "names": class_names(measured.evidence.truths[one.kind]),
            "counts": one.confusion.counts.tolist(),
        }
    return shown


def _score_json(curve: ScoreCurve) -> dict[str, Any]:
    return {
        "best_score": curve.best_score,
        "best_f1": curve.best_f1,
        "precision": _numbers(curve.precision),
        "recall": _numbers(curve.recall),
        "f1": _numbers(curve.f1),
    }


def _by_recall(precision: NDArray[np.float64]) -> dict[str, Any]:
    curves = {name: _numbers(precision[place]) for name, place in CURVES.items()}
    return curves | {"0.50:0.95": _numbers(precision.mean(axis=0))}


def _calibration_json(one: Calibration) -> dict[str, Any]:
    return {
        "min_score": one.min_score,
        "expected_calibration_error": one.error,
        "confidence": _numbers(one.confidence),
        "accuracy": _numbers(one.accuracy),
        "detections": one.counts.tolist(),
    }


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    """Figures to five digits; None for none."""
    return [None if math.isnan(value) else round(value, 5) for value in values.tolist()]


def _csv(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return file.getvalue()


def _classes_csv(one: Explained) -> str:
    rows = (
        (
            in_csv(name),
            figures.ap,
            figures.objects,
            figures.images,
            figures.detections,
            figures.by_score.best_score,
            figures.by_score.best_f1,
        )
        for name, figures in one.per_class.items()
    )
    head = ("category", "AP", "objects", "images", "detections", "best_score", "best_f1")
    return _csv(head, rows)


def _curves_csv(one: Explained) -> str:
    """The curves of all categories, a row a point: by recall the mean, by score in one list."""
    mean = one.precision
    columns = [
        _numbers(values)
        for values in (
            RECALLS,
            *(mean[place] for place in CURVES.values()),
            mean.mean(axis=0),
            SCORES,
            one.by_score.precision,
            one.by_score.recall,
            one.by_score.f1,
        )
    ]
    head = [
        "at_recall",
        *(f"precision_iou_{name}" for name in CURVES),
        "precision_iou_0.50:0.95",
        "at_score",
        "precision",
        "recall",
        "f1",
    ]
    return _csv(head, zip(*columns, strict=True))


def _calibration_csv(one: Calibration) -> str:
    columns = (_numbers(one.confidence), _numbers(one.accuracy), one.counts.tolist())
    return _csv(("confidence", "accuracy", "detections"), zip(*columns, strict=True))
