"""The page: `page.html` with its style, its scripts and the data that they show.

`data.js` reads the data and says which detections are shown, `drawing.js` draws them, `zoom.js`
brings the large picture nearer, `page.js` is the grid, the large view and the controls.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfzoo.batch.job import GALLERY
from tfzoo.detections.drawing import MIN_KEYPOINT_SCORE
from tfzoo.detections.labels import KEYPOINTS, SKELETON
from tfzoo.detections.palette import as_hex, color_of, readable_on
from tfzoo.gallery.contents import MASK_SIDE, SCORE_STEPS, STEPS, Contents
from tfzoo.gallery.thumbnails import Thumbnail
from tfzoo.outside import in_one_line, in_page, shown

#: How the page's script reads each column; its typed arrays are little-endian on all machines.
_COLUMNS = {
    "width": "<u4",
    "height": "<u4",
    "found": "<u4",
    "category": "<u2",
    "score": "<u2",
    "box": "<u2",
    "keypoints": "<u2",
    "keypoint_scores": "<u1",
    "masks": "<u1",
}


@dataclass(frozen=True)
class Shown:
    """What a page shows beside the detections: an entry for each image, in order.

    Attributes:
        names: Their names.
        thumbnails: Their small pictures.
        errors: Why some failed, by number.
    """

    names: Sequence[str]
    thumbnails: Sequence[Thumbnail]
    errors: Mapping[int, str]


def page(contents: Contents, shown_images: Shown, about: Mapping[str, str], mark: bytes) -> str:
    """The page as HTML that loads nothing but the pictures.

    Args:
        contents: What was found, all pictures walked.
        shown_images: The images.
        about: What is told of the run: `model`, and notes in `notes`.
        mark: Says which run it is of; see `tfzoo.batch.owned`.
    """
    filled = {
        "style": _own("page.css"),
        "reading": _own("data.js"),
        "drawing": _own("drawing.js"),
        "zoom": _own("zoom.js"),
        "script": _own("page.js"),
        "mark": in_page(mark.decode()),
        "model": in_page(in_one_line(about["model"])),
        "notes": in_page(about["notes"]),
        "data": _script(_data(contents, shown_images)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], _own("page.html"))


def _own(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _data(contents: Contents, images: Shown) -> dict[str, Any]:
    columns = {name: contents.column(name, kind) for name, kind in _COLUMNS.items()}
    detections = max(1, len(columns["score"]))
    points = len(columns["keypoint_scores"]) // detections
    small = images.thumbnails
    return {
        "steps": STEPS,
        "scoreSteps": SCORE_STEPS,
        "maskSide": MASK_SIDE,
        "points": points,
        "leastPoint": round(255 * MIN_KEYPOINT_SCORE),
        "skeleton": SKELETON if points == len(KEYPOINTS) else (),
        "folder": GALLERY,
        "categories": [
            [in_one_line(name), as_hex(color_of(id_)), as_hex(readable_on(color_of(id_)))]
            for id_, name in contents.categories.items()
        ],
        "names": [in_one_line(name) for name in images.names],
        "errors": {str(i): shown(text) for i, text in images.errors.items()},
        "gone": {str(i): shown(one.gone) for i, one in enumerate(small) if one.gone is not None},
        "sources": [one.source for one in small],
        "embedded": {str(i): _packed(one.jpeg) for i, one in enumerate(small) if one.jpeg},
        "columns": {name: _packed(column.tobytes()) for name, column in columns.items()},
    }


def _packed(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _script(value: Any) -> str:
    """A value as JSON, with nothing in it that could end its script element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
