"""Masks in annotation and result files: polygons, and run lengths in numbers or in letters.

COCO's tools trust them: run lengths that don't fill their picture make them wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.fields import Id, Record, number_of, whole_of

#: A corner further away is in no picture; its polygon would take gigabytes.
_FARTHEST = 1e5
#: Rows looked at together.
_CHUNK = 2000

Size = tuple[int, int]


def check_shapes(
    records: Sequence[Record],
    sizes: dict[Id, Size],
    wrong: Callable[[int, Record], None],
    *,
    encoded: bool = False,
) -> None:
    """Sees that each record's `segmentation` is a mask of its image.

    Args:
        records: Records, which are changed: texts that are exactly a number become one.
        sizes: Height and width of images by id.
        wrong: Is told each record that has something else, and its index.
        encoded: Whether all become run lengths in letters, as results have them.
    """
    for start in range(0, len(records), _CHUNK):
        some = records[start : start + _CHUNK]
        if not encoded and _all_polygons([record.get("segmentation") for record in some]):
            continue
        written = []
        for index, record in enumerate(some, start):
            size = sizes[record["image_id"]]
            mask = _mask(record.get("segmentation"), size)
            if mask is None:
                wrong(index, record)
                continue
            record["segmentation"] = mask
            if isinstance(mask, dict) and isinstance(mask["counts"], str):
                written.append((index, record))
            elif encoded:
                record["segmentation"] = _encoded(mask, size)
        pixels = np.array([np.prod(sizes[record["image_id"]]) for _, record in written])
        filled = _pixels(record["segmentation"]["counts"] for _, record in written)
        for i in np.flatnonzero(filled != pixels):
            wrong(*written[i])


def _all_polygons(values: list[Any]) -> bool:
    """Whether all are sound polygons, without a look at each in turn."""
    if set(map(type, values)) != {list}:
        return False
    polygons = list(chain.from_iterable(values))
    if not all(values) or set(map(type, polygons)) != {list} or min(map(len, polygons)) < 6:
        return False
    flat = list(chain.from_iterable(polygons))
    if not set(map(type, flat)) <= {int, float}:
        return False
    return min(flat) > -_FARTHEST and max(flat) < _FARTHEST and flat == flat and not _nan(flat)


def _nan(flat: list[float]) -> bool:
    return bool(np.isnan(np.array(flat, dtype=float)).any())


def _mask(value: Any, size: Size) -> list[list[float]] | dict[str, Any] | None:
    """A mask whose numbers are numbers; None for what is none."""
    if isinstance(value, dict):
        return _runs(value, size)
    if not isinstance(value, list) or not value:
        return None
    # One polygon may stand there without a list around it.
    polygons = value if any(isinstance(polygon, list) for polygon in value) else [value]
    converted: list[list[float]] = []
    for polygon in polygons:
        if not isinstance(polygon, list):
            return None
        numbers = [number_of(number) for number in polygon]
        if not all(number is not None and abs(number) < _FARTHEST for number in numbers):
            return None
        converted.append([number for number in numbers if number is not None])
    # Of four numbers or less, COCO's tools make a box, or nothing.
    return converted if len(converted[0]) > 4 else None


def _runs(value: dict[str, Any], size: Size) -> dict[str, Any] | None:
    given, counts = value.get("size"), value.get("counts")
    if not isinstance(given, list) or [whole_of(side) for side in given] != list(size):
        return None
    if isinstance(counts, str):
        return {"size": list(size), "counts": counts} if counts.isascii() else None
    if not isinstance(counts, list):
        return None
    numbers = counts
    if set(map(type, counts)) != {int}:
        converted = [whole_of(count) for count in counts]
        numbers = [count for count in converted if count is not None]
        if len(numbers) < len(converted):
            return None
    if not numbers or min(numbers) < 0 or sum(numbers) != size[0] * size[1]:
        return None
    return {"size": list(size), "counts": numbers}


def _encoded(mask: list[list[float]] | dict[str, Any], size: Size) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    runs = coco_mask.frPyObjects(mask, *size)
    runs = coco_mask.merge(runs) if isinstance(runs, list) else runs
    return {"size": list(size), "counts": runs["counts"].decode("ascii")}


def _pixels(written: Iterable[str]) -> NDArray[np.int64]:
    """How many pixels masks have whose run lengths are written in letters; -1 for what are none.

    A letter holds five bits of a number and whether more follow; from the fourth on, a number is
    the difference from the one before the last (maskApi.c, rleFrString).
    """
    texts = [text.encode() for text in written]
    pixels = np.full(len(texts), -1, dtype=np.int64)
    length = np.array([len(text) for text in texts], dtype=np.int64)
    letters = np.frombuffer(b"".join(texts), dtype=np.uint8).astype(np.int64) - 48
    mask_of_letter = np.repeat(np.arange(len(texts)), length)
    more = (letters & 32) != 0
    broken = np.zeros(len(texts), dtype=bool)
    broken[mask_of_letter[(letters < 0) | (letters > 63)]] = True
    broken[length == 0] = True
    last = np.cumsum(length)[length > 0] - 1
    broken[np.flatnonzero(length > 0)[more[last]]] = True
    if not len(letters):
        return pixels
    # No number goes on into the next mask.
    more[last] = False
    first = np.flatnonzero(np.r_[True, ~more[:-1]])
    ends = np.flatnonzero(~more)
    place = np.arange(len(letters)) - np.repeat(first, ends - first + 1)
    broken[mask_of_letter[place > 6]] = True
    place = np.minimum(place, 6)
    values = np.add.reduceat((letters & 31) << (5 * place), first)
    negative = (letters[ends] & 16) != 0
    values[negative] -= 1 << (5 * (place[ends][negative] + 1))
    owner = mask_of_letter[first]
    index = np.arange(len(first)) - np.searchsorted(owner, owner)
    # Of each mask the first number, then the odd ones as a running sum, then the even ones.
    group = owner * 3 + np.where(index == 0, 0, 2 - index % 2)
    order = np.argsort(group, kind="stable")
    sums = np.cumsum(values[order])
    starts = np.searchsorted(group[order], group[order])
    runs = sums - np.where(starts > 0, sums[starts - 1], 0)
    broken[owner[order][runs < 0]] = True
    total = np.zeros(len(texts), dtype=np.int64)
    np.add.at(total, owner[order], runs)
    pixels[~broken] = total[~broken]
    return pixels
