"""Results in the formats of others, as readers that are not ours read them."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import supervision as sv
import yaml
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO as CocoFile

import tfzoo
from tests.helpers import standins
from tests.helpers.films import FRAMES, film
from tests.helpers.folders import fill, rows, save, scene, stop_after
from tests.helpers.paths import ROOT
from tfzoo.batch import datasets, folder
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.formats import FORMATS
from tfzoo.detections.labels import COCO
from tfzoo.detector import Detector
from tfzoo.errors import UsageError

ALL = tuple(FORMATS)


@pytest.fixture(scope="module")
def run(onnx_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in every format over seven pictures, one of them black, and a file that is damaged."""
    place = tmp_path_factory.mktemp("formats")
    images = fill(place / "photos", 6)
    save(images / "black.png", np.zeros((40, 50, 3), np.uint8))
    (place / "broken.png").write_bytes(b"")
    detector = tfzoo.load(onnx_model, device="cpu", runtime="onnx")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(folder, "PART_IMAGES", 3)
        sources = [*sorted(images.iterdir()), place / "broken.png"]
        summary = detect_folder(sources, detector, place / "out", formats=ALL)
    assert (summary.images, summary.failed, summary.formats) == (8, 1, ALL)
    return place / "out"


@pytest.fixture
def boxes(run: Path) -> dict[str, list[tuple[str, list[float], float]]]:
    """What the run found, by the name of the image: category, box and score."""
    found: dict[str, Any] = {f"{i}.png": [] for i in range(6)} | {"black.png": []}
    for row in pd.read_parquet(run / "parts" / "detections").to_dict("records"):
        box = [row[name] for name in ("x0", "y0", "x1", "y1")]
        found[Path(row["file_name"]).name].append((row["category"], box, row["score"]))
    assert sum(map(len, found.values())) > 8
    return found


