"""A folder in, files out: every row, in order, once, whatever happens on the way."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import tfzoo
from tests.helpers import one_stage, standins
from tests.helpers.paths import ROOT
from tfzoo.batch import folder, local, parts
from tfzoo.batch.exports import WRITTEN
from tfzoo.batch.folder import detect_folder
from tfzoo.detections.labels import COCO
from tfzoo.detector import Detector
from tfzoo.errors import ModelFormatError, OutputError, UsageError
from tfzoo.runtimes.runtime import open_runtime
from tfzoo.store.models import StoredModel


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


@pytest.fixture(scope="session")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "standin.onnx"
    return standins.save_yolov5(path, side=64, rows=252)


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return standins.save_standard(tmp_path_factory.mktemp("model") / "standard")


@pytest.fixture(scope="session")
def standard(saved_model: Path) -> Detector:
    return tfzoo.load(saved_model, device="cpu")


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


@pytest.fixture
def watched(onnx_model: Path) -> Detector:
    runtime = Watched(open_runtime("onnx", onnx_model, "cpu"))
    return Detector(StoredModel("standin", onnx_model, "sha256:1"), runtime, COCO)


def rows(out: Path) -> list[dict[str, Any]]:
    return list(json.loads((out / "detections.json").read_text()))


def everything(out: Path) -> list[Any]:
    """All that a run says, as values: what two runs are compared by."""
    tables = [pd.read_parquet(out / "parts" / name) for name in ("detections", "images")]
    texts = [(out / name).read_text() for name in WRITTEN]
    return [*(table.to_dict("records") for table in tables), *texts]


# What is written


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


def test_image_ids_come_from_the_annotation_file(standard: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 3)
    listed = [{"id": 700, "file_name": "2.png"}, {"id": 5, "file_name": "0.png"}]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": listed}))
    summary = detect_folder(images, standard, tmp_path / "out", annotations=truth)
    ids = [image["image_id"] for image in json.loads((tmp_path / "out/images.json").read_text())]
    assert (ids, summary.images, summary.skipped) == ([5, 700], 2, 1)
    assert {row["image_id"] for row in rows(tmp_path / "out")} == {5, 700}


def test_annotations_that_do_not_fit_are_refused(standard: Detector, tmp_path: Path) -> None:
    image = save(tmp_path / "a" / "0.png", scene(0))
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": [{"id": 1, "file_name": "other.png"}]}))
    with pytest.raises(UsageError, match="none of the 1 images found is listed"):
        detect_folder(image, standard, tmp_path / "out", annotations=truth)
    truth.write_text(json.dumps({"images": [{"id": 1, "file_name": "0.png"}]}))
    save(tmp_path / "b" / "0.png", scene(0))
    with pytest.raises(UsageError, match="both image 1"):
        folders = [tmp_path / "a", tmp_path / "b"]
        detect_folder(folders, standard, tmp_path / "out", annotations=truth)
    truth.write_text("{}")
    with pytest.raises(UsageError, match="expected COCO's JSON"):
        detect_folder(image, standard, tmp_path / "out", annotations=truth)


def test_an_image_that_can_t_be_prepared_is_a_row_and_the_run_goes_on(
    standard: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = fill(tmp_path / "photos", 4)
    prepare = tfzoo.detector.prepare
    calls = iter(range(100))

    def fails_once(*given: Any) -> Any:
        if next(calls) == 3:  # The blank image comes first.
            raise MemoryError("no room for this one")
        return prepare(*given)

    monkeypatch.setattr("tfzoo.detector.prepare", fails_once)
    summary = detect_folder(images, standard, tmp_path / "out", pictures=False)
    assert (summary.images, summary.failed) == (4, 1)
    assert "no room for this one" in (tmp_path / "out" / "errors.jsonl").read_text()


# In order, bounded, on several devices


def test_batches_give_the_rows_of_single_images_and_a_bad_one_stops_no_other(
    tmp_path: Path,
) -> None:
    folder = fill(tmp_path / "photos", 11)
    (folder / "5.png").write_bytes(b"no image")
    detector = tfzoo.load(one_stage.save(tmp_path / "model"), runtime="frozen")
    assert detector.takes_batches
    sizes = []
    run = detector.runtime.run
    detector.runtime.run = lambda *inputs: sizes.append(len(inputs[0])) or run(*inputs)
    for name, batch in (("one", 1), ("four", 4)):
        summary = detect_folder(folder, detector, tmp_path / name, batch=batch, pictures=False)
        assert (summary.images, summary.failed) == (11, 1)
    # A blank image is tried first; the group with the bad image is one short.
    assert sorted(sizes[12:]) == [3, 3, 4]
    one, four = rows(tmp_path / "one"), rows(tmp_path / "four")
    assert len(one) == len(four) > 50
    for got, expected in zip(four, one, strict=True):
        assert got["image_id"] == expected["image_id"]
        assert got["score"] == pytest.approx(expected["score"], abs=1e-5)
        assert got["bbox"] == pytest.approx(expected["bbox"], abs=0.01)
    with pytest.raises(UsageError, match="batch: was 4, now 1"):
        detect_folder(folder, detector, tmp_path / "four", pictures=False, resume=True)


def test_results_keep_the_folders_order_whatever_the_workers_timing(
    saved_model: Path, standard: Detector, tmp_path: Path
) -> None:
    images = fill(tmp_path / "photos", 40)
    detect_folder(images, standard, tmp_path / "one", pictures=False)
    before = {thread.name for thread in threading.enumerate()}
    summary = detect_folder(images, saved_model, tmp_path / "three", device="cpu,cpu,cpu")
    assert summary.device == "cpu, cpu, cpu"
    assert everything(tmp_path / "three") == everything(tmp_path / "one")
    assert {thread.name for thread in threading.enumerate()} <= before


def test_images_are_read_ahead_by_a_bounded_number(
    watched: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = save(tmp_path / "photo.png", scene(0))
    for i in range(200):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / f"{i}.png").symlink_to(image)
    read = 0
    ahead = []
    inner = local.read

    def counted(*arguments: Any) -> Any:
        nonlocal read
        read += 1
        ahead.append(read - watched.runtime.runs)
        return inner(*arguments)

    monkeypatch.setattr(local, "read", counted)
    watched.runtime.before = lambda: time.sleep(0.001)
    detect_folder(tmp_path / "photos", watched, tmp_path / "out", pictures=False)
    assert 1 < max(ahead) <= 16


# What fails


def test_one_bad_image_is_a_row_of_its_own_and_the_run_goes_on(
    standard: Detector, tmp_path: Path
) -> None:
    images = fill(tmp_path / "photos", 3)
    (images / "1.png").write_bytes(b"no image at all")
    summary = detect_folder(images, standard, tmp_path / "out")
    (error,) = map(json.loads, (tmp_path / "out/errors.jsonl").read_text().splitlines())
    assert error["path"] == str(images / "1.png")
    assert "not an image that can be read" in error["error"]
    assert (summary.images, summary.failed, summary.exit_code) == (3, 1, 1)
    assert {row["image_id"] for row in rows(tmp_path / "out")} == {1, 3}
    table = pd.read_parquet(tmp_path / "out/parts/images")
    assert list(table["error"].isna()) == [True, False, True]


def test_a_run_of_bad_images_alone_could_not_run(standard: Detector, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    assert detect_folder(tmp_path / "bad.png", standard, tmp_path / "out").exit_code == 3


def test_an_image_that_the_model_fails_on_spoils_no_other(
    watched: Detector, tmp_path: Path
) -> None:
    inner = watched.runtime._inner.run

    def fail_on_bright(image: NDArray[Any]) -> Any:
        if image.max() == 1:
            raise RuntimeError("output dimensions must be positive")
        return inner(image)

    watched.runtime._inner.run = fail_on_bright
    images = fill(tmp_path / "photos", 6)
    save(images / "3.png", np.full((50, 50, 3), 255, np.uint8))
    summary = detect_folder(images, watched, tmp_path / "out")
    assert (summary.images, summary.failed) == (6, 1)
    assert '/3.png"' in (tmp_path / "out/errors.jsonl").read_text()


def test_a_model_that_fails_on_everything_is_told_of_at_once(
    watched: Detector, tmp_path: Path
) -> None:
    def fail() -> None:
        raise RuntimeError("no kernel image")

    watched.runtime.before = fail
    with pytest.raises(ModelFormatError, match="blank image"):
        detect_folder(fill(tmp_path / "photos", 2), watched, tmp_path / "out")


def test_an_image_that_vanishes_is_an_error_of_its_own(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 40)
    watched.runtime.before = lambda: (images / "9.png").unlink(missing_ok=True)
    summary = detect_folder(images, watched, tmp_path / "out", pictures=False)
    assert (summary.images, summary.failed) == (40, 1)
    assert "No such file" in (tmp_path / "out/errors.jsonl").read_text()


def test_names_that_are_not_utf8_are_stored_escaped(standard: Detector, tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.png", scene(1))
    (tmp_path / "photos").mkdir()
    os.link(photo, os.fsencode(tmp_path / "photos") + b"/caf\xe9.png")
    detect_folder(tmp_path / "photos", standard, tmp_path / "out")
    (image,) = json.loads((tmp_path / "out" / "images.json").read_text())
    assert image["file_name"] == r"caf\xe9.png"
    assert (tmp_path / "out" / "annotated" / r"caf\xe9.png").exists()


def test_nothing_found_is_told_before_anything_is_made(standard: Detector, tmp_path: Path) -> None:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"no image found.*--recursive"):
        detect_folder(tmp_path / "photos", standard, tmp_path / "out")
    with pytest.raises(UsageError, match="does not exist"):
        detect_folder(tmp_path / "nowhere", standard, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("min_score", 1.5), ("max_detections", 0), ("max_pixels", 0)],
)
def test_settings_without_sense_are_refused(
    standard: Detector, tmp_path: Path, setting: str, value: float
) -> None:
    with pytest.raises(UsageError, match=setting):
        detect_folder(tmp_path, standard, tmp_path / "out", **{setting: value})  # type: ignore[arg-type]


# Another run in the way


def test_a_folder_that_holds_a_run_is_not_written_over(standard: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 2)
    out = tmp_path / "out"
    detect_folder(images, standard, out)
    before = everything(out)
    with pytest.raises(UsageError, match=r"--resume[\s\S]*--overwrite[\s\S]*--out"):
        detect_folder(images, standard, out)
    assert everything(out) == before
    (out / "notes.txt").write_text("mine")
    detect_folder(images / "0.png", standard, out, overwrite=True)
    assert [path.name for path in (out / "annotated").iterdir()] == ["0.png"]
    assert (out / "notes.txt").read_text() == "mine"


def test_parts_without_a_journal_are_not_taken_for_this_runs(
    standard: Detector, tmp_path: Path
) -> None:
    images = fill(tmp_path / "photos", 2)
    detect_folder(images, standard, tmp_path / "out")
    (tmp_path / "out" / "run.json").unlink()
    with pytest.raises(UsageError, match=r"no run\.json"):
        detect_folder(images, standard, tmp_path / "out", resume=True)


def test_two_runs_do_not_write_into_one_folder(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 2)
    told = []

    def intrude(done: int, total: int | None) -> None:
        if not told:
            with pytest.raises(OutputError, match="another run is writing") as raised:
                detect_folder(images, watched, tmp_path / "out", resume=True)
            told.append(raised)

    detect_folder(images, watched, tmp_path / "out", on_progress=intrude)
    assert told


# Stopped and resumed


def stop_after(images: int) -> Any:
    def stop(done: int, total: int | None) -> None:
        if done >= images:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("stops", [[3], [0, 1, 2], [4, 8, 11], [5, 9]])
def test_a_stopped_run_goes_on_and_detects_nothing_twice(
    watched: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: list[int]
) -> None:
    monkeypatch.setattr(folder, "PART_IMAGES", 4)
    images = fill(tmp_path / "photos", 11)
    detect_folder(images, watched, tmp_path / "whole")
    out = tmp_path / "out"
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            detect_folder(images, watched, out, resume=True, on_progress=stop_after(stop))
        kept = sum(part.images for part in parts_of(out).sealed().values())
        assert kept == stop
    before = watched.runtime.runs
    summary = detect_folder(images, watched, out, resume=True)
    assert everything(out) == everything(tmp_path / "whole")
    assert summary.resumed == stops[-1]
    assert watched.runtime.runs - before == 1 + 11 - stops[-1]  # The blank image is one.


def parts_of(out: Path) -> parts.Parts:
    return parts.Parts(out / "parts", 4, parts.Columns())


def test_resuming_a_finished_run_changes_nothing(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 5)
    detect_folder(images, watched, tmp_path / "out")
    before = everything(tmp_path / "out")
    summary = detect_folder(images, watched, tmp_path / "out", resume=True)
    assert (summary.images, summary.resumed, summary.images_per_s) == (5, 5, 0)
    assert everything(tmp_path / "out") == before


def test_a_run_resumed_goes_by_the_inputs_it_began_with(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 5)
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, tmp_path / "out", on_progress=stop_after(2))
    save(images / "00.png", scene(0))
    assert detect_folder(images, watched, tmp_path / "out", resume=True).images == 5


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


def test_a_lost_list_of_inputs_is_told_of(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 3)
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, tmp_path / "out", on_progress=stop_after(1))
    (tmp_path / "out" / "inputs.parquet").unlink()
    with pytest.raises(OutputError, match="list of inputs, can't be read"):
        detect_folder(images, watched, tmp_path / "out", resume=True)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"min_score": 0.5}, "min_score: was 0.3, now 0.5"),
        ({"classes": ["dog"]}, r"classes: was null, now \[18\]"),
        ({"max_detections": 3}, "max_detections"),
        ({"recursive": True}, "recursive"),
        ({"pictures": False}, "pictures"),
    ],
)
def test_a_changed_setting_is_refused(
    watched: Detector, tmp_path: Path, changed: dict[str, Any], named: str
) -> None:
    images = fill(tmp_path / "photos", 2)
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, tmp_path / "out", on_progress=stop_after(1))
    with pytest.raises(UsageError, match=named):
        detect_folder(images, watched, tmp_path / "out", resume=True, **changed)


def test_a_changed_model_or_source_is_refused(
    watched: Detector, standard: Detector, tmp_path: Path
) -> None:
    images = fill(tmp_path / "photos", 2)
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, tmp_path / "out", on_progress=stop_after(1))
    with pytest.raises(UsageError, match=r"model: was[\s\S]*runtime: was \"onnx"):
        detect_folder(images, standard, tmp_path / "out", resume=True)
    watched.model = StoredModel("standin", watched.model.path, "sha256:2")
    with pytest.raises(UsageError, match='digest: was "sha256:1", now "sha256:2"'):
        detect_folder(images, watched, tmp_path / "out", resume=True)
    watched.model = StoredModel("standin", watched.model.path, "sha256:1")
    with pytest.raises(UsageError, match="sources: was"):
        detect_folder(images / "1.png", watched, tmp_path / "out", resume=True)


KILLED = """
import sys
from pathlib import Path
from tfzoo.batch import folder
from tfzoo.batch.exports import WRITTEN
from tfzoo.detector import Detector
from tfzoo.batch import local
from tfzoo.detections.labels import COCO
from tfzoo.runtimes.runtime import open_runtime
from tfzoo.store.models import StoredModel

