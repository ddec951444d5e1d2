"""The table as text: Markdown, CSV, JSON, or a page that sorts."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tfzoo.outside import in_csv, in_markdown, in_page, shown, shown_json
from tfzoo.report.identities import WHOLE
from tfzoo.report.lines import COLUMNS, METRICS, Line
from tfzoo.report.table import MINIVAL, NOT_FULL, Table

Format = Literal["md", "csv", "json", "html"]


@dataclass(frozen=True)
class Column:
    """A column as a person reads it.

    Attributes:
        title: Its head.
        text: A line's cell.
        names: Whether there are names from outside in it, not our own figures alone.
    """

    title: str
    text: Callable[[Line], str]
    names: bool = False


def figure(column: str, pattern: str = "{:.1f}") -> Callable[[Line], str]:
    return lambda line: "" if line[column] is None else pattern.format(line[column])


def measured_map(metric: str) -> Callable[[Line], str]:
    def text(line: Line) -> str:
        if line[f"{metric}_measured"] is None:
            return ""
        shown = f"{line[f'{metric}_measured']:.1f}"
        if line[f"{metric}_low"] is not None:
            shown += f" [{line[f'{metric}_low']:.1f}, {line[f'{metric}_high']:.1f}]"
        if line[f"{metric}_image_set"] in WHOLE:
            return shown
        mark = MINIVAL if line[f"{metric}_image_set"] == "minival-like" else NOT_FULL
        return f"{shown} ({line[f'{metric}_images']} images){mark}"

    return text


def _verdict(metric: str) -> Callable[[Line], str]:
    def text(line: Line) -> str:
        verdict = line[f"{metric}_verdict"] or ""
        if source := line[f"{metric}_agrees_with"]:
            return f"{verdict} (by {source})"
        needed = line[f"{metric}_images_needed"]
        return f"{verdict} (needs {needed} images)" if needed else verdict

    return text


def _milliseconds(line: Line) -> str:
    shown = figure("speed_measured_ms")(line)
    if line["identity_notes"]:
        # Beside a mAP of another identity a time says whose it is.
        shown += f" ({line['speed_runtime']}, {line['speed_device']})"
    return shown


def _departure(line: Line) -> str:
    shown = figure("speed_departure", "x{:.2f}")(line)
    if line["speed_departure_low"] is None:
        return shown
    return f"{shown} [{line['speed_departure_low']:.2f}, {line['speed_departure_high']:.2f}]"


PEAK_MB = Column("peak MB", figure("peak_host_mb", "{:.0f}"))
GFLOPS = Column("GFLOPs", figure("gflops", "{:.3g}"))
PARAMETERS = Column(
    "M parameters",
    lambda line: "" if line["parameters"] is None else f"{line['parameters'] / 1e6:.3g}",
)


def _shown_columns(table: Table) -> list[Column]:
    """The columns of a table as a person reads it; of verdicts and sizes, where there are any."""
    lines = (*table.zoo, *table.others)

    def where_any(name: str, column: Column) -> list[Column]:
        return [column] if any(line[name] for line in lines) else []

    columns = [Column("model", lambda line: str(line["name"]), names=True)]
    for _, metric in METRICS:
        title = metric.replace("_map", " mAP")
        verdict = f"{metric}_verdict"
        columns.append(Column(f"{title} reported", figure(f"{metric}_reported")))
        columns.append(Column("measured", measured_map(metric)))
        columns.append(Column("difference", figure(f"{metric}_difference", "{:+.1f}")))
        columns += where_any(verdict, Column("verdict", _verdict(metric), names=True))
    verdict_of_speed = Column("verdict", lambda line: line["speed_verdict"] or "")
    return [
        *columns,
        Column("ms reported", figure("speed_reported_ms", "{:g}")),
        Column("measured", _milliseconds),
        Column("ratio", figure("speed_ratio", "{:.2f}")),
        Column("departure", _departure),
        *where_any("speed_verdict", verdict_of_speed),
        Column("FPS reported", figure("fps_reported", "{:.2f}")),
        Column("measured", figure("fps_measured", "{:.2f}")),
        *where_any("size_mb", Column("MB", figure("size_mb"))),
        *where_any("peak_host_mb", PEAK_MB),
        *where_any("parameters", PARAMETERS),
        *where_any("gflops", GFLOPS),
    ]


def render(table: Table, form: Format) -> str:
    """The table as text: Markdown, CSV (a `section` column says zoo or other), JSON or a page."""
    if form == "json":
        value: dict[str, Any] = {"summary": table.summary}
        value |= {"zoo": [_columns(line) for line in table.zoo]}
        value |= {"others": [_columns(line) for line in table.others], "notes": table.notes}
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        return shown_json(text) + "\n"
    if form == "csv":
        file = io.StringIO()
        writer = csv.DictWriter(file, ("section", *COLUMNS), lineterminator="\n")
        writer.writeheader()
        for section, lines in (("zoo", table.zoo), ("other", table.others)):
            for line in lines:
                notes = " ".join(line["notes"] or ()) or None
                cells: Line = {"section": section, **_columns(line), "notes": notes}
                writer.writerow({name: _for_spreadsheets(cell) for name, cell in cells.items()})
        return file.getvalue()
    if form == "html":
        return _page(table)
    columns = _shown_columns(table)
    parts = [f"{' '.join(table.summary)}\n"] if table.summary else []
    parts.append(markdown_table(table.zoo, columns))
    if table.others:
        parts.append(f"## {_OTHERS}\n")
        parts.append(markdown_table(table.others, columns))
    parts += [f"{in_markdown(note)}\n" for note in table.notes]
    parts += [f"- {in_markdown(note)}" for note in _known(table)]
    return "\n".join(parts) + "\n"


def _columns(line: Line) -> Line:
    return {name: line[name] for name in COLUMNS}


def _for_spreadsheets(cell: Any) -> Any:
    return in_csv(shown(cell)) if isinstance(cell, str) else cell


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
    columns = _shown_columns(table)
    parts = [f"<p>{in_page(' '.join(table.summary))}</p>"] if table.summary else []
    parts.append(_html_table(table.zoo, columns))
    if table.others:
        parts += [f"<h2>{html.escape(_OTHERS)}</h2>", _html_table(table.others, columns)]
    notes = [f"<li>{in_page(note)}</li>" for note in (*table.notes, *_known(table))]
    template = Path(__file__).with_name("table.html").read_text(encoding="utf-8")
    filled = {"tables": "\n".join(parts), "notes": "\n".join(notes)}
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], template)


def _html_table(lines: Sequence[Line], columns: Sequence[Column]) -> str:
    heads = "".join(
        f'<th scope="col"><button>{html.escape(column.title)}</button></th>' for column in columns
    )
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{in_page(column.text(line))}</td>" for column in columns) + "</tr>"
        for line in lines
    )
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def markdown_table(lines: Sequence[Line], columns: Sequence[Column]) -> str:
    cells = [[column.title for column in columns]]
    cells += [[_in_markdown(column, line) for column in columns] for line in lines]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]

    def row_text(row: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([row_text(cells[0]), row_text(rule), *map(row_text, cells[1:])]) + "\n"


def _in_markdown(column: Column, line: Line) -> str:
    text = column.text(line)
    return in_markdown(text) if column.names else text