def test_coco_is_a_dataset(run: Path, boxes: dict[str, Any]) -> None:
    whole = CocoFile(str(run / "coco.json"))
    names = {image["file_name"]: image for image in whole.loadImgs(whole.getImgIds())}
    assert names.keys() == {f"photos/{name}" for name in boxes}
    assert sorted(whole.getAnnIds()) == list(range(1, sum(map(len, boxes.values())) + 1))
    categories = whole.loadCats(whole.getCatIds())
    assert {c["id"]: c["name"] for c in categories} == dict(COCO)
    assert all(c["supercategory"] == "" for c in categories)
    for name, expected in boxes.items():
        image = names[f"photos/{name}"]
        if name != "black.png":
            shape = scene(int(Path(name).stem)).shape
            assert (image["height"], image["width"]) == shape[:2]
        found = whole.loadAnns(whole.getAnnIds(imgIds=image["id"]))
        assert len(found) == len(expected)
        for one, (category, (x0, y0, x1, y1), score) in zip(found, expected, strict=True):
            assert COCO[one["category_id"]] == category
            assert one["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0], abs=1e-3)
            assert one["area"] == pytest.approx((x1 - x0) * (y1 - y0), rel=1e-5)
            assert (one["iscrowd"], one["segmentation"]) == (0, [])
            assert one["score"] == pytest.approx(score)
    assert len(whole.loadRes(rows(run)).getAnnIds()) == len(whole.getAnnIds())
    data = json.loads((run / "coco.json").read_text())
    assert list(data) == ["info", "categories", "images", "annotations"]


def _dataset(loaded: Any, boxes: dict[str, Any], pixels: float) -> None:
    """Holds what supervision reads to what was found."""
    seen = set()
    for path, _, found in loaded:
        expected = boxes[Path(path).name]
        seen.add(Path(path).name)
        assert [loaded.classes[i] for i in found.class_id] == [one[0] for one in expected]
        if expected:
            assert found.xyxy == pytest.approx(np.array([one[1] for one in expected]), abs=pixels)
    assert seen == set(boxes)


def test_yolo_is_a_dataset(run: Path, boxes: dict[str, Any]) -> None:
    labels = run / "yolo" / "labels" / "photos"
    about = run / "yolo" / "data.yaml"
    images = run.parent / "photos"
    loaded = sv.DetectionDataset.from_yolo(str(images), str(labels), str(about))
    assert loaded.classes == list(COCO.values())
    _dataset(loaded, boxes, 0.01)
    assert (labels / "black.txt").read_text() == ""
    assert {path.stem for path in labels.iterdir()} == {Path(name).stem for name in boxes}
    data = yaml.safe_load(about.read_text())
    assert data["nc"] == len(data["names"]) == 80 and data["names"][0] == "person"
    for line in (labels / "1.txt").read_text().splitlines():
        number, *places = line.split(" ")
        assert number.isdecimal() and len(places) == 4
        assert all(len(place.partition(".")[2]) >= 6 and 0 <= float(place) <= 1 for place in places)


def test_voc_is_a_dataset(run: Path, boxes: dict[str, Any]) -> None:
    labels = run / "voc" / "Annotations" / "photos"
    loaded = sv.DetectionDataset.from_pascal_voc(str(run.parent / "photos"), str(labels))
    _dataset(loaded, boxes, 0.5001)
    root = ET.parse(labels / "2.xml").getroot()
    assert (root.findtext("folder"), root.findtext("filename")) == ("photos", "2.png")
    size = [int(root.findtext(f"size/{name}") or 0) for name in ("height", "width", "depth")]
    assert size == list(scene(2).shape)
    for box in root.iter("bndbox"):
        assert [one.tag for one in box] == ["xmin", "ymin", "xmax", "ymax"]
        assert min(int(one.text or 0) for one in box) >= 1


def test_labelme_opens_the_images(run: Path, boxes: dict[str, Any]) -> None:
    for name, expected in boxes.items():
        path = run / "labelme" / "photos" / f"{Path(name).stem}.json"
        data = json.loads(path.read_text())
        assert data.keys() == {
            "version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth",
        }  # fmt: skip
        assert (path.parent / data["imagePath"]).resolve() == (run.parent / "photos" / name)
        height, width = tfzoo.read_image(path.parent / data["imagePath"]).shape[:2]
        assert (data["imageHeight"], data["imageWidth"], data["imageData"]) == (height, width, None)
        for shape, (category, box, _) in zip(data["shapes"], expected, strict=True):
            assert (shape["label"], shape["shape_type"]) == (category, "rectangle")
            assert np.ravel(shape["points"]) == pytest.approx(box)
            assert (shape["group_id"], shape["flags"]) == (None, {})


def test_parquet_is_the_parts_as_one_file(run: Path) -> None:
    parts = pd.read_parquet(run / "parts" / "detections")
    pd.testing.assert_frame_equal(pd.read_parquet(run / "detections.parquet"), parts)
    csv = pd.read_csv(run / "detections.csv").astype(parts.dtypes)
    pd.testing.assert_frame_equal(csv, parts, rtol=1e-6)


def test_counts_are_a_row_an_image(run: Path, boxes: dict[str, Any]) -> None:
    table = pd.read_csv(run / "counts.csv")
    assert list(table.columns) == ["image_id", "file_name", "detections", *COCO.values()]
    assert list(table["image_id"]) == list(range(1, 9))
    for row in table.to_dict("records"):
        name = Path(row["file_name"]).name
        if name == "broken.png":
            assert pd.isna(row["detections"]) and pd.isna(row["person"])
            continue
        found = [category for category, _, _ in boxes[name]]
        assert row["detections"] == len(found)
        assert {c: row[c] for c in COCO.values()} == {c: found.count(c) for c in COCO.values()}


def test_counts_are_of_the_categories_that_are_kept(watched: Detector, tmp_path: Path) -> None:
    images, kept = fill(tmp_path / "photos", 2), {"classes": ["dog", "cat"], "exclude": ["cat"]}
    detect_folder(images, watched, tmp_path / "out", formats="counts", **kept)
    assert (tmp_path / "out" / "counts.csv").read_text() == (
        "image_id,file_name,detections,dog\n1,0.png,0,0\n2,1.png,1,1\n"
    )


def test_models_of_keypoints_and_of_masks_have_theirs_in_coco(tmp_path: Path) -> None:
    save(tmp_path / "photo.png", scene(1))
    for kind in ("centernet_keypoints", "mask_rcnn"):
        detector = tfzoo.load(standins.save(kind, tmp_path / kind), device="cpu")
        out = tmp_path / f"{kind}_out"
        detect_folder(tmp_path / "photo.png", detector, out, formats=["coco", "yolo"])
        whole = CocoFile(str(out / "coco.json"))
        objects = whole.loadAnns(whole.getAnnIds())
        expected = detector(tmp_path / "photo.png").above(0.3)
        assert len(objects) == len(expected) > 1
        for i, one in enumerate(objects):
            if kind == "mask_rcnn":
                assert (whole.annToMask(one) == expected.mask(i)).all()
                assert one["area"] == coco_mask.area(one["segmentation"]) == expected.mask(i).sum()
            elif one["category_id"] == 1:
                (person,) = whole.loadCats([1])
                points = np.reshape(one["keypoints"], (17, 3))
                assert expected.keypoints is not None
                assert points[:, :2] == pytest.approx(expected.keypoints[i], abs=1e-3)
                assert one["num_keypoints"] == len(person["keypoints"]) == 17
                assert set(points[:, 2]) == {2} and np.min(person["skeleton"]) == 1
            else:
                assert "keypoints" not in one


def test_frames_of_a_video_are_images_of_their_own(standard: Detector, tmp_path: Path) -> None:
    out, sources = tmp_path / "out", [film(tmp_path / "clip.mp4"), tmp_path / "x.png"]
    save(sources[1], scene(1))
    detect_folder(sources, standard, out, formats=ALL)
    names = [image["file_name"] for image in json.loads((out / "coco.json").read_text())["images"]]
    frames = [f"clip.mp4/frame_{i:06}" for i in range(FRAMES)]
    assert names == [*(f"{frame}.jpg" for frame in frames), "x.png"]
    for place, ending in (
        ("yolo/labels", ".txt"),
        ("voc/Annotations", ".xml"),
        ("labelme", ".json"),
    ):
        written = {p.relative_to(out / place).as_posix() for p in (out / place).rglob(f"*{ending}")}
        assert written == {f"{name}{ending}" for name in (*frames, "x")}
    counts = pd.read_csv(out / "counts.csv")
    assert list(counts["frame"][:FRAMES]) == list(range(FRAMES)) and pd.isna(
        counts["frame"][FRAMES]
    )
    detect_folder(sources[1], standard, out, overwrite=True, pictures=False)
    assert not any((out / name).exists() for name in ("yolo", "voc", "labelme", "coco.json"))


def test_a_run_that_is_done_is_written_in_other_formats_without_detecting_again(
    watched: Detector, tmp_path: Path
) -> None:
    images, out = fill(tmp_path / "photos", 3), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, out, formats=["voc"], on_progress=stop_after(1))
    detect_folder(images, watched, out, resume=True)  # What it began with it ends with.
    assert len(list((out / "voc/Annotations").iterdir())) == 3
    before = watched.runtime.runs
    summary = detect_folder(images, watched, out, resume=True, formats=["yolo", "coco"])
    assert watched.runtime.runs == before + 1  # The blank image.
    assert set(summary.formats) == {"voc", "yolo", "coco"}
    assert len(CocoFile(str(out / "coco.json")).getImgIds()) == 3
    assert len(list((out / "yolo/labels").iterdir())) == 3


