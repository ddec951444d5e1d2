"""The files of a SavedModel as its format has them, with nothing that could be run in them."""

from __future__ import annotations

from collections.abc import Mapping


def number(value: int) -> bytes:
    """A number of protobuf's variable length."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def graph(content: bytes = b"") -> bytes:
    """A `saved_model.pb`: its version and a graph of any bytes, of the right length."""
    return b"\x08\x01\x12" + number(len(content)) + content


def index(tensors: Mapping[str, tuple[int, int]], files: int = 1) -> bytes:
    """A `variables.index` of tensors, each a place in the one file of weights and a size in bytes.

    As TensorFlow writes it (core/util/tensor_bundle): a table of one block.
    """
    block = b""
    entries = {"": b"\x08" + number(files)}
    for name, (place, size) in sorted(tensors.items()):
        entries[name] = (
            b"\x08\x01\x12\x00\x20" + number(place) + b"\x28" + number(size) + b"\x35AB12"
        )
    for name, value in entries.items():
        block += number(0) + number(len(name)) + number(len(value)) + name.encode() + value
    table = _block(block)
    handle = number(0) + number(len(table) - 5)
    meta = len(table), len(_block(b"")) - 5
    table += _block(b"")
    last = _block(number(0) + number(1) + number(len(handle)) + b"z" + handle)
    footer = number(meta[0]) + number(meta[1]) + number(len(table)) + number(len(last) - 5)
    return table + last + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def _block(entries: bytes) -> bytes:
    """A block of one restart, its kind (not compressed) and a checksum that nobody looks at."""
    return entries + bytes(4) + b"\1\0\0\0" + b"\0" + b"sum!"
