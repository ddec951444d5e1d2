"""A run of a few pictures that was made up, and a browser to look at its gallery with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.folders import save
from tests.helpers.made_runs import write_run
from tfzoo.batch.rows import ImageResult
from tfzoo.detections.types import Detections

SIZE = (60, 80)


def found(*pairs: tuple[int, float]) -> Detections:
    """Detections of categories with scores, best first; each ten pixels right of the last."""
    boxes = [[5 + 10 * i, 10, 25 + 10 * i, 50] for i in range(len(pairs))]
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([score for _, score in pairs], np.float32),
        np.array([id_ for id_, _ in pairs], np.int32),
        SIZE,
    )


#: What was found in each picture, by name: persons are 1, cars 3, dogs 18.
FOUND = {
    "three.png": found((1, 0.9), (1, 0.8), (1, 0.45), (18, 0.4)),
    "car.png": found((3, 0.6)),
    "empty.png": found(),
    "two.png": found((1, 0.95), (1, 0.35)),
    "<script>alert(1)</script>.png": found((18, 0.5)),
}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in FOUND:
        picture = np.full((*SIZE, 3), 120, np.uint8)
        save(folder / name.replace("/", "_"), picture)
    return folder


@pytest.fixture
def run(sources: Path, tmp_path: Path) -> Path:
    """Of the pictures above, and of one that failed, as text that a page must not run."""
    results = [
        ImageResult(i, name, str(sources / name.replace("/", "_")), detections)
        for i, (name, detections) in enumerate(FOUND.items(), 1)
    ]
    reason = "broken.png: damaged image: <img src=x onerror=alert(1)>"
    results.append(ImageResult(len(results) + 1, "broken.png", "/none/broken.png", error=reason))
    return write_run(tmp_path / "out", results)
