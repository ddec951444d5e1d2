"""Fields of numbers, looked at as whole columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from tfzoo.accuracy.fields import EXACT, Record, number_of


def no_size_below_zero(boxes: np.ndarray[Any, Any]) -> bool:
    """Whether boxes [..., 4] have widths and heights that some box could have."""
    return bool((boxes[..., 2:] >= 0).all())


def numbers(
    records: Sequence[Record],
    field: str,
    lengths: Callable[[Record], int | None],
    wrong: Callable[[int, Record], None],
    sound: Callable[[np.ndarray[Any, Any]], bool] = lambda values: True,
) -> None:
    """Sees that a field is a list of finite numbers; texts that are exactly one are replaced.

    Args:
        records: Records, which are changed.
        field: Name of the field.
        lengths: How many numbers a record should have; None for any number.
        wrong: Is told each record that has something else, and its index.
        sound: What else has to be true, of a row or of rows of numbers [..., length].
    """
    for start in range(0, len(records), 10_000):
        some = records[start : start + 10_000]
        if _all_sound(some, field, lengths, sound):
            continue
        for index, record in enumerate(some, start):
            values = record.get(field)
            converted = list(map(number_of, values)) if isinstance(values, list) else [None]
            length = lengths(record)
            fits = None not in converted and length in (None, len(converted))
            if not fits or not sound(np.array(converted, dtype=float)):
                wrong(index, record)
            else:
                record[field] = converted


def _all_sound(
    records: Sequence[Record],
    field: str,
    lengths: Callable[[Record], int | None],
    sound: Callable[[np.ndarray[Any, Any]], bool],
) -> bool:
    """Whether records are all as they should be, without a look at each number in turn."""
    values: list[Any] = [record.get(field) for record in records]
    if set(map(type, values)) != {list}:
        return False
    found = set(map(len, values))
    wanted = {lengths(record) for record in records}
    if len(found) != 1 or wanted - found - {None}:
        return False
    flat = list(chain.from_iterable(values))
    if not set(map(type, flat)) <= {int, float}:
        return False
    try:
        table = np.array(flat, dtype=float).reshape(len(values), -1)
    except OverflowError:
        return False
    return bool((np.abs(table) < EXACT).all()) and sound(table)
