"""Whether a model's files are whole, by their own marks, without the library that opens them.

Each runtime finds other words for a file that was cut, or opens it all the same; here it is told
alike for all of them. Only sizes and a few bytes are looked at, so that it costs no time.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tfzoo.errors import ModelFormatError
from tfzoo.files import LFS_ADVICE, is_lfs_pointer

_AGAIN = "Copy, unpack or download it again"
# The last bytes of a table as TensorFlow writes them (core/lib/io/format.h).
_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
# Operations that hold a variable; a graph without any needs no weights beside it.
_VARIABLES = re.compile(rb"VarHandleOp|VariableV2")


def check_model(path: Path) -> None:
    """Refuses a model whose files are cut, empty, missing or stand-ins of Git's.

    Args:
        path: A SavedModel folder, or a file: a frozen graph, an .onnx or .tflite model.

    Raises:
        ModelFormatError: Says which file, and what ails it.
    """
    if path.is_file():
        if path.suffix == ".tflite":
            _check_lite(path)
        else:
            _check_message(path, "a frozen graph" if path.suffix == ".pb" else "an ONNX model")
        return
    _check_message(path / "saved_model.pb", "a SavedModel's graph")
    for file in sorted((path / "variables").glob("variables.*")):
        with file.open("rb") as opened:
            if is_lfs_pointer(opened.read(64)):
                raise ModelFormatError(f"{file} {LFS_ADVICE}")
    index = path / "variables" / "variables.index"
    if index.is_file():
        _check_weights(index)
    elif _has_variables(path / "saved_model.pb"):
        raise ModelFormatError(
            f"{path} is damaged: its graph has variables, but there is no {index.name} in "
            f"{index.parent}, which holds its weights. {_AGAIN}, the folder variables/ with it"
        )


def check_unpacked(model: Path, folder: Path, archive: str) -> None:
    """As `check_model`, of a model in a folder that an archive was unpacked to.

    Raises:
        ModelFormatError: Names the archive and the file in it.
    """
    try:
        check_model(model)
    except ModelFormatError as error:
        told = str(error).replace(f"{folder}{os.sep}", "")
        raise ModelFormatError(f"{archive}: {told}") from None


def _has_variables(graph: Path) -> bool:
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _VARIABLES.search(content) is not None


def _check_lite(file: Path) -> None:
    """Refuses a file that TensorFlow Lite would not know; where it was cut, reading it tells."""
    with _not_empty(file) as opened:
        if (start := opened.read(24))[4:8] != b"TFL3":
            raise ModelFormatError(
                f"{file} is damaged or not a TensorFlow Lite model (it starts with {start!r}; "
                f"expected TFL3 after 4 bytes). {_AGAIN}"
            )


def _not_empty(file: Path) -> IO[bytes]:
    """A file opened at its start, that is neither empty nor a stand-in of Git's."""
    if file.stat().st_size == 0:
        raise ModelFormatError(f"{file} is damaged: it is empty. {_AGAIN}")
    opened = file.open("rb")
    if is_lfs_pointer(opened.read(64)):
        opened.close()
        raise ModelFormatError(f"{file} {LFS_ADVICE}")
    opened.seek(0)
    return opened


def _check_message(file: Path, what: str) -> None:
    """Refuses a file that is no protobuf message, or not a whole one."""
    size = file.stat().st_size
    with _not_empty(file) as opened:
        start = opened.read(64)
        try:
            end = _end_of_message(opened, size)
        except ValueError:
            raise ModelFormatError(
                f"{file} is damaged or not {what} (it starts with {start[:24]!r}). {_AGAIN}"
            ) from None
    if end > size:
        raise ModelFormatError(
            f"{file} is damaged: it was cut short after {size} of at least {end} bytes. {_AGAIN}"
        )


def _end_of_message(file: IO[bytes], size: int) -> int:
    """Where a message ends by the lengths that it states of its fields.

    Raises:
        ValueError: It is no message of protobuf's.
    """
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(20)
        try:
            tag, used = _varint(head, 0)
            kind = tag & 7
            if tag >> 3 == 0 or kind not in (0, 1, 2, 5):
                raise ValueError("no field of protobuf's")
            if kind in (0, 2):
                value, used = _varint(head, used)
                place += used + (value if kind == 2 else 0)
            else:
                place += used + (8 if kind == 1 else 4)
        except IndexError:
            return max(size, place + len(head)) + 1
    return place


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of protobuf's variable length, and where it ends."""
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _check_weights(index: Path) -> None:
    """Refuses weights that are shorter than their index says."""
    try:
        needed = _sizes_of_weights(index.read_bytes())
    except NotImplementedError:
        return
    except (IndexError, ValueError):
        raise ModelFormatError(
            f"{index} is damaged or cut short, so the model has no weights. {_AGAIN}"
        ) from None
    for number, expected in needed.items():
        file = index.with_name(f"variables.data-{number:05d}-of-{len(needed):05d}")
        try:
            found = file.stat().st_size
        except OSError:
            raise ModelFormatError(
                f"{index.parent} is damaged: {file.name}, which holds weights, is missing. {_AGAIN}"
            ) from None
        if found < expected:
            raise ModelFormatError(
                f"{file} is damaged: the weights were cut short after {found} of {expected} bytes. "
                f"{_AGAIN}"
            )


def _sizes_of_weights(index: bytes) -> dict[int, int]:
    """The least size of each file of weights in bytes, by its number.

    The index is a table of tensors (core/lib/io/table_builder.h), each a `BundleEntryProto`; the
    one without a name is the `BundleHeaderProto`.

    Raises:
        ValueError, IndexError: It is damaged.
        NotImplementedError: It is compressed, as TensorFlow itself writes none.
    """
    footer = index[-_FOOTER:]
    if len(index) < _FOOTER or not footer.endswith(_TABLE_MAGIC):
        raise ValueError("no table of TensorFlow's")
    _, place = _varint(footer, 0)
    _, place = _varint(footer, place)
    sizes: dict[int, int] = {}
    for _, handle in _entries(index, *_handle(footer, place)):
        for name, value in _entries(index, *_handle(handle, 0)):
            fields = _numbers(value)
            if not name:
                sizes |= {number: sizes.get(number, 0) for number in range(fields.get(1, 0))}
                continue
            number = fields.get(3, 0)
            sizes[number] = max(sizes.get(number, 0), fields.get(4, 0) + fields.get(5, 0))
    if not sizes:
        raise ValueError("it names no file of weights")
    return sizes


def _handle(data: bytes, place: int) -> tuple[int, int]:
    """Where a block of a table starts, and its size."""
    start, place = _varint(data, place)
    size, _ = _varint(data, place)
    return start, size


def _entries(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block of a table."""
    if table[start + size] != 0:
        raise NotImplementedError("a compressed block")
    block = table[start : start + size]
    restarts = int.from_bytes(block[-4:], "little")
    place, end, key = 0, size - 4 - 4 * restarts, b""
    while place < end:
        shared, place = _varint(block, place)
        fresh, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + fresh]
        yield key, block[place + fresh : place + fresh + length]
        place += fresh + length


def _numbers(message: bytes) -> dict[int, int]:
    """The whole numbers among a message's fields, by the fields' numbers."""
    found, place = {}, 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind in (0, 2):
            value, place = _varint(message, place)
            if kind == 0:
                found[tag >> 3] = value
            else:
                place += value
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise ValueError("no field of protobuf's")
    return found
