"""The report of a reproduction as one page that loads nothing: verdicts first, then the chart."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tfzoo.errors import OutputError
from tfzoo.files import whole_file
from tfzoo.outside import in_page
from tfzoo.report.table import Table, build_table
from tfzoo.report.table_text import render
from tfzoo.report.verdicts import Verdict
from tfzoo.reproduction.rows import AccuracyRow, Row
from tfzoo.reproduction.settings import ReproduceSettings
from tfzoo.zoo.manifest import load_manifest

#: How each verdict is said of several rows.
_WORDS: dict[Verdict, str] = {
    "reproduced": "reproduced",
    "differs": "differ",
    "undecided": "undecided",
}

#: The drawn interval: pixels, and percentage points to each side of the reported figure at least.
_WIDTH, _HEIGHT, _SPAN = 160, 16, 2.0


#: What a report of ours has near its beginning, by the file's name.
_MARKS = {"index.html": "<title>tfzoo: reported and reproduced</title>", "table.md": "<!-- tfzoo"}


def check_report(settings: ReproduceSettings) -> None:
    """Tells before the work where a report can't be written: a file of somebody else's lies there.

    Raises:
        OutputError: One does.
    """
    for name in _MARKS:
        path = Path(settings.report) / name
        if path.exists() and not _is_report(path):
            raise _foreign(path)


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _MARKS[path.name].encode() in file.read(2000)
    except OSError:
        return False


def _foreign(path: Path) -> OutputError:
    return OutputError(
        f"{path} is there already, and no report that tfzoo wrote: it is not replaced. Choose "
        "another folder with --report"
    )


def write_report(rows: Sequence[Row], settings: ReproduceSettings) -> Path:
    """Writes `index.html` and `table.md`; gives the page's path.

    Raises:
        OutputError: They can't be written.
    """
    folder = Path(settings.report)
    table = build_table(load_manifest(), Path(settings.results), runtime="all")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "table.md": f"{_MARKS['table.md']} reproduce -->\n\n{render(table, 'md')}",
            "index.html": _page(rows, table, settings),
        }
        for name, text in texts.items():
            with whole_file(folder / name, ours=_is_report) as file:
                file.write(text.encode())
    except FileExistsError as error:
        raise _foreign(Path(error.filename or folder)) from None
    except OSError as error:
        raise OutputError(
            f"{error.filename or folder} can't be written: {error.strerror}; choose another folder "
            "with --report"
        ) from None
    return folder / "index.html"


def summary(rows: Sequence[Row]) -> str:
    """What came of the rows, in a sentence."""
    accuracies = Counter(one.verdict for row in rows for one in row.accuracy.values())
    speeds = Counter(row.speed.verdict for row in rows)
    parts = []
    for what, counts in (("accuracies", accuracies), ("speeds", speeds)):
        said = [f"{counts[verdict]} {word}" for verdict, word in _WORDS.items() if counts[verdict]]
        parts.append(f"{what}: {', '.join(said) or 'no verdict'}")
    failed = sum(row.error is not None for row in rows)
    return "; ".join([*parts, *([f"{failed} rows not measured in full"] if failed else [])])


def _page(rows: Sequence[Row], table: Table, settings: ReproduceSettings) -> str:
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    filled = {
        "summary": in_page(summary(rows)),
        "machine": in_page(f"Timed on {table.machine}." if table.machine else "Not timed."),
        "rows": "\n".join(_row(row) for row in rows),
        "chart": _chart(settings),
        "notes": "".join(f"<li>{in_page(note)}</li>" for note in table.notes),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], template)


def _row(row: Row) -> str:
    figures = [
        f"<dt>{kind} mAP</dt><dd>{_figures(one.reported, one.measured, 'points')} {_bar(one)} "
        f"{_verdict(one.verdict, one.images_needed)}</dd>"
        for kind, one in row.accuracy.items()
    ]
    speed = row.speed
    if speed.reported_ms is not None or speed.measured_ms is not None:
        figures.append(
            f"<dt>ms an image</dt><dd>{_figures(speed.reported_ms, speed.measured_ms, 'ms')} "
            f"{_verdict(speed.verdict)}</dd>"
        )
    if row.error is not None:
        figures.append(f'<dt>error</dt><dd class="error">{in_page(row.error)}</dd>')
    about = "".join(
        f"<dt>{name}</dt><dd><code>{in_page(text)}</code></dd>" for name, text in row.about
    )
    title = f"{row.name}, {row.runtime}" if row.runtime else row.name
    return (
        f'<article><h3>{in_page(title)}</h3><dl class="figures">{"".join(figures)}</dl>'
        f"<details><summary>how it was measured</summary><dl>{about}</dl></details></article>"
    )


def _figures(reported: float | None, measured: float | None, unit: str) -> str:
    texts = ["-" if value is None else f"{value:.1f}" for value in (reported, measured)]
    difference = ""
    if unit == "points" and reported is not None and measured is not None:
        # Nothing is below nothing: no "-0.0".
        difference = f" ({round(measured - reported, 1) + 0.0:+.1f})"
    return f"reported {texts[0]}, measured <b>{texts[1]}</b>{difference}"


def _verdict(verdict: str | None, images: int | None = None) -> str:
    if verdict is None:
        return ""
    more = f" (about {images} images would decide)" if images is not None else ""
    return f'<span class="verdict {verdict}">{verdict}</span>{more}'


def _bar(row: AccuracyRow) -> str:
    """The measured interval around the reported figure, which stands in the middle."""
    if row.reported is None or row.measured is None or row.low is None or row.high is None:
        return ""
    ends = [row.low, row.high, row.measured]
    span = max(_SPAN, *(1.1 * abs(end - row.reported) for end in ends))
    low, high, measured = (_WIDTH * (0.5 + 0.5 * (end - row.reported) / span) for end in ends)
    middle = _HEIGHT / 2
    title = f"measured {row.measured:.1f}, 95 % interval {row.low:.1f} to {row.high:.1f}; "
    title += f"the line in the middle is the reported {row.reported:.1f}"
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img"><title>{title}</title>'
        f'<line class="reported" x1="{_WIDTH / 2}" x2="{_WIDTH / 2}" y1="0" y2="{_HEIGHT}"/>'
        f'<line class="interval" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
        f'<circle cx="{measured:.1f}" cy="{middle}" r="4"/></svg>'
    )


def _chart(settings: ReproduceSettings) -> str:
    if find_spec("altair") is None or find_spec("vl_convert") is None:
        return "<p>The chart needs Altair: pip install 'tfzoo[chart]'.</p>"
    from tfzoo.report.chart import chart_page, draw_chart

    page = chart_page(draw_chart(results=Path(settings.results)))
    # A page of its own inside: its names and styles stay apart.
    return f'<iframe title="accuracy against speed" srcdoc="{html.escape(page)}"></iframe>'
