"""TIFF files of any type of values, with any tags: what Pillow and OpenCV write not."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

_CODES = {3: "H", 4: "I", 8: "h", 11: "f"}
_FORMATS = {"u": 1, "i": 2, "f": 3}


def tiff(
    values: NDArray[Any],
    tags: Mapping[int, tuple[int, list[Any]]] | None = None,
    *,
    order: str = "<",
    planes: bool = False,
) -> bytes:
    """A file of values, [H, W] or [H, W, channels], with more tags: number to type and values."""
    height, width, channels = values.shape if values.ndim == 3 else (*values.shape, 1)
    stored = values.transpose(2, 0, 1) if planes else values
    data = stored.astype(values.dtype.newbyteorder(order)).tobytes()
    plane = len(data) // channels
    entries = {
        256: (3, [width]), 257: (3, [height]), 258: (3, [values.dtype.itemsize * 8] * channels),
        259: (3, [1]), 262: (3, [2 if channels > 2 else 1]),
        273: (4, [8 + i * plane for i in range(channels)] if planes else [8]),
        277: (3, [channels]), 278: (3, [height]),
        279: (4, [plane] * channels if planes else [len(data)]), 284: (3, [1 + planes]),
        339: (3, [_FORMATS[values.dtype.kind]] * channels), **(tags or {}),
    }  # fmt: skip
    start = 8 + len(data)
    behind = start + 2 + 12 * len(entries) + 4
    body, more = b"", b""
    for number, (kind, given) in sorted(entries.items()):
        raw = struct.pack(f"{order}{len(given)}{_CODES[kind]}", *given)
        if len(raw) > 4:
            raw, more = struct.pack(f"{order}I", behind + len(more)), more + raw
        body += struct.pack(f"{order}HHI", number, kind, len(given)) + raw.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    return head + data + struct.pack(f"{order}H", len(entries)) + body + bytes(4) + more