model, images, out = map(Path, sys.argv[1:])
folder.PART_IMAGES = 16
local.CHECKPOINT_S = 0.02
detector = Detector(StoredModel("standin", model, ""), open_runtime("onnx", model, "cpu"), COCO)
print("ready", flush=True)
folder.detect_folder(images, detector, out, resume=True, pictures=False)
"""


def test_a_run_killed_at_any_moment_ends_with_the_same_rows(
    onnx_model: Path, tmp_path: Path
) -> None:
    trials = int(os.environ.get("TRIALS", "5"))
    data = os.environ.get("TFZOO_TEST_DATA")
    images = Path(data, "coco_val_mini", "images") if data else fill(tmp_path / "photos", 79)
    draw = random.Random(9)

    def start(out: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", KILLED, str(onnx_model), str(images), str(out)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        return run

    whole = tmp_path / "whole"
    began = time.monotonic()
    assert start(whole).wait() == 0
    taken = time.monotonic() - began
    killed_at = []
    for trial in range(trials):
        out = tmp_path / f"out{trial}"
        run = start(out)
        time.sleep(draw.random() * taken)
        run.kill()
        if run.wait() != 0:
            written = parts.Parts(out / "parts", 16, parts.Columns())
            killed_at.append(sum(part.images for part in written.sealed().values()))
        assert start(out).wait() == 0
        assert everything(out) == everything(whole)
        assert not list(out.rglob("*.tmp"))
    assert killed_at, "no run was killed before its end"


# Where nothing can be written


DENIED = """
import sys
from pathlib import Path
from tfzoo.errors import OutputError
from tfzoo.batch.exports import WRITTEN
from tfzoo.batch.folder import detect_folder
try:
    Path(sys.argv[1], "probe").touch()
