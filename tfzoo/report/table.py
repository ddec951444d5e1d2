"""The table: reported figures beside measured ones, for every model of the zoo.

Reported figures come from the manifest, measured ones from the results folder; a model that was not
measured has blanks, never a copy. What was measured and is no model of the zoo stands apart.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Literal

from tfzoo.outside import in_csv, in_markdown, shown, shown_json
from tfzoo.report.speed import Machine, Times, machine_factor, rank_correlation, read_times
from tfzoo.results import number, read_measured, split_precision
from tfzoo.zoo.manifest import Manifest
from tfzoo.zoo.schema import Metric, ModelSpec

Format = Literal["md", "csv", "json", "html"]

#: One line of the table: a value by column, None where there is none.
Line = dict[str, Any]

#: Kind of accuracy.csv and the manifest's metric, in the order of the columns.
_METRICS: tuple[tuple[str, Metric], ...] = (
    ("box", "box_map"),
    ("keypoints", "keypoint_map"),
    ("masks", "mask_map"),
)
_PARTS = ("reported", "measured", "difference", "low", "high", "images", "image_set")

#: All columns, as CSV and JSON have them. mAP in percent, `low` and `high` a 95 % interval,
#: `difference` measured minus reported in percentage points. `speed_ratio` measured over reported
#: time, `speed_departure` that ratio over the machine's factor.
COLUMNS: tuple[str, ...] = (
    "id",
    "name",
    "family",
    *(f"{metric}_{part}" for _, metric in _METRICS for part in _PARTS),
    *("speed_reported_ms", "speed_measured_ms", "speed_p95_ms", "speed_ratio", "speed_departure"),
    *("fps_reported", "fps_measured", "speed_device", "speed_runtime", "speed_notes"),
    *("speed_error", "notes"),
)

#: Image sets that reported figures are of: the zoo's, and those packaged with a model.
_WHOLE = ("val2017", "held-out")

#: Marks a measurement that was not made on the full val2017.
NOT_FULL, MINIVAL = "†", "‡"


@dataclass(frozen=True)
class Table:
    """Reported beside measured.

    Attributes:
        zoo: A line for each of the zoo's models, in the order of its page.
        others: A line for each measured model that is none of the zoo's.
        notes: What a reader must know to read the figures.
        warnings: Those of them that say a figure can't be trusted.
        machine: What the measured times are of, or None where there are none.
    """

    zoo: tuple[Line, ...]
    others: tuple[Line, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    machine: Machine | None = None


def build_table(manifest: Manifest, results: Path) -> Table:
    """Joins what was measured with what was reported.

    Args:
        manifest: The models and their reported figures.
        results: Folder with `accuracy.csv` and `timing.csv`; what they lack is blank.

    Raises:
        MeasurementError: The measurements can't be read.
    """
    accuracy = _chosen(read_measured(results / "accuracy.csv"))
    times = read_times(results)
    zoo = [_line(spec.id, spec, accuracy, times) for spec in manifest.models]
    in_zoo = {spec.id for spec in manifest.models}
    own = {spec.id: spec for spec in manifest.demo}
    measured = dict.fromkeys([*(model for model, _ in accuracy), *times.rows, *times.errors])
    others = [
        _line(model, own.get(model), accuracy, times) for model in measured if model not in in_zoo
    ]
    for line in others:
        _name_other_precision(line, manifest)
    speed_notes = _compare_speeds([*zoo, *others], times)
    notes, warnings = _notes([*zoo, *others])
    return Table(tuple(zoo), tuple(others), (*notes, *speed_notes), tuple(warnings), times.machine)


def _chosen(rows: Sequence[Mapping[str, str]]) -> dict[tuple[str, str], Mapping[str, str]]:
    """The measurement to show by model and kind: full val2017's, else of most images; newest."""
    chosen: dict[tuple[str, str], Mapping[str, str]] = {}
    for row in rows:
        key = row["model"], row.get("kind", "")
        if number(row, "AP") is None:
            continue
        if key not in chosen or _worth(row) >= _worth(chosen[key]):
            chosen[key] = row
    return chosen


def _worth(row: Mapping[str, str]) -> tuple[bool, bool, float]:
    image_set = row.get("image_set")
    return image_set in _WHOLE, image_set != "minival-like", number(row, "images") or 0


