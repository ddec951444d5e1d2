"""Protocol buffers read and written field by field, without the types they are written in.

protobuf's own reader takes the whole of a message into memory, weights and all, and refuses 2 GB.
Here a field is a view into the file: what nobody asks for is never read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

#: A field's number, and its value: a number, or the bytes of a text or of a message within.
Field = tuple[int, "int | memoryview"]

_VARINT, _64_BITS, _BYTES, _32_BITS = 0, 1, 2, 5
_MOST_VARINT_BYTES = 10
_MOST_TEXT_BYTES = 100_000


class BrokenMessage(ValueError):
    """What was read is no message, or not a whole one."""


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message, in the order in which they lie there.

    Wire format: protobuf.dev/programming-guides/encoding.

    Args:
        message: Bytes.

    Raises:
        BrokenMessage: When a field comes that is none, or that reaches over the message's end.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at, end)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise BrokenMessage(f"no field begins at byte {at}")
        if kind == _VARINT:
            value, at = _varint(message, at, end)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(message, at, end)
        elif kind in (_64_BITS, _32_BITS):
            size = 8 if kind == _64_BITS else 4
        else:
            raise BrokenMessage(f"no field is of kind {kind}, as one before byte {at} is")
        if size > end - at:
            raise BrokenMessage(f"a field of {size} bytes begins at byte {at} of {end}")
        yield number, message[at : at + size]
        at += size


def messages(message: memoryview, *path: int) -> Iterator[memoryview]:
    """The messages or texts that lie within a message under a path of field numbers.

    Raises:
        BrokenMessage: See `fields`; a number lies where they should.
    """
    number, *rest = path
    for found, value in fields(message):
        if found != number:
            continue
        if isinstance(value, int):
            raise BrokenMessage(f"field {number} is a number")
        if rest:
            yield from messages(value, *rest)
        else:
            yield value


def last(message: memoryview, number: int) -> str:
    """A text within a message; of several the last, as protobuf has it; else empty.

    Raises:
        BrokenMessage: See `fields` and `text`.
    """
    found = deque(messages(message, number), maxlen=1)
    return text(found[0]) if found else ""


def text(message: memoryview) -> str:
    """A text from outside: what is no UTF-8 in it is replaced.

    Raises:
        BrokenMessage: It is longer than any name.
    """
    if len(message) > _MOST_TEXT_BYTES:
        raise BrokenMessage(f"a name has {len(message)} bytes")
    return bytes(message).decode("utf-8", "replace")


def written(*contents: tuple[int, int | bytes]) -> bytes:
    """A message of fields, each a number and what it holds.

    Args:
        contents: A whole number of 0 or more, or the bytes of a text or of a message within.
    """
    return b"".join(
        _tag(number, _VARINT) + _written_varint(content)
        if isinstance(content, int)
        else beginning(number, len(content)) + content
        for number, content in contents
    )


def beginning(number: int, size: int) -> bytes:
    """What stands before the bytes of a field that holds so many."""
    return _tag(number, _BYTES) + _written_varint(size)


def _tag(number: int, kind: int) -> bytes:
    return _written_varint(number << 3 | kind)


def _written_varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _varint(message: memoryview, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where the next field begins."""
    value = shift = 0
    for place in range(at, min(end, at + _MOST_VARINT_BYTES)):
        byte = message[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    raise BrokenMessage(f"a number at byte {at} has no end")
