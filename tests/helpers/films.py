"""A small video."""

from __future__ import annotations

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
