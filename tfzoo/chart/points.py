"""The chart's data: each model's accuracy and speed, as reported, as the blog printed, measured.

Figures come from the manifest, and measured ones from the results folder; none is copied here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tfzoo.manifest import Manifest, ModelSpec
from tfzoo.measure.table import Line, build_table

Metric = Literal["box", "keypoint", "mask"]
#: A point's first six fields.
_Identity = tuple[str, str, str, int | None, bool | None, tuple[str, ...]]
Origin = Literal["reported", "measured"]
METRICS: tuple[Metric, ...] = ("box", "keypoint", "mask")

#: Why YOLOv5's speeds never decide a comparison.
NOT_COMPARABLE = (
    "not comparable: per image at batch 32 on a V100, taken as 1.6 times a TITAN X; "
    "the others were timed at batch 1"
)
#: How many times a TITAN X the blog takes a V100 for.
V100_TO_TITAN_X = 1.6


@dataclass(frozen=True)
class Point:
    """One model's figures.

    Attributes:
        id: The manifest's id.
        name: The model's name, as this layer's source prints it.
        family: Family, such as `centernet`.
        stages: 1 or 2; None for a model that no manifest lists.
        anchors: Whether it works from anchor boxes; None likewise.
        outputs: What it detects.
        box_map: Box mAP in percent, or None.
        keypoint_map: Keypoint mAP in percent, or None.
        mask_map: Mask mAP in percent, or None.
        fps: Images a second, or None.
        latency_ms: Milliseconds an image, or None.
        comparable: Whether the speed may be compared with the other models' at all.
        notes: What a reader must know of these figures: slips, conditions.
    """

    id: str
    name: str
    family: str
    stages: int | None
    anchors: bool | None
    outputs: tuple[str, ...]
    box_map: float | None = None
    keypoint_map: float | None = None
    mask_map: float | None = None
    fps: float | None = None
    latency_ms: float | None = None
    comparable: bool = True
    notes: tuple[str, ...] = ()

    def accuracy(self, metric: Metric) -> float | None:
        """The mAP of a metric in percent, or None."""
        return {"box": self.box_map, "keypoint": self.keypoint_map, "mask": self.mask_map}[metric]


def as_printed_points(manifest: Manifest) -> list[Point]:
    """The blog chart's 44 rows, every figure as printed, its slips in the notes."""
    return [
        Point(
            *_identity(spec, printed.name),
            box_map=printed.box_map,
            keypoint_map=printed.keypoint_map,
            fps=printed.fps,
            latency_ms=None if printed.fps is None else 1000 / printed.fps,
            notes=printed.slips,
        )
        for spec in manifest.models
        if (printed := spec.as_printed) is not None
    ]


def reported_points(manifest: Manifest) -> list[Point]:
    """Every model with a reported speed, as its own source reports it.

    FPS = 1000 / speed in ms. YOLOv5 has no speed of the zoo's conditions: its points are release
    v4.0's (what the blog took), the V100's FPS divided by 1.6, and marked as not comparable.
    """
    points = []
    for spec in manifest.models:
        v100_fps = spec.figure("v100_batch32_fps", "yolov5_v4")
        if spec.speed_ms is not None:
            points.append(
                Point(
                    *_identity(spec, spec.name),
                    box_map=spec.box_map,
                    keypoint_map=spec.keypoint_map,
                    mask_map=spec.mask_map,
                    fps=1000 / spec.speed_ms,
                    latency_ms=spec.speed_ms,
                    notes=spec.notes,
                )
            )
        elif v100_fps is not None:
            fps = v100_fps / V100_TO_TITAN_X
            points.append(
                Point(
                    *_identity(spec, spec.name),
                    box_map=spec.figure("box_map", "yolov5_v4"),
                    fps=fps,
                    latency_ms=1000 / fps,
                    comparable=False,
                    notes=(NOT_COMPARABLE,),
                )
            )
    return points


def measured_points(manifest: Manifest, results: Path) -> list[Point]:
    """Every model with a measured figure, as the results folder has it, the project's own too.

    Raises:
        MeasurementError: The measurements can't be read.
    """
    table = build_table(manifest, results)
    specs = {spec.id: spec for spec in manifest.all_models}
    return [
        _measured_point(line, specs.get(line["id"]))
        for line in (*table.zoo, *table.others)
        if any(line[column] is not None for column in _MEASURED)
    ]


_MEASURED = ("box_map_measured", "keypoint_map_measured", "mask_map_measured", "speed_measured_ms")


def _measured_point(line: Line, spec: ModelSpec | None) -> Point:
    latency_ms: float | None = line["speed_measured_ms"]
    notes = [
        f"{metric} mAP measured on {line[f'{metric}_map_images']} images "
        f"({line[f'{metric}_map_image_set']})."
        for metric in METRICS
        if line[f"{metric}_map_measured"] is not None
    ]
    if latency_ms is not None:
        notes.append(f"Timed on {line['speed_device']}, {line['speed_runtime']}.")
    # A model that no manifest lists goes by its path, too long for a chart.
    identity: _Identity = (
        (line["id"], Path(line["id"]).name, "other", None, None, ())
        if spec is None
        else _identity(spec, spec.name)
    )
    return Point(
        *identity,
        box_map=line["box_map_measured"],
        keypoint_map=line["keypoint_map_measured"],
        mask_map=line["mask_map_measured"],
        fps=None if latency_ms is None else 1000 / latency_ms,
        latency_ms=latency_ms,
        notes=tuple(notes),
    )


def points_from(
    manifest: Manifest, results: Path, *, accuracy_from: Origin, speed_from: Origin
) -> list[Point]:
    """Points whose accuracy and speed are each reported or measured; both are needed for a point.

    Raises:
        MeasurementError: The measurements can't be read.
    """
    reported = reported_points(manifest)
    if accuracy_from == speed_from == "reported":
        return reported
    measured = measured_points(manifest, results)
    if accuracy_from == speed_from:
        return measured
    accuracies, speeds = (
        (reported, measured) if accuracy_from == "reported" else (measured, reported)
    )
    by_id = {point.id: point for point in speeds}
    return [
        replace(
            point,
            fps=speed.fps,
            latency_ms=speed.latency_ms,
            comparable=speed.comparable,
            notes=(*point.notes, *speed.notes),
        )
        for point in accuracies
        if (speed := by_id.get(point.id)) is not None
    ]


def _identity(spec: ModelSpec, name: str) -> _Identity:
    return spec.id, name, spec.family, spec.stages, spec.anchors, spec.outputs


def pareto_front(points: Iterable[Point], metric: Metric = "box") -> list[Point]:
    """The points that no other beats: none is as fast and as accurate, and better in one of both.

    Points that lack a figure, or whose speed is not comparable, neither stand on the front nor
    keep others off it.

    Returns:
        The front, fastest first.
    """
    measured = [
        (point.fps, accuracy, point)
        for point in points
        if point.comparable and point.fps is not None
        if (accuracy := point.accuracy(metric)) is not None
    ]
    front = [
        (fps, accuracy, point)
        for fps, accuracy, point in measured
        if not any(
            other_fps >= fps and other >= accuracy and (other_fps, other) != (fps, accuracy)
            for other_fps, other, _ in measured
        )
    ]
    return [point for _, _, point in sorted(front, key=lambda entry: (-entry[0], entry[1]))]
