"""Fields of annotation and result files: what is meant by them, and what is wrong with them."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from tfzoo.errors import AnnotationError

Record = dict[str, Any]
#: Of an image or a category: a whole number, or any text.
Id = int | str

#: Beyond any picture; products of two are still numbers.
FAR = 1e100
#: Whole numbers up to here are floats without a loss.
EXACT = 2**53
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_SHOWN = 10


class Problems:
    """What is wrong with a file: the first ten, and how many more."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._shown: dict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, records: str, rule: str, where: str, field: str, record: Record) -> None:
        """Notes a record.

        Args:
            records: What it is one of, such as `annotations`.
            rule: What is wrong, and what was expected.
            where: Which it is.
            field: The field that is wrong.
            record: The record.
        """
        self._counts[records, rule] += 1
        if sum(map(len, self._shown.values())) < _SHOWN:
            self._shown[records, rule].append(f"{where}: {field} is {shown(record, field)}")

    def __bool__(self) -> bool:
        return bool(self._counts)

    def end(self, start: str, end: str = "") -> None:
        """Raises what was noted.

        Args:
            start: Which file it is, as the message begins.
            end: What was expected of the whole.

        Raises:
            AnnotationError: Something was.
        """
        if not self._counts:
            return
        lines = []
        for (records, rule), count in self._counts.items():
            lines.append(f"{count} {records} {rule}")
            lines += [f"  {one}" for one in self._shown[records, rule]]
        left = self._counts.total() - sum(map(len, self._shown.values()))
        if left:
            lines.append(f"  ... and {left} more")
        raise AnnotationError(start + "\n".join(lines) + end)


def shown(record: Record, field: str) -> str:
    """A field's value for a message, cut short."""
    if field not in record:
        return "missing"
    try:
        text = json.dumps(record[field], ensure_ascii=True)
    except (TypeError, ValueError, RecursionError):
        text = type(record[field]).__name__
    return text if len(text) <= 60 else f"{text[:60]} ..."


def number_of(value: Any) -> float | None:
    """A finite number, or a text that is exactly one; None for all else."""
    if type(value) is int or type(value) is float:
        if -EXACT < value < EXACT:
            return value
        # Evaluators take whole numbers of any length for objects, not for numbers.
        return float(value) if -FAR < value < FAR else None
    if isinstance(value, str) and _NUMBER.fullmatch(text := value.strip()):
        number = int(text) if text.lstrip("+-").isdigit() and len(text) < 20 else float(text)
        return number if -FAR < number < FAR else None
    return None


def whole_of(value: Any) -> int | None:
    """A whole number, or a text that is exactly one; None for all else."""
    number = number_of(value)
    return int(number) if number is not None and number == math.floor(number) else None


def id_of(value: Any) -> Id | None:
    """What an id means: `"139"` and `139.0` are 139, any other text is itself; None for no id."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


def is_box(value: Any) -> bool:
    """Whether something is four numbers x, y, width, height, with sizes of 0 or more."""
    if not isinstance(value, list) or len(value) != 4 or not set(map(type, value)) <= {int, float}:
        return False
    return all(-FAR < number < FAR for number in value) and min(value[2:]) >= 0


def in_order(identity: Id) -> tuple[bool, Any]:
    """The key that sorts ids: numbers by size, then texts by letters."""
    return isinstance(identity, str), identity


def is_text(value: Any) -> bool:
    """Whether something is a text that can be written down (JSON may hold half a character)."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def resolve(records: Iterable[Record], field: str, known: dict[Any, Id]) -> Iterable[int]:
    """Puts the ids that a file lists in place of those that its records give.

    Args:
        records: Records, which are changed.
        field: The field of theirs that holds an id.
        known: The listed ids by what they mean.

    Yields:
        The index of each record whose id is not listed.
    """
    for index, record in enumerate(records):
        try:
            record[field] = known[record[field]]
        except (KeyError, TypeError):
            own = known.get(id_of(record.get(field)))
            if own is None:
                yield index
            else:
                record[field] = own
