"""A comparison as a page that loads nothing: the verdict, each class and size, what changed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from tfzoo.accuracy.truth import Kind
from tfzoo.comparison.compared import Comparison
from tfzoo.comparison.paired import FEWEST_IMAGES, Difference, KindDifference
from tfzoo.comparison.sides import Side
from tfzoo.explain.html import fill, key, percent, points
from tfzoo.explain.pictures import MIN_SCORE, drawn_found, drawn_truth
from tfzoo.images.reading import read_image
from tfzoo.outside import in_csv, in_page
from tfzoo.pages import PAGE, write_pages

#: What this page is, among those of ours.
KIND = "comparison"

#: Images that are shown, and classes that are shown before the reader asks for the rest.
_SHOWN, _CLASSES = 12, 15

_WIDTH, _HEIGHT = 300, 18


def write_comparison(compared: Comparison, folder: str | PathLike[str]) -> Path:
    """Writes `index.html`, `comparison.json` and `differences.csv`; gives the page's path.

    Raises:
        OutputError: They can't be written.
        ImageError: An image can't be read any more.
    """
    files = {
        PAGE: _page(compared),
        "comparison.json": json.dumps(compared.to_json(), indent=2, allow_nan=False) + "\n",
        "differences.csv": _csv(compared),
    }
    return write_pages(folder, files, KIND)


def verdict_text(one: KindDifference, kind: Kind, margin: float) -> str:
    """What a comparison shows of a kind, in a sentence."""
    overall = one.overall
    if overall.difference is None:
        return f"{kind}: there is nothing to find"
    start = f"{kind}: B - A is {points(overall.difference)} points of mAP"
    if overall.interval is None:
        return f"{start}, undecided: fewer than {FEWEST_IMAGES} images hold objects"
    interval = f"95 % interval {points(overall.low, 2)} to {points(overall.high, 2)}"
    if overall.verdict == "no difference":
        return f"{start} ({interval}): no difference larger than {margin:g} points"
    if overall.verdict == "undecided" and one.more_images is not None:
        return f"{start} ({interval}): undecided; about {one.more_images} more images would decide"
    return f"{start} ({interval}): {overall.verdict}"


def side_text(side: Side) -> str:
    """A side in a few words."""
    by = ", ".join(
        filter(None, [side.runtime, side.precision if side.precision != "float32" else ""])
    )
    return f"{side.name} ({by})" if by else side.name


def _csv(compared: Comparison) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        [
            "kind",
            "of",
            "name",
            "a",
            "b",
            "difference",
            "low",
            "high",
            "verdict",
            "images",
            "objects",
        ]
    )
    for kind, one in compared.kinds.items():
        for of, rows in (
            ("overall", {"": one.overall}),
            ("size", one.per_size),
            ("class", one.per_class),
        ):
            for name, row in rows.items():
                figures = [row.a, row.b, row.difference, row.low, row.high]
                writer.writerow(
                    [kind, of, in_csv(name), *figures, row.verdict, row.images, row.objects]
                )
    return file.getvalue()


def _page(compared: Comparison) -> str:
    sides = "".join(
        f"<dt>{letter}</dt><dd>{in_page(side_text(side))}"
        + (
            f" <small><code>{in_page(side.model_digest[:19])}</code></small>"
            if side.model_digest
            else ""
        )
        + "</dd>"
        for letter, side in (("A", compared.a), ("B", compared.b))
    )
    values = {
        "title": "Two compared, on the same images",
        "verdicts": "<br>".join(
            f"<b>{in_page(verdict_text(one, kind, compared.margin))}.</b>"
            for kind, one in compared.kinds.items()
        ),
        "sides": sides,
        "images": str(compared.images),
        "image_set": in_page(compared.image_set),
        "evaluator": in_page(compared.evaluator),
        "margin": f"{compared.margin:g}",
        "kinds": "\n".join(
            _kind(kind, one, compared.margin / 100) for kind, one in compared.kinds.items()
        ),
        "pictures": _pictures(compared),
    }
    return fill(Path(__file__).with_name("page.html"), KIND, values)


def _kind(kind: Kind, one: KindDifference, margin: float) -> str:
    by_size = {"all": one.overall, **one.per_size}
    ranked = sorted(
        ((name, row) for name, row in one.per_class.items() if row.difference is not None),
        key=lambda item: -abs(item[1].difference or 0.0),
    )
    empty = len(one.per_class) - len(ranked)
    left_out = f" {empty} without objects are left out." if empty else ""
    return (
        f"<h2>{kind}: overall and by size</h2>{_rows(by_size, margin)}"
        f"<h2>{kind}: by class, the largest change first</h2>"
        '<p class="note">Each class is judged by itself: of twenty that are the same, one is told '
        f"apart by chance. Those in fewer than {FEWEST_IMAGES} images have no interval.{left_out}"
        "</p>"
        f"{_classes(ranked, margin)}"
    )


def _classes(ranked: Sequence[tuple[str, Difference]], margin: float) -> str:
    first = _rows(dict(ranked[:_CLASSES]), margin)
    if not (rest := ranked[_CLASSES:]):
        return first
    return (
        f"{first}<details><summary>{len(rest)} more, which changed less</summary>"
        f"{_rows(dict(rest), margin)}</details>"
    )


def _rows(rows: Mapping[str, Difference], margin: float) -> str:
    ends = [abs(end) for row in rows.values() for end in (row.low, row.high) if end is not None]
    middles = [abs(row.difference) for row in rows.values() if row.difference is not None]
    span = 1.05 * max([2 * margin, *ends, *middles])
    lines = "".join(_row(name, row, span, margin) for name, row in rows.items())
    return f'<div class="rows">{lines}</div>'


def _row(name: str, row: Difference, span: float, margin: float) -> str:
    interval = (
        f" <small>{points(row.low)} to {points(row.high)}</small>" if row.low is not None else ""
    )
    shade = {"no difference": "none"}.get(row.verdict, row.verdict)
    return (
        f'<div class="row"><div>{in_page(name)} <small>{row.objects} in {row.images} images</small>'
        f"</div><div>{percent(row.a)} &rarr; {percent(row.b)}</div>"
        f"<div><b>{points(row.difference)}</b>{interval}</div>"
        f'{_bar(row, span, margin)}<div><span class="verdict {shade}">{row.verdict}</span></div>'
        "</div>"
    )


def _bar(row: Difference, span: float, margin: float) -> str:
    """The interval around 0, which stands in the middle, on the band of no difference."""
    middle = _HEIGHT / 2

    def place(value: float) -> float:
        return _WIDTH * (0.5 + 0.5 * value / span)

    band = (
        f'<rect class="margin" x="{place(-margin):.1f}" y="0" height="{_HEIGHT}" '
        f'width="{place(margin) - place(-margin):.1f}"/>'
    )
    zero = f'<line class="zero" x1="{_WIDTH / 2}" x2="{_WIDTH / 2}" y1="0" y2="{_HEIGHT}"/>'
    shown = ""
    if row.low is not None and row.high is not None:
        shown += (
            f'<line class="interval" x1="{place(row.low):.1f}" x2="{place(row.high):.1f}" '
            f'y1="{middle}" y2="{middle}"/>'
        )
    if row.difference is not None:
        shown += f'<circle cx="{place(row.difference):.1f}" cy="{middle}" r="4"/>'
    return (
        f'<svg class="bar" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'role="img" aria-label="{points(row.difference)} points">{band}{zero}{shown}</svg>'
    )


def _pictures(compared: Comparison) -> str:
    a, b = compared.a.evidence, compared.b.evidence
    files = a.files or b.files
    truth = a.truths.get("box")
    if not compared.changes:
        return "<p>In no image did anything change.</p>"
    if truth is None or not files:
        return (
            "<p>Pictures need boxes and the images themselves: give --images FOLDER beside the "
            "results files.</p>"
        )
    parts = [
        '<p class="note">Ordered by the change of AP of the image by itself (all its categories in '
        f"one list), times its objects.</p>{key(MIN_SCORE)}"
    ]
    for image_id, before, after in compared.changes[:_SHOWN]:
        image = read_image(files[image_id])
        objects = [one for one in truth.data["annotations"] if one["image_id"] == image_id]
        panels = [f"<figure><img alt='' src='{drawn_truth(image, objects, truth.categories)}'>"]
        panels[0] += f"<figcaption>what is there: {len(objects)}</figcaption></figure>"
        for letter, evidence, ap in (("A", a, before), ("B", b, after)):
            rows = [row for row in evidence.rows if row["image_id"] == image_id and row.get("bbox")]
            drawn = drawn_found(image, rows, objects, truth.categories)
            panels.append(
                f"<figure><img alt='' src='{drawn.address}'><figcaption>{letter}: AP "
                f"{percent(ap)}, {drawn.right} right, {drawn.wrong} wrong, {drawn.missed} missed"
                "</figcaption></figure>"
            )
        title = f"{in_page(files[image_id].name)} ({points(after - before)})"
        parts.append(
            f'<div class="shown"><h3>{title}</h3><div class="panels">{"".join(panels)}</div></div>'
        )
    return "".join(parts)