def _line(
    model: str,
    spec: ModelSpec | None,
    accuracy: Mapping[tuple[str, str], Mapping[str, str]],
    times: Times,
) -> Line:
    line: Line = dict.fromkeys(COLUMNS)
    line |= {"id": model, "name": spec.name if spec else model}
    line["family"] = spec.family if spec else None
    for kind, metric in _METRICS:
        reported = spec.figure(metric) if spec else None
        line[f"{metric}_reported"] = reported
        row = accuracy.get((model, kind))
        if row is None:
            continue
        measured = _percent(number(row, "AP"))
        line[f"{metric}_measured"] = measured
        line[f"{metric}_low"] = _percent(number(row, "AP_low"))
        line[f"{metric}_high"] = _percent(number(row, "AP_high"))
        images = number(row, "images")
        line[f"{metric}_images"] = None if images is None else int(images)
        line[f"{metric}_image_set"] = row.get("image_set")
        if reported is not None and measured is not None:
            line[f"{metric}_difference"] = round(measured - reported, 2)
    return line | _speed(model, spec, times)


def _name_other_precision(line: Line, manifest: Manifest) -> None:
    """Calls a known model in another precision by its name; what is reported is not of that."""
    model, precision = split_precision(line["id"])
    specs = {spec.id: spec for spec in manifest.all_models}
    if precision != "float32" and (spec := specs.get(model)) is not None:
        line |= {"name": f"{spec.name} ({precision})", "family": spec.family}


def _speed(model: str, spec: ModelSpec | None, times: Times) -> Line:
    line: Line = {"notes": list(spec.notes) or None if spec else None}
    reported_ms = spec.speed_ms if spec else None
    if reported_ms is not None:
        line |= {"speed_reported_ms": reported_ms, "fps_reported": _fps(reported_ms)}
    row = times.rows.get(model)
    if row is None:
        return line | {"speed_error": times.errors.get(model)}
    measured_ms = number(row, "mean_ms")
    assert measured_ms is not None  # Rows without are errors.
    line |= {
        "speed_measured_ms": measured_ms,
        "speed_p95_ms": number(row, "p95_ms"),
        "fps_measured": _fps(measured_ms),
        "speed_device": row.get("device"),
        "speed_runtime": row.get("runtime"),
        "speed_notes": row.get("notes") or None,
    }
    if reported_ms is not None:
        line["speed_ratio"] = round(measured_ms / reported_ms, 3)
    return line


def _fps(milliseconds: float) -> float:
    """Images a second with two decimals, a half rounded up as the blog does (64 ms: 15.63)."""
    exact = 1000 / Decimal(str(milliseconds))
    return float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))


def _compare_speeds(lines: Sequence[Line], times: Times) -> list[str]:
    """Fills in each model's departure from the machine's factor; says what all of them show."""
    if times.machine is None:
        return []
    notes = [
        f"Measured times: mean of single images on {times.machine}. Reported times: milliseconds "
        "an image on hardware the zoo does not state; compare models, not machines."
    ]
    both = [line for line in lines if line["speed_ratio"] is not None]
    factor = machine_factor([line["speed_ratio"] for line in both])
    if factor is not None:
        for line in both:
            line["speed_departure"] = round(line["speed_ratio"] / factor, 2)
        notes.append(
            f"This machine takes {factor:.3g} times the reported time (median of {len(both)} "
            "models); departure is a model's own ratio over that."
        )
    rank = rank_correlation(
        [(line["speed_reported_ms"], line["speed_measured_ms"]) for line in both]
    )
    if rank is not None:
        notes.append(
            f"Rank correlation of reported and measured times: {rank:.2f} ({len(both)} models)."
        )
    if times.others:
        listed = "; ".join(map(str, times.others))
        notes.append(f"Times of other machines, runtimes or images are left out: {listed}.")
    disturbed = [f"{line['name']}: {line['speed_notes']}" for line in lines if line["speed_notes"]]
    if disturbed:
        notes.append(f"Disturbed while timed: {'; '.join(disturbed)}.")
    failed = [f"{line['name']}: {line['speed_error']}" for line in lines if line["speed_error"]]
    if failed:
        notes.append(f"Not timed: {'; '.join(failed)}.")
    return notes


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)


def _notes(lines: Sequence[Line]) -> tuple[list[str], list[str]]:
    sets = {
        line[f"{metric}_image_set"]
        for line in lines
        for _, metric in _METRICS
        if line[f"{metric}_measured"] is not None
    }
    notes, warnings = [], []
    if sets:
        notes.append(
            "Measured mAP with its 95 % bootstrap interval over images; difference is measured "
            "minus reported, in percentage points."
        )
    if sets - {*_WHOLE, "minival-like"}:
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


@dataclass(frozen=True)
class _Column:
    """A column as a person reads it.

    Attributes:
        title: Its head.
        text: A line's cell.
    """

    title: str
    text: Callable[[Line], str]


def _figure(column: str, pattern: str = "{:.1f}") -> Callable[[Line], str]:
    return lambda line: "" if line[column] is None else pattern.format(line[column])


