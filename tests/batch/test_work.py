"""What every engine does to one image: what is told of one that fails, how one is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tfzoo.batch.job import Job
from tfzoo.batch.parts import Columns, Position
from tfzoo.batch.rows import ImageResult
from tfzoo.batch.settings import RunSettings
from tfzoo.batch.work import Item, detect, draw, read
from tfzoo.detections.types import Detections
from tfzoo.detector import Detector
from tfzoo.images.reading import read_image


def test_of_what_a_runtime_says_at_length_the_beginning_is_told(
    standard: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "no image can have the size " + "9" * 600

    def fail(*given: object) -> None:
        raise RuntimeError(f"\n{said}\nat node Resize\n")

    job = Job(RunSettings("photos", standard, tmp_path / "out"), Columns(), 2)
    image = np.zeros((20, 30, 3), np.uint8)
    item = read(standard, Item(0, ImageResult(1, "a.png", "photos/a.png"), Position(1), image), job)
    monkeypatch.setattr(standard, "detect_prepared", fail)
    (failed,) = detect(standard, [item], job)
    told = f"photos/a.png: the model failed on it: {said[:500]}..."
    assert failed.result.error == told
    assert failed.image is failed.input is None


def test_a_picture_is_drawn_as_the_settings_say(standard: Detector, tmp_path: Path) -> None:
    image = np.full((120, 160, 3), 90, np.uint8)
    found = Detections(
        np.array([[40, 50, 120, 100]], np.float32),
        np.array([0.9], np.float32),
        np.array([1], np.int32),
        (120, 160),
    )

    def marked(**options: Any) -> NDArray[np.bool_]:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        job = Job(RunSettings("photos", standard, out, **options), Columns(), 2)
        result = ImageResult(1, "a.png", "photos/a.png", found)
        draw(Item(0, result, Position(1), image), job)
        return np.asarray((read_image(job.pictures / "a.png") != 90).any(axis=2))

    usual, bare = marked(), marked(draw_names=False, draw_scores=False, line_width=7)
    assert usual[:48].any() and not bare[:44].any()
    assert bare[80, :80].sum() > usual[80, :80].sum() + 3