def test_one_image_is_in_memory_at_a_time(
    watched: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many parts there are, no two are held: the rows of the last are gone by the next."""
    import gc
    import weakref

    monkeypatch.setattr(folder, "PART_IMAGES", 2)
    held: list[weakref.ref[Any]] = []
    inner = datasets.read_back

    def watch(*given: Any) -> Any:
        for found in inner(*given):
            held.append(weakref.ref(found))
            yield found
            gc.collect()
            assert sum(one() is not None for one in held) <= 2

    monkeypatch.setattr(datasets, "read_back", watch)
    images = fill(tmp_path / "photos", 7)
    detect_folder(images, watched, tmp_path / "out", formats=ALL)
    assert len(held) == 7


def test_what_is_no_format_is_refused(watched: Detector, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no format 'kitti'; expected some of coco, yolo, voc"):
        detect_folder(tmp_path, watched, tmp_path / "out", formats=["coco", "kitti"])


def test_what_xml_and_yaml_can_not_hold_is_written_out(watched: Detector, tmp_path: Path) -> None:
    labels = {1: "a\x1b[31m <b> & 'c': #\u202e", 18: "no"}
    detector = Detector(watched.model, watched.runtime, labels)
    name = "x\x01 <y> &amp;.png"
    save(tmp_path / "photos" / "0.png", scene(1)).rename(tmp_path / "photos" / name)
    detect_folder(tmp_path / "photos", detector, tmp_path / "out", formats=ALL)
    (path,) = (tmp_path / "out/voc/Annotations").iterdir()
    root = ET.parse(path).getroot()
    assert root.findtext("filename") == r"x\x01 <y> &amp;.png"
    assert {one.text for one in root.iter("name")} == {
        r"a\x1b[31m <b> & 'c': #\u202e", "no"
    }  # fmt: skip
    names = yaml.safe_load((tmp_path / "out/yolo/data.yaml").read_text())["names"]
    assert names == {0: labels[1], 1: "no"}
    whole = json.loads((tmp_path / "out/coco.json").read_text())
    assert [c["name"] for c in whole["categories"]] == list(labels.values())
    assert whole["images"][0]["file_name"] == name
    assert os.sep not in path.name and "\x01" not in path.name


def test_every_format_is_documented() -> None:
    documented = (ROOT / "docs" / "file_formats.md").read_text()
    promised = {
        "coco": ["coco.json"], "yolo": ["yolo/data.yaml", "yolo/labels/"],
        "voc": ["voc/Annotations/"], "labelme": ["labelme/"], "csv": ["detections.csv"],
        "parquet": ["detections.parquet"], "counts": ["counts.csv"],
    }  # fmt: skip
    assert promised.keys() == FORMATS.keys() == datasets.WRITERS.keys() | {"csv"}
    for name, files in promised.items():
        about = FORMATS[name]
        written = [*about.files, *([f"{about.folder}/"] if about.folder else [])]
        assert written == files or name == "csv"
        assert all(f"`{file}`" in documented for file in files), name
        assert f"| `{name}` |" in documented
