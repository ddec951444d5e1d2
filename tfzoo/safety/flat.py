"""Tables of FlatBuffers, read where they lie in a file that nothing vouches for.

A table's fields have numbers; what they mean is told by the schema of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flatbuffers.table import Table as _Table

from tfzoo.messages import BrokenMessage, text

_FIRST_FIELD = 4


class Table:
    """A table of a file; what is left out of it is zero, empty or None."""

    def __init__(self, table: _Table, see: Callable[[int], None]) -> None:
        self._table, self._see = table, see

    def number(self, field: int, kind: Any) -> Any:
        """A number of one of `flatbuffers.number_types`."""
        at = self._at(field)
        return self._table.Get(kind, self._table.Pos + at) if at else kind.py_type(0)

    def text(self, field: int) -> str:
        """A text."""
        return text(self.content(field))

    def content(self, field: int) -> memoryview:
        """A list of bytes, not copied."""
        start, length = self._list(field, 1)
        held: memoryview = self._table.Bytes[start : start + length]
        return held

    def numbers(self, field: int, kind: Any) -> list[Any]:
        """A list of numbers of one of `flatbuffers.number_types`."""
        width = kind.bytewidth
        start, length = self._list(field, width)
        self._see(length)
        return [self._table.Get(kind, start + width * i) for i in range(length)]

    def table(self, field: int) -> Table | None:
        """A table within."""
        at = self._at(field)
        return self._below(self._table.Pos + at) if at else None

    def tables(self, field: int) -> list[Table]:
        """A list of tables."""
        start, length = self._list(field, 4)
        self._see(length)
        return [self._below(start + 4 * i) for i in range(length)]

    def _below(self, at: int) -> Table:
        return Table(_Table(self._table.Bytes, self._table.Indirect(at)), self._see)

    def _at(self, field: int) -> int:
        return int(self._table.Offset(_FIRST_FIELD + 2 * field))

    def _list(self, field: int, width: int) -> tuple[int, int]:
        """Where a list's first entry lies, and how many there are."""
        if not (at := self._at(field)):
            return 0, 0
        start, length = self._table.Vector(at), self._table.VectorLen(at)
        if start < 0 or start + width * length > len(self._table.Bytes):
            raise IndexError("a list reaches over the end")
        return start, length


def root(content: memoryview, see: Callable[[int], None] = lambda count: None) -> Table:
    """The outermost table of a file.

    Args:
        content: The file.
        see: Is told how many entries are looked at, and may refuse them.
    """
    return Table(_Table(content, struct.unpack_from("<I", content)[0]), see)


@contextmanager
def reading() -> Iterator[None]:
    """Turns whatever comes of reading a damaged file into a `BrokenMessage`."""
    try:
        yield
    except BrokenMessage:
        raise
    except (struct.error, IndexError, TypeError, OverflowError) as error:
        raise BrokenMessage(f"it is cut or damaged: {error}") from None
