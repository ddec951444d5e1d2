"""A folder in, files out: every row, in order, once, whatever happens on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers import standins
from tests.helpers.folders import fill, rows, save
from tfzoo.batch.folder import detect_folder
from tfzoo.detector import Detector
from tfzoo.errors import ModelFormatError, UsageError


def test_thresholds_classes_and_limits_choose_what_is_kept(
    standard: Detector, tmp_path: Path
) -> None:
    picture = standins.paint(
        90, 120, person=(0, 0, 30, 40), dog=(40, 10, 60, 50), toothbrush=(70, 60, 110, 80),
        brightness=(250, 200, 155),
    )  # fmt: skip
    image = save(tmp_path / "photo.png", picture)

    def found(**settings: Any) -> list[int]:
        out = tmp_path / "out"
        detect_folder(image, standard, out, overwrite=True, pictures=False, **settings)
        return [row["category_id"] for row in rows(out)]

    assert found() == [1, 18, 90]
    assert found(min_score=0.7) == [1, 18]
    assert found(max_detections=1) == [1]
    assert found(classes=["Dog", 90]) == [18, 90]
    assert found(classes=["90", "person"], max_detections=1) == [1]
    with pytest.raises(UsageError, match=r"'doog'. Closest: dog"):
        found(classes=["doog"])


def test_a_run_of_bad_images_alone_could_not_run(standard: Detector, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    assert detect_folder(tmp_path / "bad.png", standard, tmp_path / "out").exit_code == 3


def test_a_model_that_fails_on_everything_is_told_of_at_once(
    watched: Detector, tmp_path: Path
) -> None:
    def fail() -> None:
        raise RuntimeError("no kernel image")

    watched.runtime.before = fail
    with pytest.raises(ModelFormatError, match="blank image"):
        detect_folder(fill(tmp_path / "photos", 2), watched, tmp_path / "out")
