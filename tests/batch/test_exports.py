"""The files that people open hold what was found, and are documented."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

import tfzoo
from tests.helpers import standins
from tests.helpers.folders import fill, rows, save, scene
from tests.helpers.paths import ROOT
from tfzoo.batch import parts
from tfzoo.batch.folder import detect_folder
from tfzoo.detector import Detector
from tfzoo.outside import STEERING, from_csv, shown


def test_the_files_hold_what_the_detector_finds(standard: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 7)
    out = tmp_path / "out"
    summary = detect_folder(images, standard, out)
    expected = [
        row
        for i in range(7)
        for row in standard(images / f"{i}.png").above(0.3).to_coco(image_id=i + 1)
    ]
    assert rows(out) == expected
    assert (summary.images, summary.failed, summary.detections) == (7, 0, len(expected))
    assert summary.categories == {"person": 7, "dog": 4}
    assert summary.exit_code == 0
    shapes = [scene(i).shape for i in range(7)]
    assert json.loads((out / "images.json").read_text()) == [
        {"image_id": i + 1, "file_name": f"{i}.png", "width": shape[1], "height": shape[0]}
        for i, shape in enumerate(shapes)
    ]
    parquet = pd.read_parquet(out / "parts" / "detections")
    pd.testing.assert_frame_equal(
        pd.read_csv(out / "detections.csv").astype(parquet.dtypes), parquet, rtol=1e-6
    )
    assert list(parquet.columns) == [
        "image_id", "file_name", "category_id", "category", "score", "x0", "y0", "x1", "y1",
    ]  # fmt: skip
    assert (out / "errors.jsonl").read_text() == ""
    drawn = cv2.imread(str(out / "annotated" / "1.png"))
    assert drawn.shape == shapes[1]
    assert (drawn[:, :, ::-1] != scene(1)).any()


def test_a_folder_without_detections_gives_empty_lists(standard: Detector, tmp_path: Path) -> None:
    save(tmp_path / "photos" / "black.png", np.zeros((40, 50, 3), np.uint8))
    summary = detect_folder(tmp_path / "photos", standard, tmp_path / "out")
    assert (summary.images, summary.detections, summary.categories) == (1, 0, {})
    assert rows(tmp_path / "out") == []
    assert len(json.loads((tmp_path / "out" / "images.json").read_text())) == 1


def test_keypoint_models_write_keypoints(tmp_path: Path) -> None:
    model = standins.save_centernet_keypoints(tmp_path / "model")
    save(tmp_path / "photo.png", scene(1))
    out = tmp_path / "out"
    detector = tfzoo.load(model, device="cpu")
    detect_folder(tmp_path / "photo.png", detector, out)
    expected = detector(tmp_path / "photo.png").above(0.3).to_coco(1)
    assert rows(out) == expected
    assert {row["category_id"]: len(row.get("keypoints", [])) for row in expected} == {1: 51, 18: 0}
    parquet = pd.read_parquet(out / "parts" / "detections")
    assert list(parquet.columns)[-1] == "keypoints"
    assert sum(parquet["keypoints"].isna()) == 1
    assert "keypoints" not in pd.read_csv(out / "detections.csv").columns


def test_mask_models_write_run_lengths(tmp_path: Path) -> None:
    from pycocotools import mask

    model = standins.save_mask_rcnn(tmp_path / "model")
    save(tmp_path / "photo.png", scene(1))
    detector = tfzoo.load(model, device="cpu")
    detect_folder(tmp_path / "photo.png", detector, tmp_path / "out")
    expected = detector(tmp_path / "photo.png").above(0.3)
    for i, row in enumerate(rows(tmp_path / "out")):
        assert (mask.decode(row["segmentation"]) == expected.mask(i)).all()
    assert list(pd.read_parquet(tmp_path / "out/parts/detections").columns)[-1] == "segmentation"


def test_every_column_and_file_is_documented(standard: Detector, tmp_path: Path) -> None:
    documented = (ROOT / "docs" / "file_formats.md").read_text()
    columns = parts.Columns(keypoints=True, masks=True, video=True)
    for schema in (columns.detections(), columns.images()):
        for column in schema:
            assert f"| `{column.name}` | {column.type} |" in documented
    detect_folder(save(tmp_path / "a.png", scene(0)), standard, tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        assert f"`{path.name}`" in documented or f"`{path.name}/`" in documented


def test_names_that_are_not_utf8_are_stored_escaped(standard: Detector, tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.png", scene(1))
    (tmp_path / "photos").mkdir()
    os.link(photo, os.fsencode(tmp_path / "photos") + b"/caf\xe9.png")
    detect_folder(tmp_path / "photos", standard, tmp_path / "out")
    (image,) = json.loads((tmp_path / "out" / "images.json").read_text())
    assert image["file_name"] == r"caf\xe9.png"
    assert (tmp_path / "out" / "annotated" / r"caf\xe9.png").exists()


def test_what_a_spreadsheet_or_a_terminal_would_run_is_no_more_than_text_in_csv(
    watched: Detector, tmp_path: Path
) -> None:
    names = ["=1+1.png", "-x.png", "a\x1b[31m.png", "gpj.\u202epng.png", "plain.png"]
    for name in names:
        save(tmp_path / "photos" / "0.png", scene(1)).rename(tmp_path / "photos" / name)
    labels = {1: "=cmd|' /C calc'!A0", 18: "@SUM(1)\x07"}
    detector = Detector(watched.model, watched.runtime, labels)
    detect_folder(tmp_path / "photos", detector, tmp_path / "out")
    text = (tmp_path / "out" / "detections.csv").read_text(encoding="utf-8")
    assert re.findall(STEERING, text) == []
    table = list(csv.DictReader(io.StringIO(text)))
    rows = pd.read_parquet(tmp_path / "out" / "parts" / "detections")
    assert {from_csv(row["category"]) for row in table} == {"=cmd|' /C calc'!A0", r"@SUM(1)\x07"}
    assert {from_csv(row["file_name"]) for row in table} == {shown(name) for name in names}
    assert not [cell for row in table for cell in row.values() if cell[0] in "=+@"]
    assert set(rows["file_name"]) == set(names) and set(rows["category"]) == set(labels.values())
    images = (tmp_path / "out" / "images.json").read_text(encoding="utf-8")
    assert re.findall(STEERING, images) == []
    assert {image["file_name"] for image in json.loads(images)} == set(names)
