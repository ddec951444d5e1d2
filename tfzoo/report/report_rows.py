"""The report's rows: what one or several results folders hold, each measurement beside its report.

Each folder is read as `tfzoo table` reads it, so that its verdicts are the same; a row knows the
folder that it is of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfzoo.report.identities import read_measurements
from tfzoo.report.lines import COLUMNS, METRICS, Line, model_lines
from tfzoo.report.table import table_of
from tfzoo.report.verdicts import Verdict
from tfzoo.zoo.manifest import Manifest

#: Verdicts in the order in which they are counted.
_VERDICTS: tuple[Verdict, ...] = ("reproduced", "differs", "undecided")

#: What tells rows apart: a menu each, by name and title.
MENUS = {"results": "Results", "machine": "Machine", "runtime": "Runtime"}


@dataclass(frozen=True)
class Failure:
    """What was to be measured and was not.

    Attributes:
        name: Name of the model.
        runtime: As it was asked for, or empty.
        error: Why it was not.
        command: What tries it again.
    """

    name: str
    runtime: str
    error: str
    command: str


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Attributes:
        rows: Lines of the table (`tfzoo.report.lines`) of all that was measured, in the manifest's
            order; each with the folder it is of (`results`) and what `MENUS` choose it by
            (`choices`).
        summary: How many figures are reproduced, a sentence a kind.
        notes: What a reader must know to read the figures.
        failures: What was to be measured and was not.
    """

    rows: tuple[Line, ...]
    summary: tuple[str, ...]
    notes: tuple[str, ...]
    failures: tuple[Failure, ...] = ()

    def choices(self, menu: str) -> list[str]:
        """What one of `MENUS` chooses among, in the order of the rows."""
        return list(dict.fromkeys(row["choices"][menu] for row in self.rows))

    def to_json(self) -> dict[str, Any]:
        """The report as `tfzoo report --json` prints it."""
        kept = ("results", *COLUMNS, "measurements")
        return {
            "summary": self.summary,
            "rows": [{name: row[name] for name in kept} for row in self.rows],
            "failures": [asdict(failure) for failure in self.failures],
            "notes": self.notes,
        }


def build_report(
    manifest: Manifest, folders: Sequence[Path], failures: Sequence[Failure] = ()
) -> Report:
    """The report of one or several results folders.

    Args:
        manifest: The models and their reported figures.
        folders: Each with `accuracy.csv`, `timing.csv` or both.
        failures: What was to be measured and was not.

    Raises:
        MeasurementError: The measurements can't be read.
    """
    rows: list[Line] = []
    notes: dict[str, list[str]] = {}
    for folder in folders:
        found = read_measurements(folder)
        lines = model_lines(manifest, found)
        chosen = {model: one.apart for model, one in lines.items() if model in found.models}
        table = table_of(chosen, lines, found, manifest)
        rows += [_row(line, folder) for line in (*table.zoo, *table.others)]
        for note in table.notes:
            notes.setdefault(note, []).append(str(folder))
    order = {spec.id: place for place, spec in enumerate(manifest.all_models)}
    rows.sort(key=lambda row: order.get(row["id"], len(order)))
    return Report(tuple(rows), _summary(rows), tuple(_notes(notes, len(folders))), tuple(failures))


def _row(line: Line, folder: Path) -> Line:
    """A line with what tells it from the other rows."""
    # Of a time laid beside the mAP of another identity, it is the time's.
    device = line["device"] or line["speed_device"] or ""
    hardware = line["hardware"] or line["speed_hardware"] or ""
    runtime = line["runtime"] or line["speed_runtime"] or ""
    if line["precision"] not in (None, "float32"):
        runtime += f", {line['precision']}"
    if line["tiles"]:
        runtime += f", tiles {line['tiles']}"
    machine = f"{device} ({hardware})" if hardware else device
    choices = {"results": str(folder), "machine": machine, "runtime": runtime}
    return line | {"results": str(folder), "choices": choices}


def _notes(notes: dict[str, list[str]], folders: int) -> list[str]:
    """Each note, with the folders that it is of where it is not of all."""
    return [
        note if len(of) == folders else f"{', '.join(of)}: {note}" for note, of in notes.items()
    ]


def _summary(rows: Sequence[Line]) -> tuple[str, ...]:
    kinds = [(f"{metric}_verdict", f"{metric.removesuffix('_map')} mAP") for _, metric in METRICS]
    told = []
    for column, title in (*kinds, ("speed_verdict", "speed")):
        counts = Counter(row[column] for row in rows)
        said = [_counted(counts[verdict], verdict) for verdict in _VERDICTS if counts[verdict]]
        if said:
            told.append(f"{title}: {', '.join(said)}")
    return tuple(told)


def _counted(count: int, verdict: Verdict) -> str:
    return f"{count} {'differ' if verdict == 'differs' and count > 1 else verdict}"
