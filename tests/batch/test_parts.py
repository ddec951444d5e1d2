"""The parts of a run: what is lost or damaged among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.folders import everything, fill, parts_of
from tfzoo.batch import folder
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.parts import Columns
from tfzoo.detector import Detector
from tfzoo.errors import OutputError


def test_a_part_lost_in_the_middle_is_detected_again(
    watched: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PART_IMAGES", 4)
    images = fill(tmp_path / "photos", 14)
    out = tmp_path / "out"
    detect_folder(images, watched, out)
    before = everything(out)
    parts_of(out).path("images", 1).unlink()
    assert detect_folder(images, watched, out, resume=True).resumed == 10
    assert everything(out) == before


def test_a_damaged_part_is_named_with_what_to_do(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 3)
    detect_folder(images, watched, tmp_path / "out")
    part = tmp_path / "out/parts/images/part-000000.parquet"
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(OutputError, match="Delete it and go on with --resume"):
        detect_folder(images, watched, tmp_path / "out", resume=True)


@pytest.mark.parametrize(
    ("more", "of_detections", "of_images"),
    [
        ({}, [], []),
        ({"keypoints": True}, ["keypoints"], []),
        ({"masks": True}, ["segmentation"], []),
        ({"video": True}, ["frame", "timestamp_s"], ["frame", "timestamp_s"]),
    ],
    ids=["none", "keypoints", "masks", "video"],
)
def test_columns_are_those_of_every_run_and_what_was_asked_for(
    more: dict[str, bool], of_detections: list[str], of_images: list[str]
) -> None:
    always = ["image_id", "file_name", "category_id", "category", "score", "x0", "y0", "x1", "y1"]
    columns = Columns(**more)
    assert columns.detections().names == always + of_detections
    optional = {"frame", "timestamp_s", "keypoints", "segmentation"}
    assert [name for name in columns.images().names if name in optional] == of_images
