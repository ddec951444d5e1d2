"""A line of the table: what was measured of a model in one identity, beside what was reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tfzoo.report.identities import (
    IDENTITY,
    Measured,
    Measurements,
    Row,
    most_complete,
    tell_apart,
)
from tfzoo.report.speed import Machine, machine_of
from tfzoo.report.verdicts import (
    WHOLE_IMAGES,
    judge_accuracy,
    judge_speed,
    timing_noise,
)
from tfzoo.results import number
from tfzoo.settings import PACKAGE
from tfzoo.zoo.manifest import Manifest
from tfzoo.zoo.schema import Metric, ModelSpec

#: One line of the table: a value by column, None where there is none. Beside the columns stand its
#: `measurements`: the rows of accuracy.csv by kind, and of timing.csv as `time`, it is made of.
Line = dict[str, Any]

#: Kind of accuracy.csv and the manifest's metric, in the order of the columns.
METRICS: tuple[tuple[str, Metric], ...] = (
    ("box", "box_map"),
    ("keypoints", "keypoint_map"),
    ("masks", "mask_map"),
)
_PARTS = (
    *("reported", "measured", "difference", "low", "high", "images", "image_set"),
    *("small", "medium", "large"),
    *("verdict", "images_needed", "agrees_with"),
)

#: COCO's classes of objects by their area, and AP of each in accuracy.csv.
_SIZES = {"small": "APs", "medium": "APm", "large": "APl"}

#: All columns, as CSV and JSON have them; docs/accuracy.md says what they hold.
COLUMNS: tuple[str, ...] = (
    *("id", "name", "family"),
    *("identity", *IDENTITY, "identity_notes"),
    *(f"{metric}_{part}" for _, metric in METRICS for part in _PARTS),
    *("speed_reported_ms", "speed_measured_ms", "speed_p50_ms", "speed_p95_ms", "speed_images"),
    *("speed_ratio", "speed_factor", "speed_departure"),
    *("speed_departure_low", "speed_departure_high", "speed_verdict", "speed_reason"),
    *("fps_reported", "fps_measured", "size_mb", "peak_host_mb", "peak_device_mb"),
    *("parameters", "gflops"),
    *("speed_device", "speed_hardware", "speed_runtime", "speed_image_set", "speed_notes"),
    *("speed_error", "notes"),
)


def make_line(
    model: str,
    manifest: Manifest,
    measured: Measured | None,
    called: str = "",
    error: str | None = None,
) -> Line:
    """One line of the table, without what other lines say of its speed.

    Args:
        model: Id of the model, or its path.
        manifest: The models and their reported figures.
        measured: What was measured in one identity, or None.
        called: What tells the identity from others of the model.
        error: Why the model has no time, where it has none.
    """
    spec = next((spec for spec in manifest.all_models if spec.id == model), None)
    line: Line = dict.fromkeys(COLUMNS) | {"measurements": {}}
    name = spec.name if spec else model
    line |= {"id": model, "name": f"{name} ({called})" if called else name}
    line["identity"] = called or None
    if spec is not None:
        line |= {"family": spec.family, "notes": list(spec.notes) or None}
        line |= {f"{metric}_reported": spec.figure(metric) for _, metric in METRICS}
        if (reported_ms := spec.speed_ms) is not None:
            line |= {"speed_reported_ms": reported_ms, "fps_reported": _fps(reported_ms)}
    if measured is None:
        return line | {"speed_error": error}
    line |= {part: getattr(measured.identity, part) or None for part in IDENTITY}
    line["batch"] = None if line["batch"] is None else int(line["batch"])
    if measured.laid_beside:
        line["identity_notes"] = "the measured time is of {}, the mAP of {}".format(
            *measured.laid_beside
        )
    line["measurements"] = {
        **measured.accuracy,
        **({"time": measured.time} if measured.time else {}),
    }
    for kind, metric in METRICS:
        if (row := measured.accuracy.get(kind)) is not None:
            line |= _accuracy(metric, row, spec, manifest)
    return line | (_speed(measured.time, spec) if measured.time else {"speed_error": error})


def _accuracy(metric: Metric, row: Row, spec: ModelSpec | None, manifest: Manifest) -> Line:
    # Unrounded: a verdict is on what was measured, not on how it is written.
    measured, low, high = (_percent(number(row, name)) for name in ("AP", "AP_low", "AP_high"))
    assert measured is not None  # Rows without are failures.
    images = number(row, "images")
    image_set = row.get("image_set")
    part: Line = {
        "measured": round(measured, 2),
        "low": _rounded(low, 2),
        "high": _rounded(high, 2),
        "images": None if images is None else int(images),
        "image_set": image_set,
    } | {size: _rounded(_percent(number(row, column)), 2) for size, column in _SIZES.items()}
    figures = manifest.published(spec, metric) if spec else ()
    # No reported figure was taken with tiles.
    if spec and figures and not row.get("tiles"):
        part["difference"] = round(part["measured"] - figures[0].value, 2)
        judged = judge_accuracy(
            measured,
            figures,
            interval=None if low is None or high is None else (low, high),
            images=part["images"],
            whole=image_set == ("held-out" if spec.held_out else "val2017"),
            whole_images=_whole_images(spec),
        )
        part |= {"verdict": judged.verdict, "images_needed": judged.images_needed}
        part["agrees_with"] = judged.agrees_with
    return {f"{metric}_{name}": value for name, value in part.items()}


def _whole_images(spec: ModelSpec) -> int:
    """Number of images that a model's reported figures are of."""
    if spec.held_out is None:
        return WHOLE_IMAGES
    # Their annotations may lie among them.
    listed = (PACKAGE / spec.held_out.images).glob("*")
    return sum(path != PACKAGE / spec.held_out.annotations for path in listed)


