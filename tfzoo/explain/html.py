"""Parts that pages share: a template filled, the style, the key of pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tfzoo.explain.pictures import IGNORED, MISSED, RIGHT, WRONG
from tfzoo.pages import mark_of


def fill(template: Path, kind: str, values: Mapping[str, str]) -> str:
    """A page: its template with each `{{name}}` replaced.

    Args:
        template: The HTML file.
        kind: Of the page, see `tfzoo.pages`.
        values: What goes in, fit for a page already.
    """
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    filled = {"mark": mark_of(kind), "style": style, **values}
    text = template.read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], text)


def percent(value: float | None) -> str:
    """A share as points of a hundred, one digit behind the point; `-` for none."""
    return "-" if value is None else f"{100 * value:.1f}"


def points(value: float | None, digits: int = 1) -> str:
    """A difference in points, with its sign; `-` for none."""
    # Nothing is below nothing: no "-0.0".
    return "-" if value is None else f"{round(100 * value, digits) + 0.0:+.{digits}f}"


def key(min_score: float) -> str:
    """What the colours of pictures say."""
    said = {
        "right": RIGHT,
        "wrong": WRONG,
        "an object that is missed": MISSED,
        "a crowd, or on one: counts neither way": IGNORED,
    }
    parts = [
        f'<i><span style="background:rgb{color}"></span>{what}</i>' for what, color in said.items()
    ]
    return (
        f'<p class="note key">Detections from score {min_score:.3g} on. Right is what overlaps an '
        f"object of its category that no better one has taken, at IoU 0.5 or more. {''.join(parts)}"
        "</p>"
    )
