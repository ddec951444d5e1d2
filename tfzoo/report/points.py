"""The chart's data: each model's accuracy and speed, as reported, as the blog printed, measured.

Figures come from the manifest, and measured ones from the results folder; none is copied here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tfzoo.errors import MeasurementError
from tfzoo.report.identities import read_measurements
from tfzoo.report.lines import Line, machine_of_line, model_lines
from tfzoo.zoo.manifest import Manifest
from tfzoo.zoo.schema import ModelSpec

Metric = Literal["box", "keypoint", "mask"]
#: A point's first six fields.
_Identity = tuple[str, str, str, int | None, bool | None, tuple[str, ...]]
#: The images that most models' mAP of a metric was measured on, or None where none was.
_Usual = Mapping[Metric, str | None]
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
        family: Family, such as `centernet`; `other` for what was measured and is none of the zoo's.
        stages: 1 or 2; None for a model that no manifest lists.
        anchors: Whether it works from anchor boxes; None likewise.
        outputs: What it detects.
        box_map: Box mAP in percent, or None.
        keypoint_map: Keypoint mAP in percent, or None.
        mask_map: Mask mAP in percent, or None.
        fps: Images a second, or None.
        latency_ms: Milliseconds an image, or None.
        latency_interval: Of a forecast, the 95 % interval of milliseconds an image; None for a
            speed that was reported or measured.
        comparable: Whether the speed may be compared with the other models' at all: it is of the
            same conditions, or of the machine that most were timed on.
        other_images: Metrics whose mAP is of other images than most models', so not comparable.
        notes: What a reader must know of the model and its figures, such as slips.
        accuracy_notes: What the mAP of a metric was measured on.
        speed_notes: The conditions of the speed.
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
    latency_interval: tuple[float, float] | None = None
    comparable: bool = True
    other_images: tuple[Metric, ...] = ()
    notes: tuple[str, ...] = ()
    accuracy_notes: Mapping[Metric, str] = field(default_factory=dict, hash=False)
    speed_notes: tuple[str, ...] = ()

    def accuracy(self, metric: Metric) -> float | None:
        """The mAP of a metric in percent, or None."""
        return {"box": self.box_map, "keypoint": self.keypoint_map, "mask": self.mask_map}[metric]

    def remarks(self, metric: Metric) -> tuple[str, ...]:
        """What a reader must know of the model, its mAP of a metric and its speed."""
        measured_on = self.accuracy_notes.get(metric)
        return (*self.notes, *([measured_on] if measured_on else ()), *self.speed_notes)


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
                    speed_notes=(NOT_COMPARABLE,),
                )
            )
    return points


def rated_points(manifest: Manifest) -> list[Point]:
    """Every model with the mAP that is reported of its files, and without a speed."""
    return [
        Point(
            *_identity(spec, spec.name),
            box_map=spec.box_map,
            keypoint_map=spec.keypoint_map,
            mask_map=spec.mask_map,
            notes=spec.notes,
        )
        for spec in manifest.models
    ]


def measured_points(manifest: Manifest, results: Path) -> list[Point]:
    """Every model with a measured figure, as the results folder has it, the project's own too.

    A point is one identity of a measurement (see `tfzoo.report.identities`); of a model that was
    measured in several the most complete goes by the model's id, the others by what differs too.
    A mAP decides comparisons with those of the same images alone: the images that most models were
    measured on; a time likewise, by the machine that most were timed on.

    Raises:
        MeasurementError: The measurements can't be read.
    """
    specs = {spec.id: spec for spec in manifest.all_models}
    in_zoo = {spec.id for spec in manifest.models}
    lines = [
        (line, _point_id(line, first=line is one.shown))
        for one in model_lines(manifest, read_measurements(results)).values()
        for line in one.apart
        if any(line[column] is not None for column in _MEASURED)
    ]
    usual: _Usual = {
        metric: _most_common(_images(line, metric) for line, _ in lines) for metric in METRICS
    }
    place = _most_common(_place(line) for line, _ in lines)
    return [
        _measured_point(line, id_, specs.get(line["id"]), line["id"] in in_zoo, usual, place)
        for line, id_ in lines
    ]


def _point_id(line: Line, first: bool) -> str:
    """What a point goes by: the model's id, which joins it with what was reported, or its own."""
    # What was reported is of full precision, without tiles.
    usual = first and line["precision"] == "float32" and not line["tiles"]
    called = None if usual else line["identity"]
    return f"{line['id']} ({called})" if called else line["id"]


_MEASURED = (*(f"{metric}_map_measured" for metric in METRICS), "speed_measured_ms")


def _images(line: Line, metric: Metric) -> str | None:
    """The images that a line's mAP was measured on, or None where it was not."""
    if line[f"{metric}_map_measured"] is None:
        return None
    return f"{line[f'{metric}_map_images']} images ({line[f'{metric}_map_image_set']})"


def _place(line: Line) -> str | None:
    """What a line's time was taken on and of, whatever the runtime; None where it has none."""
    machine = machine_of_line(line)
    if machine is None:
        return None
    return f"{machine.device} ({machine.hardware}), {machine.image_set}"


def _most_common(found: Iterable[str | None]) -> str | None:
    counts = Counter(one for one in found if one is not None)
    # Of equals the first, which is the zoo's models': theirs come before the others.
    return max(counts, key=lambda one: counts[one], default=None)


