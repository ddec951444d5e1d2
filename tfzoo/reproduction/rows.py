"""A row of a reproduction: what was reported, what was measured, and the verdict on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfzoo.accuracy.truth import KINDS, Kind
from tfzoo.report.identities import IDENTITY
from tfzoo.report.lines import METRICS, Line
from tfzoo.report.table import build_table
from tfzoo.report.verdicts import Verdict
from tfzoo.reproduction.journal import Measured, Step
from tfzoo.zoo.manifest import load_manifest


@dataclass(frozen=True)
class AccuracyRow:
    """One kind's accuracy; mAP in percent.

    Attributes:
        reported: As the manifest has it, or None.
        measured: As it was measured here, or None.
        low: Lower end of its 95 % interval, or None.
        high: Upper end.
        images: On how many images.
        verdict: Whether it is what was reported; None where nothing was.
        images_needed: How many images would decide it, where it is undecided.
    """

    reported: float | None
    measured: float | None
    low: float | None
    high: float | None
    images: int | None
    verdict: Verdict | None
    images_needed: int | None


@dataclass(frozen=True)
class SpeedRow:
    """A model's time for an image in milliseconds.

    Attributes:
        reported_ms: As the manifest has it, or None.
        measured_ms: As it was measured here, or None.
        verdict: Whether it is what was reported, relative to the machine; None where nothing was.
    """

    reported_ms: float | None
    measured_ms: float | None
    verdict: Verdict | None


@dataclass(frozen=True)
class Row:
    """What came of one model with one runtime.

    Attributes:
        id: Id of the model, or its path.
        name: As the zoo prints it.
        runtime: As it was asked for.
        precision: `float32` or `int8`.
        accuracy: By kind (`box`, `keypoints`, `masks`), for those reported or measured.
        speed: Its time.
        error: Why something was not measured, or None.
        about: What tells the measurement from others, and how to repeat it: names and texts.
    """

    id: str
    name: str
    runtime: str
    precision: str
    accuracy: Mapping[Kind, AccuracyRow]
    speed: SpeedRow
    error: str | None = None
    about: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The row as `tfzoo reproduce --json` prints it."""
        return asdict(self) | {"about": dict(self.about)}


@dataclass(frozen=True)
class Outcome:
    """What was measured of a model with a runtime, or why something was not.

    Attributes:
        model: Id of the model, or its path.
        runtime: As it was asked for.
        precision: `float32` or `int8`.
        measured: What was measured, by step.
        error: Why something was not, or None.
        command: That measures it again.
    """

    model: str
    runtime: str
    precision: str
    measured: Mapping[Step, Measured]
    error: str | None
    command: str


def judged(results: Path, outcomes: Sequence[Outcome]) -> list[Row]:
    """The rows that outcomes make beside all that the results folder holds.

    Raises:
        MeasurementError: The measurements can't be read.
    """
    table = build_table(load_manifest(), results, runtime="all")
    lines = [*table.zoo, *table.others]
    return [_row(outcome, lines) for outcome in outcomes]


def _row(outcome: Outcome, lines: Sequence[Line]) -> Row:
    own = [line for line in lines if line["id"] == outcome.model]
    good = _line_of(outcome.measured.get("accuracy"), own)
    fast = _line_of(outcome.measured.get("speed"), own)
    any_line = good or fast or next(iter(own), None)
    return Row(
        outcome.model,
        str(any_line["name"]) if any_line else Path(outcome.model).name,
        outcome.runtime,
        outcome.precision,
        _accuracy(good, any_line),
        _speed(fast, any_line),
        outcome.error,
        (("command", outcome.command), *_identities(good, fast)),
    )


def _identities(good: Line | None, fast: Line | None) -> list[tuple[str, str]]:
    """What was measured with what; said once where accuracy and time are of the same."""
    told = []
    for what, line in (("accuracy of", good), ("time of", fast)):
        if line is not None and (what == "accuracy of" or line is not good):
            names = (name for name in IDENTITY if line[name])
            told.append((what, ", ".join(f"{name} {line[name]}" for name in names)))
    if len(told) == 1 and good is fast:
        return [("measured with", told[0][1])]
    return told


def _line_of(measured: Measured | None, own: Sequence[Line]) -> Line | None:
    """The line of the table that holds a measurement."""
    if measured is None:
        return None
    row = measured.rows[0]
    wanted = [row.get(name) for name in ("model_digest", "runtime", "precision", "device")]
    found = ([line[n] for n in ("model_digest", "runtime", "precision", "device")] for line in own)
    return next((line for line, names in zip(own, found, strict=True) if names == wanted), None)


def _accuracy(line: Line | None, reported: Line | None) -> dict[Kind, AccuracyRow]:
    rows: dict[Kind, AccuracyRow] = {}
    for kind, (_, metric) in zip(KINDS, METRICS, strict=True):
        parts = ("measured", "low", "high", "images", "verdict", "images_needed")
        values = [line[f"{metric}_{part}"] if line else None for part in parts]
        figure = reported[f"{metric}_reported"] if reported else None
        if figure is not None or values[0] is not None:
            rows[kind] = AccuracyRow(figure, *values)
    return rows


def _speed(line: Line | None, reported: Line | None) -> SpeedRow:
    return SpeedRow(
        reported["speed_reported_ms"] if reported else None,
        line["speed_measured_ms"] if line else None,
        line["speed_verdict"] if line else None,
    )
