"""What every engine does to one image: what is told where the model fails on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tfzoo.batch.job import Job
from tfzoo.batch.parts import Columns, Position
from tfzoo.batch.rows import ImageResult
from tfzoo.batch.settings import RunSettings
from tfzoo.batch.work import Item, detect, read
from tfzoo.detector import Detector


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