def _measured(metric: str) -> Callable[[Line], str]:
    def text(line: Line) -> str:
        if line[f"{metric}_measured"] is None:
            return ""
        shown = f"{line[f'{metric}_measured']:.1f}"
        if line[f"{metric}_low"] is not None:
            shown += f" [{line[f'{metric}_low']:.1f}, {line[f'{metric}_high']:.1f}]"
        if line[f"{metric}_image_set"] in _WHOLE:
            return shown
        mark = MINIVAL if line[f"{metric}_image_set"] == "minival-like" else NOT_FULL
        return f"{shown} ({line[f'{metric}_images']} images){mark}"

    return text


def _shown_columns() -> list[_Column]:
    columns = [_Column("model", lambda line: str(line["name"]))]
    for _, metric in _METRICS:
        title = metric.replace("_map", " mAP")
        columns.append(_Column(f"{title} reported", _figure(f"{metric}_reported")))
        columns.append(_Column("measured", _measured(metric)))
        columns.append(_Column("difference", _figure(f"{metric}_difference", "{:+.1f}")))
    return [
        *columns,
        _Column("ms reported", _figure("speed_reported_ms", "{:g}")),
        _Column("measured", _figure("speed_measured_ms")),
        _Column("ratio", _figure("speed_ratio", "{:.2f}")),
        _Column("departure", _figure("speed_departure", "x{:.2f}")),
        _Column("FPS reported", _figure("fps_reported", "{:.2f}")),
        _Column("measured", _figure("fps_measured", "{:.2f}")),
    ]


def render(table: Table, form: Format) -> str:
    """The table as text: Markdown, CSV (a `section` column says zoo or other), JSON or a page."""
    if form == "json":
        value = {"zoo": table.zoo, "others": table.others, "notes": table.notes}
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        return shown_json(text) + "\n"
    if form == "csv":
        file = io.StringIO()
        writer = csv.DictWriter(file, ("section", *COLUMNS), lineterminator="\n")
        writer.writeheader()
        for section, lines in (("zoo", table.zoo), ("other", table.others)):
            for line in lines:
                notes = " ".join(line["notes"] or ()) or None
                cells = {"section": section, **line, "notes": notes}
                writer.writerow({name: _for_spreadsheets(cell) for name, cell in cells.items()})
        return file.getvalue()
    if form == "html":
        return _page(table)
    parts = [_markdown(table.zoo)]
    if table.others:
        parts.append(f"## {_OTHERS}\n")
        parts.append(_markdown(table.others))
    parts += [f"{in_markdown(note)}\n" for note in table.notes]
    parts += [f"- {in_markdown(note)}" for note in _known(table)]
    return "\n".join(parts) + "\n"


def _for_spreadsheets(cell: Any) -> Any:
    return in_csv(shown(cell)) if isinstance(cell, str) else cell


def _in_page(text: str) -> str:
    return html.escape(shown(text))


_OTHERS = "Measured, but none of the zoo's models"


def _known(table: Table) -> list[str]:
    """What the manifest knows to be odd of models, each remark with the models it is made of."""
    made_of: dict[str, list[str]] = {}
    for line in (*table.zoo, *table.others):
        for remark in line["notes"] or ():
            made_of.setdefault(remark, []).append(str(line["name"]))
    return [f"{', '.join(names)}: {remark}" for remark, names in made_of.items()]


def _page(table: Table) -> str:
    """A self-contained page whose columns sort."""
    parts = [_html_table(table.zoo)]
    if table.others:
        parts += [f"<h2>{html.escape(_OTHERS)}</h2>", _html_table(table.others)]
    notes = [f"<li>{_in_page(note)}</li>" for note in (*table.notes, *_known(table))]
    template = Path(__file__).with_name("table.html").read_text(encoding="utf-8")
    filled = {"tables": "\n".join(parts), "notes": "\n".join(notes)}
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], template)


def _html_table(lines: Sequence[Line]) -> str:
    columns = _shown_columns()
    heads = "".join(
        f'<th scope="col"><button>{html.escape(column.title)}</button></th>' for column in columns
    )
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{_in_page(column.text(line))}</td>" for column in columns) + "</tr>"
        for line in lines
    )
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _markdown(lines: Sequence[Line]) -> str:
    columns = _shown_columns()
    cells = [[column.title for column in columns]]
    # The first column has names, the others our own figures.
    cells += [
        [in_markdown(columns[0].text(line)), *(column.text(line) for column in columns[1:])]
        for line in lines
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]

    def row_text(row: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([row_text(cells[0]), row_text(rule), *map(row_text, cells[1:])]) + "\n"
