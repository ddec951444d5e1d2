"""Folders of pictures, runs over them, and what a run says; a runtime that can be watched."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.helpers import standins
from tfzoo.batch import parts
from tfzoo.batch.exports import WRITTEN


def save(path: Path, image: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[:, :, ::-1])
    return path


def scene(seed: int) -> NDArray[np.uint8]:
    """A picture with a person, and in two of three a dog, at places that the seed names."""
    draw = random.Random(seed)
    width, height = draw.randrange(90, 200), draw.randrange(90, 200)
    x, y = draw.randrange(0, 30), draw.randrange(0, 30)
    dog = (x + 35, y + 20, x + 60, y + 50) if seed % 3 else None
    shades = (draw.randrange(160, 255), draw.randrange(160, 255), 180)
    return standins.paint(height, width, person=(x, y, x + 30, y + 40), dog=dog, brightness=shades)


def fill(where: Path, count: int) -> Path:
    """A folder of pictures, named so that their order is not that of numbers."""
    for i in range(count):
        save(where / f"{i}.png", scene(i))
    return where


class Watched:
    """A real runtime that counts the images it is given, and can fail or dawdle on some."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.name, self.version, self.device = inner.name, inner.version, inner.device
        self.signature = inner.signature
        self.workers = 2
        self.runs = 0
        self.before: Any = lambda: None

    def run(self, image: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        self.runs += 1
        self.before()
        found: Mapping[str, NDArray[Any]] = self._inner.run(image)
        return found


def rows(out: Path) -> list[dict[str, Any]]:
    return list(json.loads((out / "detections.json").read_text()))


def everything(out: Path) -> list[Any]:
    """All that a run says, as values: what two runs are compared by."""
    tables = [pd.read_parquet(out / "parts" / name) for name in ("detections", "images")]
    texts = [(out / name).read_text() for name in WRITTEN]
    return [*(table.to_dict("records") for table in tables), *texts]


def stop_after(images: int) -> Any:
    def stop(done: int, total: int | None) -> None:
        if done >= images:
            raise KeyboardInterrupt

    return stop


def parts_of(out: Path) -> parts.Parts:
    return parts.Parts(out / "parts", 4, parts.Columns())
