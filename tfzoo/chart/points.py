"""The chart's data: each model's accuracy and speed, as reported, as the blog printed, measured.

Figures come from the manifest, and measured ones from the results folder; none is copied here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tfzoo.manifest import Manifest, ModelSpec

Metric = Literal["box", "keypoint", "mask"]
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


def _identity(
    spec: ModelSpec, name: str
) -> tuple[str, str, str, int | None, bool | None, tuple[str, ...]]:
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
