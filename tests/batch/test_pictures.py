"""Annotated pictures of a run."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.folders import save, scene
from tfzoo.batch.folder import detect_folder
from tfzoo.detector import Detector


def test_two_files_of_one_name_both_survive(standard: Detector, tmp_path: Path) -> None:
    save(tmp_path / "photos" / "a" / "x.png", scene(1))
    save(tmp_path / "photos" / "b" / "x.png", scene(2))
    detect_folder(tmp_path / "photos", standard, tmp_path / "one", recursive=True)
    names = ["a/x.png", "b/x.png"]
    images = json.loads((tmp_path / "one" / "images.json").read_text())
    assert [image["file_name"] for image in images] == names
    assert all((tmp_path / "one" / "annotated" / name).exists() for name in names)
    both = [tmp_path / "photos" / "a", tmp_path / "photos" / "b" / "x.png"]
    summary = detect_folder(both, standard, tmp_path / "two")
    assert len(list((tmp_path / "two" / "annotated").rglob("x.png"))) == summary.images == 2
