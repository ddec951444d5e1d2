"""The report as one page that loads nothing: verdicts, chart, table, and how each was measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tfzoo.outside import in_page
from tfzoo.report.lines import Line
from tfzoo.report.report_chart import draw_charts
from tfzoo.report.report_rows import MENUS, Report
from tfzoo.report.report_text import (
    LITERAL,
    NOTHING_REPORTED,
    RULE,
    about,
    columns,
    judged,
    remarks,
    summary,
)
from tfzoo.report.table_text import Column
from tfzoo.zoo.schema import Metric

#: A row's attributes, by which menus choose.
Attributes = Callable[[Line], str]

#: The drawn interval: pixels, and percentage points to each side of the reported figure at least.
_WIDTH, _HEIGHT, _SPAN = 160, 16, 2.0


def page(report: Report) -> str:
    """The page of a report."""
    template = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    places = {menu: report.choices(menu) for menu in MENUS}

    def attributes(row: Line) -> str:
        return " ".join(
            f'data-{menu}="{places[menu].index(row["choices"][menu])}"' for menu in MENUS
        )

    numbered = list(enumerate(report.rows, 1))
    filled = {
        "summary": in_page(summary(report)),
        "machines": _listed("Measured on", [one for one in report.choices("machine") if one]),
        "rule": in_page(RULE),
        "failures": _failures(report),
        "menus": "".join(_menu(menu, places[menu]) for menu in MENUS if len(places[menu]) > 1),
        "count": f"{len(numbered)} rows",
        "verdicts": "\n".join(_card(i, row, attributes(row)) for i, row in numbered).strip()
        or NOTHING_REPORTED,
        "charts": draw_charts(report.rows, attributes),
        "table": _table(numbered, columns(report), attributes),
        "notes": "".join(f"<li>{in_page(note)}</li>" for note in report.notes),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], template)


def _listed(title: str, texts: Sequence[str]) -> str:
    return f"<p>{title}: {in_page('; '.join(texts))}.</p>" if texts else ""


def _failures(report: Report) -> str:
    if not report.failures:
        return ""
    lines = "".join(
        f"<li><b>{in_page(', '.join(filter(None, (one.name, one.runtime))))}</b>: "
        f'<span class="error">{in_page(one.error)}</span> Again with: '
        f"<code>{in_page(one.command)}</code></li>"
        for one in report.failures
    )
    return f"<h2>Not measured</h2><ul>{lines}</ul>"


def _menu(name: str, choices: Sequence[str]) -> str:
    options = "".join(
        f'<option value="{i}">{in_page(text or "not known")}</option>'
        for i, text in enumerate(choices)
    )
    return (
        f'<label>{MENUS[name]} <select data-menu="{name}"><option value="">all</option>{options}'
        "</select></label>"
    )


def _card(number: int, row: Line, attributes: str) -> str:
    """A row's verdicts; nothing where nothing was reported of it."""
    told = judged(row)
    if not told:
        return ""
    figures = "".join(
        f"<dt>{one.kind}</dt><dd>{one.figures} {_bar(row, one.metric) if one.metric else ''} "
        f"{_verdict(one.verdict)}</dd>"
        for one in told
    )
    return (
        f'<article {attributes}><h3><a href="#row-{number}">{number}</a> {in_page(row["name"])}'
        f"{_where(row)}</h3><dl>{figures}</dl></article>"
    )


def _where(row: Line) -> str:
    """What tells a row from others of its model."""
    texts = (row["choices"]["runtime"], row["choices"]["machine"])
    return f"<small>{in_page(', '.join(filter(None, texts)))}</small>"


def _verdict(text: str) -> str:
    verdict, _, more = text.partition(" ")
    return f'<span class="verdict {verdict}">{verdict}</span> {in_page(more)}' if verdict else ""


def _bar(row: Line, metric: Metric) -> str:
    """The measured interval around the reported figure, which stands in the middle."""
    reported, measured = row[f"{metric}_reported"], row[f"{metric}_measured"]
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    if low is None or high is None:
        return ""
    ends = [low, high, measured]
    span = max(_SPAN, *(1.1 * abs(end - reported) for end in ends))
    left, right, dot = (_WIDTH * (0.5 + 0.5 * (end - reported) / span) for end in ends)
    middle = _HEIGHT / 2
    title = f"measured {measured:.1f}, 95 % interval {low:.1f} to {high:.1f}; "
    title += f"the line in the middle is the reported {reported:.1f}"
    return (
        f'<svg class="bar" width="{_WIDTH}" height="{_HEIGHT}" role="img"><title>{title}</title>'
        f'<line class="reported" x1="{_WIDTH / 2}" x2="{_WIDTH / 2}" y1="0" y2="{_HEIGHT}"/>'
        f'<line class="interval" x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}"/>'
        f'<circle cx="{dot:.1f}" cy="{middle}" r="4"/></svg>'
    )


def _table(
    numbered: Sequence[tuple[int, Line]], shown: Sequence[Column], attributes: Attributes
) -> str:
    """The table: of each row its figures, and below them how they were measured, to be opened."""
    heads = "".join(f'<th scope="col">{column.title}</th>' for column in shown)
    bodies = []
    for number, row in numbered:
        cells = "".join(
            f'<td data-title="{column.title}">{in_page(column.text(row))}</td>' for column in shown
        )
        bodies.append(
            f'<tbody id="row-{number}" {attributes(row)}><tr><th scope="row">{number}. '
            f"{in_page(row['name'])}{_where(row)}</th>{cells}</tr>"
            f'<tr class="how"><td colspan="{len(shown) + 1}">{_how(row)}</td></tr></tbody>'
        )
    return (
        '<div class="scroll"><table><thead><tr><th scope="col">model</th>'
        f"{heads}</tr></thead>{''.join(bodies)}</table></div>"
    )


def _how(row: Line) -> str:
    parts = [_told("results", [("folder", row["results"])])]
    parts += [_told(title, known) for title, known in about(row)]
    notes = "".join(f"<li>{in_page(remark)}</li>" for remark in remarks(row))
    return (
        f"<details><summary>how it was measured</summary>{''.join(parts)}"
        f"{f'<ul>{notes}</ul>' if notes else ''}</details>"
    )


def _told(title: str, known: Sequence[tuple[str, str]]) -> str:
    pairs = "".join(
        f"<dt>{in_page(name)}</dt><dd>{_code(name, in_page(text))}</dd>" for name, text in known
    )
    return f"<h4>{in_page(title)}</h4><dl>{pairs}</dl>"


def _code(name: str, text: str) -> str:
    return f"<code>{text}</code>" if name in LITERAL else text
