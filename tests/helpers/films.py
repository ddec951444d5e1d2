"""Small videos."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

from tests.helpers import standins

FRAMES = 25
RATE = 10


def film(path: Path, frames: int = FRAMES, code: str = "mp4v") -> Path:
    """A video of a person that walks to the right, 2 pixels a frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), RATE, (128, 96))
    assert writer.isOpened()
    for i in range(frames):
        picture = standins.paint(96, 128, person=(2 * i, 20, 2 * i + 30, 70))
        # A gray floor tells colour channels apart and keeps the codec busy.
        picture[80:] = 90
        writer.write(np.ascontiguousarray(picture[:, :, ::-1]))
    writer.release()
    return path


def matroska(path: Path, times_ms: list[int], lasts_ms: int, rate: int = 25) -> Path:
    """A video whose frames come at any times, each a JPEG; it claims a length and a rate."""

    def element(mark: str, data: bytes) -> bytes:
        return bytes.fromhex(mark) + (len(data) | 1 << 56).to_bytes(8, "big") + data

    def number(mark: str, value: int) -> bytes:
        return element(mark, value.to_bytes(8, "big"))

    size = number("b0", 128) + number("ba", 96)
    track = number("d7", 1) + number("73c5", 1) + number("83", 1) + element("86", b"V_MJPEG")
    track += number("23e383", 1_000_000_000 // rate) + element("e0", size)
    info = number("2ad7b1", 1_000_000) + element("4489", struct.pack(">d", lasts_ms))
    blocks = []
    for i, time_ms in enumerate(times_ms):
        picture = standins.paint(96, 128, person=(2 * i, 20, 2 * i + 30, 70))
        jpeg = cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes()
        block = element("a3", b"\x81\0\0\x80" + jpeg)
        blocks.append(element("1f43b675", number("e7", time_ms) + block))
    head = number("4286", 1) + number("42f7", 1) + number("42f2", 4) + number("42f3", 8)
    head += element("4282", b"matroska") + number("4287", 2) + number("4285", 2)
    parts = element("1549a966", info) + element("1654ae6b", element("ae", track))
    path.write_bytes(element("1a45dfa3", head) + element("18538067", parts + b"".join(blocks)))
    return path
