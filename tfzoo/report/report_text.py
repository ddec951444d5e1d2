"""What a report says of a row: its figures, and how each was measured; and it as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tfzoo.outside import in_markdown, in_one_line
from tfzoo.report.lines import METRICS, Line
from tfzoo.report.report_rows import MENUS, Report
from tfzoo.report.table_text import (
    GFLOPS,
    PARAMETERS,
    PEAK_MB,
    Column,
    figure,
    markdown_table,
    measured_map,
)
from tfzoo.zoo.schema import Metric

#: What tells a measurement and repeats it, before all else that is known of it.
_FIRST = ("command", "model", "model_digest", "vouched_by", "runtime", "versions", "precision")

#: What is copied, letter by letter.
LITERAL = ("command", "model_digest")

#: What is said of a row in words, by column of the table.
_REMARKS = {
    "identity_notes": "of two measurements",
    "speed_notes": "disturbed while timed",
    "speed_reason": "speed undecided",
    "speed_error": "not timed",
}

RULE = (
    "A figure is reproduced where what was measured agrees with what was reported within 0.3 "
    "points of mAP on all of val2017, and in speed relative to the machine within 25 %; the rule "
    "is written down in the project's docs/accuracy.md. The weights are those whose digest a row "
    "names."
)


#: Where there is nothing to judge by.
NOTHING_REPORTED = "Nothing was reported of what was measured."


def summary(report: Report) -> str:
    """How many figures are reproduced, in a sentence."""
    return "; ".join(report.summary) or NOTHING_REPORTED


def columns(report: Report) -> list[Column]:
    """The figures of a row, those that any row has."""
    every = []
    for _, metric in METRICS:
        kind = metric.removesuffix("_map")
        every.append(Column(f"{kind} mAP, %", measured_map(metric)))
        every.append(Column(f"{kind}: small / medium / large", by_size(metric)))
    every += [
        Column("ms p50", p50_ms),
        Column("ms p95", figure("speed_p95_ms")),
        Column("FPS", figure("fps_measured", "{:.2f}")),
        PEAK_MB,
        Column("peak GPU MB", figure("peak_device_mb", "{:.0f}")),
        PARAMETERS,
        GFLOPS,
        Column("MB on disk", figure("size_mb")),
    ]
    return [column for column in every if any(column.text(row) for row in report.rows)]


def by_size(metric: Metric) -> Callable[[Line], str]:
    """AP of small, medium and large objects; of key points there is none of small ones."""

    def text(row: Line) -> str:
        values = [row[f"{metric}_{size}"] for size in ("small", "medium", "large")]
        if values.count(None) == len(values):
            return ""
        return " / ".join("-" if value is None else f"{value:.1f}" for value in values)

    return text


def p50_ms(row: Line) -> str:
    """The median time, or the mean where an older measurement has no other."""
    if row["speed_p50_ms"] is None and row["speed_measured_ms"] is not None:
        return f"{row['speed_measured_ms']:.1f} (mean)"
    return figure("speed_p50_ms")(row)


def about(row: Line) -> list[tuple[str, list[tuple[str, str]]]]:
    """How a row was measured: for each measurement its title, and all that its file says of it."""
    told = []
    for kind, measured in row["measurements"].items():
        names = [*_FIRST, *(name for name in measured if name not in _FIRST)]
        known = [(name, str(text)) for name in names if (text := measured.get(name))]
        told.append(("time" if kind == "time" else f"accuracy of {kind}", known))
    return told


def remarks(row: Line) -> list[str]:
    """What is to be known of a row's figures."""
    told = [f"{said}: {row[name]}" for name, said in _REMARKS.items() if row[name]]
    return [*told, *(row["notes"] or ())]


@dataclass(frozen=True)
class Judged:
    """A figure that was reported and measured.

    Attributes:
        kind: What it is of.
        metric: The manifest's name of the mAP; None for a time.
        figures: Both, in words.
        verdict: Whether it is reproduced, maybe with what would decide it.
    """

    kind: str
    metric: Metric | None
    figures: str
    verdict: str


def judged(row: Line) -> list[Judged]:
    """What was both reported and measured in a row."""
    told = []
    for _, metric in METRICS:
        reported, measured = row[f"{metric}_reported"], row[f"{metric}_measured"]
        if reported is None or measured is None:
            continue
        # Nothing is below nothing: no "-0.0".
        difference = round(row[f"{metric}_difference"], 1) + 0.0
        figures = f"reported {reported:.1f}, measured {measured:.1f} ({difference:+.1f})"
        needed, source = row[f"{metric}_images_needed"], row[f"{metric}_agrees_with"]
        more = f" (about {needed} images would decide)" if needed else ""
        more = f" (by {source})" if source else more
        verdict = f"{row[f'{metric}_verdict'] or ''}{more}"
        told.append(Judged(f"{metric.removesuffix('_map')} mAP", metric, figures, verdict))
    reported, measured = row["speed_reported_ms"], row["speed_measured_ms"]
    if reported is not None and measured is not None:
        figures = f"reported {reported:.1f}, measured {measured:.1f}"
        told.append(Judged("ms an image", None, figures, row["speed_verdict"] or ""))
    return told


def markdown(report: Report) -> str:
    """The report as Markdown."""
    parts = ["# Reported and measured", f"**{in_markdown(summary(report))}**", RULE]
    parts += [_failed(report)] if report.failures else []
    if report.rows:
        named = [
            Column("#", lambda row: str(row["number"])),
            Column("model", lambda row: str(row["name"]), names=True),
            *(Column(menu, _text_of(menu), names=True) for menu in MENUS),
        ]
        numbered = [row | {"number": i} for i, row in enumerate(report.rows, 1)]
        parts += ["## Verdicts", "\n".join(_verdict_lines(numbered)) or NOTHING_REPORTED]
        parts += ["## What was measured", markdown_table(numbered, [*named, *columns(report)])]
        parts += ["## How it was measured", *map(_how, numbered)]
    parts += ["## Notes", "\n".join(f"- {in_markdown(note)}" for note in report.notes)]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _literal(name: str, text: str) -> str:
    """A text of a row; one that is to be copied as it is, where it can stand so."""
    text = in_one_line(text)
    return f"`{text}`" if name in LITERAL and "`" not in text else in_markdown(text)


def _text_of(menu: str) -> Callable[[Line], str]:
    return lambda row: row["choices"][menu]


def _failed(report: Report) -> str:
    return "\n".join(
        f"- not measured: {in_markdown(' '.join(filter(None, (one.name, one.runtime))))}: "
        f"{in_markdown(one.error)}; again with {_literal('command', one.command)}"
        for one in report.failures
    )


def _verdict_lines(rows: list[Line]) -> list[str]:
    return [
        f"- {in_markdown(str(row['name']))} (#{row['number']}), {one.kind}: {one.figures}: "
        f"**{one.verdict}**"
        for row in rows
        for one in judged(row)
        if one.verdict
    ]


def _how(row: Line) -> str:
    lines = [f"### {row['number']}. {in_markdown(str(row['name']))}", ""]
    for title, known in about(row):
        lines.append(f"- {title}")
        lines += [f"    - {name}: {_literal(name, text)}" for name, text in known]
    lines += [f"- {in_markdown(remark)}" for remark in remarks(row)]
    return "\n".join(lines)
