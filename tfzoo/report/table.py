"""The table: reported figures beside measured ones, for every model of the zoo.

Reported figures come from the manifest, measured ones from the results folder; a model that was not
measured has blanks, never a copy. What was measured and is no model of the zoo stands apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfzoo.errors import UsageError
from tfzoo.report.identities import WHOLE, Measurements, read_measurements
from tfzoo.report.lines import (
    METRICS,
    Line,
    ModelLines,
    machine_of_line,
    make_line,
    model_lines,
    timed_alike,
)
from tfzoo.report.speed import Machine, machine_factor, rank_correlation
from tfzoo.zoo.manifest import Manifest

#: Marks a measurement that was not made on the full val2017.
NOT_FULL, MINIVAL = "†", "‡"


@dataclass(frozen=True)
class Table:
    """Reported beside measured.

    Attributes:
        zoo: A line for each of the zoo's models, in the order of its page; several for one that
            was measured in several identities, where all are asked for.
        others: Lines of each measured model that is none of the zoo's.
        notes: What a reader must know to read the figures.
        warnings: Those of them that say a figure can't be trusted.
        machine: What most of the measured times are of, or None where there are none.
        summary: How many of the zoo's figures are reproduced, a sentence a metric; of those alone
            that any was measured of.
    """

    zoo: tuple[Line, ...]
    others: tuple[Line, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    machine: Machine | None = None
    summary: tuple[str, ...] = ()


def build_table(manifest: Manifest, results: Path, runtime: str | None = None) -> Table:
    """Joins what was measured with what was reported.

    A line's figures are of one model's files, runtime and version, precision, batch, device and
    machine; where a time is of another than the mAP beside it, the line's `identity_notes` say so.

    Args:
        manifest: The models and their reported figures.
        results: Folder with `accuracy.csv` and `timing.csv`; what they lack is blank.
        runtime: Which measurements to show of each model: the most complete one (None), those of
            one runtime by its name, such as `openvino`, or `all`, each on a line of its own.

    Raises:
        MeasurementError: The measurements can't be read.
        UsageError: Nothing was measured with that runtime.
    """
    found = read_measurements(results)
    lines = model_lines(manifest, found)
    table = table_of(_chosen(lines, runtime, manifest), lines, found, manifest)
    if runtime is not None:
        return table
    return replace(table, notes=(*table.notes, *_further(lines)))


def table_of(
    chosen: Mapping[str, Sequence[Line]],
    lines: Mapping[str, ModelLines],
    found: Measurements,
    manifest: Manifest,
) -> Table:
    """The table of chosen lines, with what is to be known of them.

    Args:
        chosen: Lines to show, by model.
        lines: All there are, by which speeds are judged.
        found: What they are made of.
        manifest: The models and their reported figures.
    """
    in_zoo = {spec.id for spec in manifest.models}
    zoo = tuple(line for model, shown in chosen.items() if model in in_zoo for line in shown)
    others = tuple(line for model, shown in chosen.items() if model not in in_zoo for line in shown)
    shown = (*zoo, *others)
    notes, warnings = _notes(shown)
    every = [line for one in lines.values() for line in one.every]
    notes += _verdict_notes(shown, manifest)
    notes += _speed_notes(shown, every, found.machines)
    return Table(zoo, others, tuple(notes), tuple(warnings), _usual_machine(shown), _summary(zoo))


def _chosen(
    lines: Mapping[str, ModelLines], runtime: str | None, manifest: Manifest
) -> dict[str, Sequence[Line]]:
    if runtime is None:
        return {model: [one.shown] for model, one in lines.items()}
    if runtime == "all":
        return {model: one.every for model, one in lines.items()}
    by_name = {
        model: [line for line in one.every if _runtime(line) == runtime]
        for model, one in lines.items()
    }
    if not any(by_name.values()):
        there = {name for one in lines.values() for line in one.every if (name := _runtime(line))}
        listed = f"there is {', '.join(sorted(there))}" if there else "nothing was measured so far"
        raise UsageError(f"nothing was measured with runtime '{runtime}'; {listed}")
    in_zoo = {spec.id for spec in manifest.models}
    return {
        model: found or [make_line(model, manifest, None)]
        for model, found in by_name.items()
        if found or model in in_zoo
    }


def _runtime(line: Line) -> str:
    """Name of the runtime that a line is of, without its version."""
    return (line["runtime"] or "").partition(" ")[0]


def _usual_machine(lines: Sequence[Line]) -> Machine | None:
    machines = [machine for line in lines if (machine := machine_of_line(line)) is not None]
    return max(machines, key=machines.count, default=None)


def _summary(lines: Sequence[Line]) -> tuple[str, ...]:
    """How many figures are reproduced, by what they are figures of."""
    kinds = [(metric, metric.replace("_map", " mAPs")) for _, metric in METRICS]
    told = []
    for kind, title in (*kinds, ("speed", "speeds")):
        reported = "speed_reported_ms" if kind == "speed" else f"{kind}_reported"
        verdicts = [line[f"{kind}_verdict"] for line in lines if line[reported] is not None]
        if not any(verdicts):
            continue
        yes, no = verdicts.count("reproduced"), verdicts.count("differs")
        differ = "differs" if no == 1 else "differ"
        told.append(
            f"{yes} of {len(verdicts)} {title} reproduced, {no} {differ}, "
            f"{len(verdicts) - yes - no} not measured or undecided."
        )
    return tuple(told)


def _notes(lines: Sequence[Line]) -> tuple[list[str], list[str]]:
    sets = {
        line[f"{metric}_image_set"]
        for line in lines
        for _, metric in METRICS
        if line[f"{metric}_measured"] is not None
    }
    notes, warnings = [], []
    if sets:
        notes.append(
            "Measured mAP with its 95 % bootstrap interval over images; difference is measured "
            "minus reported, in percentage points."
        )
    if sets - {*WHOLE, "minival-like"}:
        notes.append(
            f"{NOT_FULL} Not the full val2017 (5000 images) that the reported figures are of: not "
            "comparable but within the interval, if at all."
        )
    if "minival-like" in sets:
        warnings.append(
            f"{MINIVAL} The image list looks like COCO 2014's minival or like training images, "
            "which the TF2 models were trained on: the figure is too high. Use val2017."
        )
    return [*notes, *warnings], warnings


def _verdict_notes(lines: Sequence[Line], manifest: Manifest) -> list[str]:
    notes = []
    if any(line[f"{metric}_verdict"] for line in lines for _, metric in METRICS):
        notes.append(
            "A mAP is reproduced where it is within 0.3 points of the reported one on the same "
            "images; on others it differs, where its interval leaves no doubt, or is undecided, "
            "with the number of images that would decide it."
        )
    sources = {
        source
        for line in lines
        for _, metric in METRICS
        if (source := line[f"{metric}_agrees_with"])
    }
    notes += [
        f"By {source}: agrees not with the figure shown, but with that of "
        f"{manifest.references[source].title}."
        for source in sorted(sources)
    ]
    return notes


def _speed_notes(
    lines: Sequence[Line], every: Sequence[Line], machines: Sequence[Machine]
) -> list[str]:
    """What the times say together, and what to know of some."""
    shown = {machine_of_line(line) for line in lines} - {None}
    notes = []
    if shown:
        of = f" on {next(iter(shown))}" if len(shown) == 1 else ""
        notes.append(
            f"Measured times: mean of single images{of}. Reported times: milliseconds "
            "an image on hardware the zoo does not state; compare models, not machines."
        )
    for (machine, precision, _), together in timed_alike(every).items():
        if machine in shown:
            here = "This machine" if len(shown) == 1 else str(machine)
            notes += _together(
                together, here if precision == "float32" else f"{here} in {precision}"
            )
    if others := [machine for machine in machines if machine not in shown]:
        listed = "; ".join(map(str, others))
        notes.append(f"Times of other machines, runtimes or images are left out: {listed}.")
    notes += _listed("Disturbed while timed", lines, lambda line: line["speed_notes"])
    notes += _listed("Not timed", lines, lambda line: line["speed_error"])
    notes += _listed("Speed undecided", lines, lambda line: line["speed_reason"])
    return notes + _listed("Of two measurements", lines, lambda line: line["identity_notes"])


def _together(lines: Sequence[Line], machine: str) -> list[str]:
    """What all times of one machine and runtime show."""
    notes = []
    factor = machine_factor([line["speed_ratio"] for line in lines])
    if factor is not None:
        notes.append(
            f"{machine} takes {factor:.3g} times the reported time (median of {len(lines)} "
            "models); departure is a model's own ratio over that of the others, reproduced where "
            "its 95 % interval lies within 0.8 and 1.25."
        )
    rank = rank_correlation(
        [(line["speed_reported_ms"], line["speed_measured_ms"]) for line in lines]
    )
    if rank is not None:
        notes.append(
            f"Rank correlation of reported and measured times: {rank:.2f} ({len(lines)} models)."
        )
    departing = [line for line in lines if _departs(line)]
    if departing:
        listed = "; ".join(
            f"{line['name']}: x{line['speed_departure']:.2f} "
            f"[{line['speed_departure_low']:.2f}, {line['speed_departure_high']:.2f}]"
            for line in departing
        )
        notes.append(f"Departs from the factor by more than the noise explains: {listed}.")
    return notes


def _departs(line: Line) -> bool:
    low, high = line["speed_departure_low"], line["speed_departure_high"]
    return low is not None and not low <= 1 <= high


def _listed(title: str, lines: Sequence[Line], text: Callable[[Line], str | None]) -> list[str]:
    told = [f"{line['name']}: {said}" for line in lines if (said := text(line))]
    return [f"{title}: {'; '.join(told)}."] if told else []


def _further(lines: Mapping[str, ModelLines]) -> list[str]:
    told = [f"{one.shown['name']}: {len(one.rest)} more" for one in lines.values() if one.rest]
    if not told:
        return []
    return [
        f"Measured otherwise too (runtime, version, precision, tiles, files or machine): "
        f"{'; '.join(told)}. See them all with: tfzoo table --runtime all"
    ]