def _measured_point(
    line: Line,
    id_: str,
    spec: ModelSpec | None,
    in_zoo: bool,
    usual: _Usual,
    place: str | None,
) -> Point:
    images = {metric: found for metric in METRICS if (found := _images(line, metric)) is not None}
    other_images = tuple(metric for metric, found in images.items() if found != usual[metric])
    accuracy_notes: dict[Metric, str] = {}
    for metric, found in images.items():
        low, high = line[f"{metric}_map_low"], line[f"{metric}_map_high"]
        interval = "" if low is None else f", 95 % interval {low:.1f} to {high:.1f}"
        reason = f"; not comparable: most have {usual[metric]}" if metric in other_images else ""
        note = f"{metric} mAP measured on {found}{interval}{reason}."
        if line["identity_notes"]:
            note += f" Of two measurements: {line['identity_notes']}."
        accuracy_notes[metric] = note
    latency_ms: float | None = line["speed_measured_ms"]
    comparable = latency_ms is None or _place(line) == place
    speed_notes = []
    if latency_ms is not None:
        reason = "" if comparable else f"; not comparable: most are timed on {place}"
        speed_notes.append(f"Timed on {machine_of_line(line)}{reason}.")
        if line["speed_notes"]:
            speed_notes.append(f"Disturbed while timed: {line['speed_notes']}.")
    otherwise = [line["precision"]] if line["precision"] != "float32" else []
    otherwise += [f"tiles {line['tiles']}"] if line["tiles"] else []
    name = line["name"]
    if spec is None:
        # A model that no manifest lists goes by its path, too long for a chart.
        short = Path(line["id"]).name
        called = f"{short} ({line['identity']})" if line["identity"] else short
        identity: _Identity = (id_, called, "other", None, None, ())
        notes: tuple[str, ...] = (f"None of the zoo's models: {name}.",)
    else:
        identity = (id_, *_identity(spec, name)[1:])
        # Of the zoo's models the remarks are on the reported figures.
        notes = () if in_zoo else spec.notes
        if otherwise:
            notes = (f"{spec.name} in {', '.join(otherwise)}: none of the zoo's own figures.",)
    point = Point(
        *identity,
        box_map=line["box_map_measured"],
        keypoint_map=line["keypoint_map_measured"],
        mask_map=line["mask_map_measured"],
        fps=None if latency_ms is None else 1000 / latency_ms,
        latency_ms=latency_ms,
        comparable=comparable,
        other_images=other_images,
        notes=notes,
        accuracy_notes=accuracy_notes,
        speed_notes=tuple(speed_notes),
    )
    return point if in_zoo and not otherwise else replace(point, family="other")


def require_measured(
    measured: Sequence[Point], results: Path | None, *, accuracy_from: Origin, speed_from: Origin
) -> None:
    """Refuses to choose measured figures where there are none.

    Raises:
        MeasurementError: No model has what is asked for; says how to measure it.
    """
    where = results or "no results folder"
    if accuracy_from == "measured" and not has_accuracy(measured):
        raise MeasurementError(
            f"{where} holds no measured mAP; make some with: tfzoo evaluate NAME"
        )
    if speed_from == "measured" and not has_speed(measured):
        raise MeasurementError(
            f"{where} holds no measured time; make some with: tfzoo benchmark NAME"
        )


def has_accuracy(points: Iterable[Point]) -> bool:
    """Whether any point has a mAP, of whatever metric."""
    return any(point.accuracy(metric) is not None for point in points for metric in METRICS)


def has_speed(points: Iterable[Point]) -> bool:
    """Whether any point has a speed."""
    return any(point.fps is not None for point in points)


def points_from(
    manifest: Manifest, results: Path, *, accuracy_from: Origin, speed_from: Origin
) -> list[Point]:
    """Points whose accuracy and speed are each reported or measured; some may lack one of both.

    Raises:
        MeasurementError: The measurements can't be read, or there are none of what is asked for.
    """
    reported = reported_points(manifest)
    if accuracy_from == speed_from == "reported":
        return reported
    measured = measured_points(manifest, results)
    require_measured(measured, results, accuracy_from=accuracy_from, speed_from=speed_from)
    if accuracy_from == speed_from:
        return measured
    accuracies, speeds = (
        (reported, measured) if accuracy_from == "reported" else (measured, reported)
    )
    return joined(accuracies, speeds)


def joined(accuracies: Iterable[Point], speeds: Iterable[Point]) -> list[Point]:
    """The accuracy of some points with the speed of others; of models that are in both."""
    by_id = {point.id: point for point in speeds}
    return [
        replace(
            point,
            fps=speed.fps,
            latency_ms=speed.latency_ms,
            latency_interval=speed.latency_interval,
            comparable=speed.comparable,
            notes=tuple(dict.fromkeys((*point.notes, *speed.notes))),
            speed_notes=speed.speed_notes,
        )
        for point in accuracies
        if (speed := by_id.get(point.id)) is not None
    ]


def _identity(spec: ModelSpec, name: str) -> _Identity:
    return spec.id, name, spec.family, spec.stages, spec.anchors, spec.outputs


def pareto_front(points: Iterable[Point], metric: Metric = "box") -> list[Point]:
    """The points that no other beats: none is as fast and as accurate, and better in one of both.

    Points that lack a figure, or one of whose figures is not comparable, neither stand on the front
    nor keep others off it.

    Returns:
        The front, fastest first.
    """
    measured = [
        (point.fps, accuracy, point)
        for point in points
        if point.comparable and metric not in point.other_images and point.fps is not None
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