#: Columns of timing.csv that go by the same name here.
_KEPT = ("size_mb", "peak_host_mb", "peak_device_mb", "gflops")


def _speed(row: Row, spec: ModelSpec | None) -> Line:
    measured_ms = number(row, "mean_ms")
    assert measured_ms is not None  # Rows without are failures.
    machine = machine_of(row)
    images, parameters = number(row, "images"), number(row, "parameters")
    line: Line = {
        "speed_measured_ms": measured_ms,
        "speed_p50_ms": number(row, "p50_ms"),
        "speed_p95_ms": number(row, "p95_ms"),
        "speed_images": None if images is None else int(images),
        "fps_measured": _fps(measured_ms),
        **{name: number(row, name) for name in _KEPT},
        "parameters": None if parameters is None else int(parameters),
        "speed_device": machine.device,
        "speed_hardware": machine.hardware,
        "speed_runtime": machine.runtime,
        "speed_image_set": machine.image_set,
        "speed_notes": row.get("notes") or None,
    }
    if spec is not None and spec.speed_ms is not None:
        line["speed_ratio"] = round(measured_ms / spec.speed_ms, 3)
    return line


def machine_of_line(line: Line) -> Machine | None:
    """The machine that a line's time is of, or None where it has none."""
    if line["speed_measured_ms"] is None:
        return None
    parts = ("speed_device", "speed_hardware", "speed_runtime", "speed_image_set")
    return Machine(*(line[part] for part in parts))


@dataclass(frozen=True)
class ModelLines:
    """What there is to show of a model.

    Attributes:
        shown: The line of a table that has one a model.
        every: A line for each identity, best first; one with what is reported where there is none.
        rest: Those of `every` that `shown` takes nothing from.
    """

    shown: Line
    every: tuple[Line, ...]
    rest: tuple[Line, ...]

    @property
    def apart(self) -> tuple[Line, ...]:
        """Lines that share no measurement, and leave none out: what a chart has a point for."""
        return (self.shown, *self.rest)


def model_lines(manifest: Manifest, found: Measurements) -> dict[str, ModelLines]:
    """The lines of every model: the manifest's in their order, then others that were measured.

    Speeds are judged among all that was measured: whatever is shown, the verdicts are the same.
    """
    models = dict.fromkeys([*(spec.id for spec in manifest.models), *found.models])
    lines = {model: _lines_of(model, manifest, found) for model in models}
    _judge_speeds([line for one in lines.values() for line in (*one.every, one.shown)])
    return lines


def _lines_of(model: str, manifest: Manifest, found: Measurements) -> ModelLines:
    measured, error = found.models.get(model, ()), found.errors.get(model)
    shown = most_complete(measured)
    if shown is None:
        blank = make_line(model, manifest, None, error=error)
        return ModelLines(blank, (blank,), ())
    every = [
        make_line(model, manifest, one, called, error)
        for one, called in zip(measured, tell_apart(measured), strict=True)
    ]
    if shown.laid_beside is None:
        return ModelLines(every[0], tuple(every), tuple(every[1:]))
    called = shown.identity.text(["precision", "tiles"])
    rest = [
        line
        for one, line in zip(measured, every, strict=True)
        if one.time is not shown.time and one.accuracy is not shown.accuracy
    ]
    return ModelLines(make_line(model, manifest, shown, called, error), tuple(every), tuple(rest))


#: What times must share to be compared: the machine, precision and batch.
Conditions = tuple[Machine, str, int | None]


def timed_alike(lines: Iterable[Line]) -> dict[Conditions, list[Line]]:
    """Lines with a reported time and a measured one, by what they share; a model once."""
    alike: dict[Conditions, dict[str, Line]] = defaultdict(dict)
    for line in lines:
        if line["speed_ratio"] is not None:
            alike[_conditions(line)].setdefault(line["id"], line)
    return {shared: list(together.values()) for shared, together in alike.items()}


def _conditions(line: Line) -> Conditions:
    machine = machine_of_line(line)
    assert machine is not None  # It was timed.
    return machine, line["precision"], line["batch"]


def _judge_speeds(lines: Sequence[Line]) -> None:
    """Fills in what the times of other models say of each."""
    alike = timed_alike(lines)
    for line in lines:
        if line["speed_ratio"] is None:
            continue
        others = [_ratio(other) for other in alike[_conditions(line)] if other["id"] != line["id"]]
        noise = timing_noise(line["speed_p50_ms"], line["speed_p95_ms"], line["speed_images"])
        judged = judge_speed(_ratio(line), noise, others)
        line |= {
            "speed_verdict": judged.verdict,
            "speed_reason": judged.reason,
            "speed_factor": _rounded(judged.factor),
            "speed_departure": _rounded(judged.departure),
            "speed_departure_low": _rounded(judged.low),
            "speed_departure_high": _rounded(judged.high),
        }


def _ratio(line: Line) -> float:
    """Measured over reported time, unrounded."""
    ratio: float = line["speed_measured_ms"] / line["speed_reported_ms"]
    return ratio


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _fps(milliseconds: float) -> float:
    """Images a second with two decimals, a half rounded up as the blog does (64 ms: 15.63)."""
    exact = 1000 / Decimal(str(milliseconds))
    return float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))
