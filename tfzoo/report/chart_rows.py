"""The chart's rows: each model's figures, reported, printed and measured, under its family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tfzoo.outside import in_one_line
from tfzoo.report.points import METRICS, Point

Layer = Literal["reported", "printed", "measured"]

#: Families in the legend's order, their written names and their colours: Okabe and Ito's palette,
#: told apart by readers with any colour vision (https://jfly.uni-koeln.de/color/).
FAMILIES = {
    "centernet": ("CenterNet", "#d55e00"),
    "efficientdet": ("EfficientDet", "#0072b2"),
    "ssd": ("SSD", "#009e73"),
    "faster_rcnn": ("Faster R-CNN", "#cc79a7"),
    "mask_rcnn": ("Mask R-CNN", "#7a5195"),
    "yolov5": ("YOLOv5", "#6b6b6b"),
    "extremenet": ("ExtremeNet", "#b8860b"),
}
#: What was measured beside them: models of one's own, stand-ins, the embedded one.
OTHER = ("not of the zoo", "#56b4e9")


def chart_rows(
    reported: Sequence[Point], printed: Sequence[Point], measured: Sequence[Point] = ()
) -> list[dict[str, Any]]:
    """A row a model, with each layer's figures under `reported_*`, `printed_*`, `measured_*`."""
    layers: dict[Layer, dict[str, Point]] = {
        "reported": {point.id: point for point in reported},
        "printed": {point.id: point for point in printed},
        "measured": {point.id: point for point in measured},
    }
    rows = []
    for model_id in dict.fromkeys(id_ for layer in layers.values() for id_ in layer):
        found = {name: layer[model_id] for name, layer in layers.items() if model_id in layer}
        family = next(iter(found.values())).family
        row: dict[str, Any] = {"id": model_id, "family": FAMILIES.get(family, OTHER)[0]}
        for name, point in found.items():
            row |= {f"{name}_{metric}": point.accuracy(metric) for metric in METRICS}
            row |= {
                f"{name}_name": point.name,
                f"{name}_fps": point.fps,
                f"{name}_latency_ms": point.latency_ms,
                f"{name}_comparable": point.comparable,
                f"{name}_other_images": point.other_images,
                f"{name}_notes": " ".join(point.notes),
                f"{name}_speed_notes": " ".join(point.speed_notes),
            }
            row |= {f"{name}_{metric}_note": note for metric, note in point.accuracy_notes.items()}
        rows.append({key: _as_shown(value) for key, value in row.items()})
    return rows


def _as_shown(value: Any) -> Any:
    # What draws a picture aborts at a control character.
    return in_one_line(value) if isinstance(value, str) else value
