"""What was found, cut out: the pixels of its box, under a name that says what and whose it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from tests.helpers.films import film
from tests.helpers.folders import fill, rows, save, scene, stop_after
from tfzoo.batch.crops import crop_box, is_crop_of
from tfzoo.batch.folder import detect_folder
from tfzoo.detector import Detector


@pytest.mark.parametrize(
    ("box", "padding", "expected"),
    [
        ((10, 20, 30, 60), 0, (10, 20, 30, 60)),
        ((10.4, 20.6, 29.5, 59.1), 0, (10, 20, 30, 60)),
        ((10, 20, 30, 60), 0.1, (8, 16, 32, 64)),
        ((10, 20, 30, 60), 5, (0, 0, 100, 80)),
        ((-5, -5, 200, 200), 0, (0, 0, 100, 80)),
        ((99.5, 79.5, 300, 300), 0, (99, 79, 100, 80)),
        ((10, 20, 10, 60), 0, None),
        ((10, 20, 30, 20), 1, None),
        ((30, 20, 10, 60), 1, None),
        ((100, 20, 120, 60), 1, None),
        ((-20, 20, 0, 60), 1, None),
        ((float("nan"), 0, 5, 5), 0, None),
        ((0, 0, float("inf"), 5), 0, None),
    ],
)
def test_a_crop_is_of_the_pixels_that_its_box_covers(
    box: Any, padding: float, expected: Any
) -> None:
    assert crop_box(box, (80, 100), padding) == expected


def crops_in(out: Path) -> dict[str, Path]:
    found = (out / "crops").rglob("*")
    return {path.relative_to(out / "crops").as_posix(): path for path in found if path.is_file()}


def test_each_detection_is_cut_out_of_its_image(watched: Detector, tmp_path: Path) -> None:
    images, out = tmp_path / "photos", tmp_path / "out"
    for i in range(3):
        save(images / "a" / f"{i}.png", scene(i))
    detect_folder(images, watched, out, recursive=True, crops=True, pictures=False)
    names = json.loads((out / "images.json").read_text())
    expected = {}
    for image in names:
        of_one = [row for row in rows(out) if row["image_id"] == image["image_id"]]
        for number, row in enumerate(of_one, 1):
            category = {1: "person", 18: "dog"}[row["category_id"]]
            stem = image["file_name"].removesuffix(".png")
            expected[f"{category}/{stem}_{row['score']:.2f}_{number}.jpg"] = (image, row["bbox"])
    found = crops_in(out)
    assert found.keys() == expected.keys() and len(found) == 6
    for name, (image, (x, y, width, height)) in expected.items():
        crop = np.asarray(PIL.Image.open(found[name]))
        whole = scene(image["image_id"] - 1)
        x0, y0 = int(np.floor(x)), int(np.floor(y))
        x1, y1 = int(np.ceil(x + width)), int(np.ceil(y + height))
        assert np.abs(crop.astype(int) - whole[y0:y1, x0:x1]).mean() < 8  # JPEG's loss.


def test_padding_is_a_share_of_the_box(watched: Detector, tmp_path: Path) -> None:
    image = save(tmp_path / "x.png", scene(3))
    sizes = []
    for padding in (0, 0.5):
        options = {"crops": True, "crop_padding": padding, "pictures": False, "overwrite": True}
        detect_folder(image, watched, tmp_path / "out", **options)
        (path,) = crops_in(tmp_path / "out").values()
        sizes.append(PIL.Image.open(path).size)
    (row,) = rows(tmp_path / "out")
    x, y, width, height = row["bbox"]
    left, top = min(x, width / 2), min(y, height / 2)
    assert sizes[1] == pytest.approx((left + 1.5 * width, top + 1.5 * height), abs=2)
    assert sizes[0] == pytest.approx((width, height), abs=2)


def test_boxes_that_cover_no_pixel_are_counted_and_left_out(
    watched: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = Detector.detect_prepared

    def flat(self: Detector, *given: Any) -> Any:
        found = inner(self, *given)
        for one in found:
            one.boxes[:1, 2] = one.boxes[:1, 0]
        return [replace(one) for one in found]

    monkeypatch.setattr(Detector, "detect_prepared", flat)
    images = fill(tmp_path / "photos", 3)
    summary = detect_folder(images, watched, tmp_path / "out", crops=True)
    assert (summary.failed, summary.without_crop) == (0, 3)
    assert len(crops_in(tmp_path / "out")) == summary.detections - 3 == 3


def test_frames_have_crops_and_categories_of_any_name_a_folder(
    watched: Detector, tmp_path: Path
) -> None:
    detector = Detector(watched.model, watched.runtime, {1: "../a/b", 18: "dog"})
    out = tmp_path / "out"
    detect_folder(film(tmp_path / "clip.mp4", 3), detector, out, crops=True, pictures=False)
    found = crops_in(out)
    assert {Path(name).parts[1] for name in found} == {"clip.mp4"}
    assert {Path(name).name[:12] for name in found} <= {f"frame_{i:06}" for i in range(3)}
    assert len(found) >= 3 and len({Path(name).parts[0] for name in found}) == 1


def test_crops_go_with_their_run_and_others_files_stay(watched: Detector, tmp_path: Path) -> None:
    images, out = fill(tmp_path / "photos", 3), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, out, crops=True, on_progress=stop_after(1))
    detect_folder(images, watched, out, crops=True, resume=True)
    found = crops_in(out)
    assert len(found) == 6
    run = json.loads((out / "run.json").read_text())["run"]
    assert all(is_crop_of(path, run) for path in found.values())
    assert not any(is_crop_of(path, "0123456789ab") for path in found.values())
    mine = out / "crops" / "person" / "mine.jpg"
    PIL.Image.new("RGB", (4, 4)).save(mine)
    detect_folder(images, watched, out, overwrite=True, pictures=False)
    assert list(crops_in(out).values()) == [mine]


def test_a_file_of_somebodys_is_no_crop_that_is_replaced(watched: Detector, tmp_path: Path) -> None:
    images, out = fill(tmp_path / "photos", 2), tmp_path / "out"
    detect_folder(images, watched, tmp_path / "first", crops=True)
    taken = next(name for name in crops_in(tmp_path / "first") if "/1_" in name)
    (out / "crops" / taken).parent.mkdir(parents=True)
    (out / "crops" / taken).write_text("mine")
    summary = detect_folder(images, watched, out, crops=True)
    assert (summary.failed, summary.detections) == (1, 3)
    assert "detected, but it can't be cut out" in (out / "errors.jsonl").read_text()
    assert (out / "crops" / taken).read_text() == "mine"


def test_crops_of_an_earlier_run_are_no_images(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 2)
    detect_folder(images, watched, images / "first", crops=True)
    summary = detect_folder(images, watched, tmp_path / "out", recursive=True)
    assert summary.images == 2
