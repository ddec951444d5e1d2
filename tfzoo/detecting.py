"""Options of detecting: how images are read, what is found and kept of them, how it is drawn.

`Detector.stream` takes them, and the settings of whatever detects inherit them: a new one is added
here.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from math import inf
from numbers import Real
from typing import Any, Literal, get_args

from tfzoo.errors import UsageError
from tfzoo.options import check_least, check_number, names_in, option
from tfzoo.settings import at_home
from tfzoo.yaml_text import read_yaml

#: Larger images are refused unless asked for: a small file can unpack to any size.
MAX_PIXELS = 150_000_000

#: The least score that is kept: of all categories, or of each by its name or id; `default` is that
#: of all others.
MinScore = float | Mapping[str, float] | Mapping[int, float]

#: Scores below it are dropped unless told.
MIN_SCORE = 0.3
#: Stands for all categories that are not named.
DEFAULT = "default"


def read_min_score(text: str) -> float | dict[str, float]:
    """Least scores as the command line has them.

    Args:
        text: A score; `person=0.6,kite=0.3`, with a score alone among them for all others; or a
            file of YAML or JSON, which gives the score of each category, and perhaps of `default`.

    Raises:
        UsageError: It is none of these.
    """
    expected = (
        "expected a score from 0 to 1, scores by category such as person=0.6,kite=0.3, or a file "
        "of YAML or JSON that gives each category's"
    )
    if (path := at_home(text)).is_file():
        try:
            found = read_yaml(path.read_bytes(), as_texts=True)
        except (OSError, ValueError) as error:
            raise UsageError(f"min_score: {path} can't be read: {error}; {expected}") from None
        if not isinstance(found, dict) or not found:
            raise UsageError(f"min_score: {path} gives no score of a category; {expected}")
        pairs = list(found.items())
    elif "=" not in text and "," not in text:
        pairs = [("", text)]
    else:
        pairs = [part.rpartition("=")[::2] for part in text.split(",")]
    scores = {}
    for name, score in pairs:
        try:
            scores[name.strip() or DEFAULT] = float(score)
        except (ValueError, TypeError, AttributeError):
            of = f" of {name!r}" if name else ""
            raise UsageError(f"min_score{of} is {score!r}; {expected}") from None
    return scores[DEFAULT] if scores.keys() == {DEFAULT} else scores


def least_score(min_score: MinScore) -> float:
    """The least of all that are kept."""
    return min(min_score.values()) if isinstance(min_score, Mapping) else min_score


def _checked_scores(min_score: Any) -> float | dict[str, float]:
    """Least scores with Python's own numbers, and one for what they leave out."""
    if not isinstance(min_score, Mapping):
        return _checked_score("min_score", min_score)
    given = {
        str(name): _checked_score(f"min_score of {name!r}", score)
        for name, score in min_score.items()
    }
    return {DEFAULT: MIN_SCORE} | given


def _checked_score(name: str, score: Any) -> float:
    if not isinstance(score, Real) or not 0 <= float(score) <= 1:
        raise UsageError(f"{name} is {score!r}; expected a score from 0 to 1")
    return float(score)


#: How the detections of several tiles become one image's: see `tfzoo.tiles.merge`.
Merge = Literal["nms", "ios"]

#: Sides of a tile below it would take more time than anybody has, and hold no object.
LEAST_TILE = 32
#: Shares of neighbours beyond it take a hundred times the tiles.
MOST_OVERLAP = 0.9