except OSError as error:
    print("denied:", error.strerror)
try:
    detect_folder(sys.argv[2], "anything", Path(sys.argv[1]) / "out")
except OutputError as error:
    print(error)
"""


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A disk of 160 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no disk can be mounted here: needs root with the right to mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_an_unwritable_output_folder_is_told_of(mounted: Path, tmp_path: Path) -> None:
    # Root may write into any folder, but on no disk that is mounted read-only.
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    image = save(tmp_path / "photo.png", scene(0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DENIED, str(mounted), str(image)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    denial, message = run.stdout.splitlines()
    assert denial == "denied: Read-only file system"
    assert message.endswith("can't be written: Read-only file system. Choose another with --out")


def test_a_full_disk_ends_the_run_and_leaves_what_was_written_valid(
    watched: Detector, tmp_path: Path, mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PART_IMAGES", 4)
    images = fill(tmp_path / "photos", 100)
    out = mounted / "out"
    with pytest.raises(OutputError, match=r"can't be written: No space left.*--resume"):
        detect_folder(images, watched, out, pictures=False)
    kept = sum(part.images for part in parts_of(out).sealed().values())
    assert 0 < kept < 100
    assert not list(out.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=20m", str(mounted)], check=True)
    assert detect_folder(images, watched, out, pictures=False, resume=True).resumed == kept
    detect_folder(images, watched, tmp_path / "whole", pictures=False)
    assert everything(out) == everything(tmp_path / "whole")


def test_a_disk_that_is_full_at_the_end_leaves_the_parts(
    watched: Detector, tmp_path: Path, mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = fill(tmp_path / "photos", 10)
    detect_folder(images, watched, tmp_path / "whole", pictures=False)
    filler = mounted / "filler"
    export = folder.export

    def export_to_a_full_disk(*arguments: Any) -> Any:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"0" * 4096)
        return export(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(folder, "export", export_to_a_full_disk)
        with pytest.raises(OutputError, match="can't be written: No space left"):
            detect_folder(images, watched, mounted / "out", pictures=False)
    assert not list(mounted.rglob("*.tmp"))
    filler.unlink()
    resumed = detect_folder(images, watched, mounted / "out", pictures=False, resume=True).resumed
    assert resumed == 10
    assert everything(mounted / "out") == everything(tmp_path / "whole")


def test_an_output_folder_that_is_a_file_is_told_of(standard: Detector, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        detect_folder(fill(tmp_path / "photos", 1), standard, tmp_path / "out")
