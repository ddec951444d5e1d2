"""What came of it as one page that loads nothing: the candidates, and what they dispute."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tfzoo.candidates.ranking import Candidate, Dispute, Ranking
from tfzoo.explain.html import fill
from tfzoo.explain.pictures import jpeg_address
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.outside import in_page, public
from tfzoo.pages import PAGE, write_pages

#: What this page is, among those of ours.
_KIND = "ranking"
#: Pictures that are shown: each once for every model.
MOST_PICTURES = 12
_SIDE = 640

#: Said wherever an agreement stands.
CAUTION = (
    "Agreement is not accuracy: it tells how far a model sees what it is held against, right or "
    "wrong. Who errs as the other errs gains by it, who alone sees right loses. It does tell which "
    "fast model would change little, and which pictures are worth labelling."
)


def about(ranked: Ranking) -> str:
    """What was done, in a sentence."""
    held = (
        f"what {ranked.strongest}, of the highest reported mAP, sees"
        if ranked.strongest
        else "what most of them see"
    )
    left_out = f"; {ranked.unreadable} could not be read" if ranked.unreadable else ""
    return (
        f"{len(ranked.candidates)} models on {ranked.images} images{left_out}, held against {held}."
    )


def write_page(ranked: Ranking, folder: Path) -> Path:
    """Writes `index.html` into a folder; gives its path.

    Raises:
        OutputError: It can't be written, or a file of somebody else's is there.
    """
    filled = {
        "about": in_page(about(ranked)),
        "rows": "\n".join(_row(one) for one in ranked.candidates),
        "caution": in_page(CAUTION),
        "disputes": "\n".join(_dispute(one) for one in ranked.disputes[:MOST_PICTURES])
        or "<p>Nowhere.</p>",
    }
    page = fill(Path(__file__).with_name("page.html"), _KIND, filled)
    return write_pages(folder, {PAGE: page}, _KIND)


def _row(one: Candidate) -> str:
    if one.error is not None:
        cells = [one.name, one.error, "", "", "", ""]
    else:
        agreement = "" if one.agreement is None else f"{100 * one.agreement:.1f}"
        cells = [
            one.name, agreement, f"{one.objects}",
            "" if one.disputed is None else f"{one.disputed}",
            f"{one.latency_ms:.4g}", f"{one.runtime} on {one.device}",
        ]  # fmt: skip
    return "<tr>" + "".join(f"<td>{in_page(cell)}</td>" for cell in cells) + "</tr>"


def _dispute(one: Dispute) -> str:
    image = read_image(one.path)
    figures = []
    for name, found in one.found.items():
        told = f"{name}: {len(found)} objects"
        figures.append(
            f'<figure><img alt="{in_page(told)}" src="{_picture(found.draw(image))}">'
            f"<figcaption>{in_page(told)}</figcaption></figure>"
        )
    title = in_page(f"{public(one.path)}: {one.objects} in dispute")
    return f'<h2>{title}</h2><div class="seen">{"".join(figures)}</div>'


def _picture(image: Image) -> str:
    """A picture, made smaller, as an address that holds it."""
    from PIL import Image as Pillow

    picture = Pillow.fromarray(image)
    picture.thumbnail((_SIDE, _SIDE))
    return jpeg_address(np.asarray(picture))