def read_tile(text: object) -> tuple[int, int] | None:
    """Height and width of a tile in pixels, as they are given: 512, `512` or `512x384`.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    sides = list(text) if isinstance(text, list | tuple) else [text]
    if isinstance(text, str):
        sides = [int(side) for side in text.lower().split("x") if re.fullmatch("[0-9]{1,6}", side)]
        sides *= len(text.lower().split("x")) == len(sides)
    if len(sides) not in (1, 2):
        raise UsageError(
            f"tile is {text!r}; expected its side in pixels, such as 512, or its height and width, "
            "such as 512x384"
        )
    height, width = (int(check_number("tile", side, LEAST_TILE)) for side in (sides[0], sides[-1]))
    return height, width


def written_tile(tile: tuple[int, int]) -> str:
    """Height and width of a tile as `read_tile` takes them: `512x384`."""
    return f"{tile[0]}x{tile[1]}"


@dataclass(frozen=True, kw_only=True)
class TileOptions:
    """Whether images are detected in tiles, so that small objects are seen larger.

    Raises:
        UsageError: A value makes no sense.
    """

    tile: tuple[int, int] | None = option(
        None,
        "Detect larger images in tiles of this height and width in pixels, for small objects: 512 "
        "or 512x384.",
        metavar="SIZE",
        text=str | None,
        parse=read_tile,
        write=written_tile,
    )
    overlap: float = option(
        0.2, "Share of a tile that its neighbour covers too, at least.", metavar="SHARE", least=0
    )
    whole_image: bool = option(
        True,
        "With --tile: detect the whole image too, for large objects.",
        flags=("--whole-image/--no-whole-image",),
    )
    merge: Merge = option(
        "ios",
        "Of what several tiles saw, drop what lies on a better one of its category by more than "
        "half: of the smaller box (ios), or of both together (nms).",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "tile", read_tile(self.tile))
        check_least(self)
        if self.overlap > MOST_OVERLAP:
            raise UsageError(
                f"overlap is {self.overlap}; expected a share from 0 to {MOST_OVERLAP}"
            )
        if self.merge not in get_args(Merge):
            expected = " or ".join(get_args(Merge))
            raise UsageError(f"merge is {self.merge!r}; expected {expected}")

    @property
    def tiles_told(self) -> str:
        """How tiles are made and merged, in words; empty where there are none."""
        if self.tile is None:
            return ""
        told = f"{written_tile(self.tile)}, overlap {self.overlap:g}, {self.merge}"
        return told if self.whole_image else f"{told}, no whole image"


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """How detections are drawn on a picture.

    Raises:
        UsageError: A value makes no sense.
    """

    line_width: int | None = option(
        None,
        "Width of the lines drawn, in pixels; else a 300th of the picture's shorter side.",
        metavar="PIXELS",
        least=1,
    )
    draw_names: bool = option(True, "Draw the categories' names.", flags=("--names/--no-names",))
    draw_scores: bool = option(True, "Draw the scores.", flags=("--scores/--no-scores",))

    def __post_init__(self) -> None:
        check_least(self)


@dataclass(frozen=True, kw_only=True)
class SuppressOptions:
    """How boxes that overlap are thinned out, and how many are kept, in place of a model's rules.

    What is left out is as the model has it: see `tfzoo.detections.suppression` for the rules.

    Raises:
        UsageError: A value makes no sense.
    """

    iou: float | None = option(
        None,
        "Drop boxes that overlap a better one of their category by more than this, 0 to 1; else by "
        "what the model was exported with.",
        metavar="IOU",
    )
    max_detections: int | None = option(
        None,
        "Keep the best N of an image; more than the model's own limit too, where its "
        "post-processing is done outside of its graph.",
        metavar="N",
        least=1,
    )
    class_agnostic: bool = option(
        False, "Let boxes suppress those of other categories too.", flags=("--class-agnostic",)
    )
    soft_nms: float | None = option(
        None,
        "Gaussian soft-NMS in place of dropping boxes: beside a better one a score is multiplied "
        "by exp(-IoU^2 / (2 SIGMA)), as by the API's soft_nms_sigma; such as 0.5.",
        metavar="SIGMA",
    )

    def __post_init__(self) -> None:
        check_least(self)
        if self.iou is not None:
            object.__setattr__(self, "iou", _checked_overlap(self.iou))
        if self.soft_nms is None:
            return
        sigma = check_number("soft_nms", self.soft_nms, 0, whole=False)
        if not 0 < sigma < inf:
            raise UsageError(
                f"soft_nms is {sigma}; expected a sigma above 0, such as 0.5, or none for the "
                "model's own suppression"
            )
        object.__setattr__(self, "soft_nms", float(sigma))
        if self.iou is not None:
            raise UsageError(
                "iou and soft_nms are given: soft-NMS drops no box for its overlap and has no such "
                "limit; give one of them"
            )

    @property
    def rules_told(self) -> str:
        """What differs from a model's own rules, such as `iou 0.5, max_detections 300`, or ``."""
        told = ((one.name, getattr(self, one.name)) for one in fields(SuppressOptions))
        return ", ".join(
            name if value is True else f"{name} {value:g}"
            for name, value in told
            if value is not None and value is not False
        )


def _checked_overlap(iou: Any) -> float:
    if not isinstance(iou, Real) or isinstance(iou, bool) or not 0 <= float(iou) <= 1:
        raise UsageError(f"iou is {iou!r}; expected an overlap from 0 to 1")
    return float(iou)


@dataclass(frozen=True, kw_only=True)
class DetectOptions(SuppressOptions, TileOptions):
    """How images are read and detected, and what is kept of what was found.

    Raises:
        UsageError: A value makes no sense.
    """

    min_score: MinScore = option(
        MIN_SCORE,
        "Drop scores below this, 0 to 1; by category: person=0.6,kite=0.3, or a file of YAML or "
        "JSON, where 'default' is that of all others.",
        metavar="SCORE",
        complete="categories",
        text=str,
        parse=read_min_score,
    )
    classes: Collection[int | str] | None = option(
        None,
        "Keep these categories only: names or ids, separated by commas.",
        metavar="NAMES",
        complete="categories",
        text=list[str] | None,
        parse=names_in,
    )
    exclude: Collection[int | str] | None = option(
        None,
        "Leave out these categories: names or ids, separated by commas.",
        metavar="NAMES",
        complete="categories",
        text=list[str] | None,
        parse=names_in,
    )
    max_pixels: int = option(
        MAX_PIXELS, "Fail images of more pixels than this.", metavar="N", least=1
    )
    batch: int = option(
        1,
        "Images, or tiles, in one call, where the model takes several: for a GPU.",
        metavar="N",
        least=1,
    )

    def __post_init__(self) -> None:
        SuppressOptions.__post_init__(self)
        TileOptions.__post_init__(self)
        object.__setattr__(self, "min_score", _checked_scores(self.min_score))
