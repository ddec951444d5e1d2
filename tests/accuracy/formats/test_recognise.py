"""The same annotations in each format give the same numbers, by a results file and by a model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import tfzoo
from tests.helpers import standins
from tests.helpers.coco_data import random_data, write
from tests.helpers.truth_formats import WRITERS, carried
from tfzoo.accuracy.coco import find_annotated, find_coco
from tfzoo.accuracy.evaluate import evaluate_predictions
from tfzoo.accuracy.formats.recognise import recognised
from tfzoo.detections.labels import COCO
from tfzoo.detector import Detector
from tfzoo.errors import UsageError

DATA = os.environ.get("TFZOO_TEST_DATA")

# Stand-ins give nothing of a low score, which looks like a threshold left on.
pytestmark = pytest.mark.filterwarnings("ignore::tfzoo.accuracy.evaluate.AccuracyWarning")


def named(folder: Path, written: Path) -> list[Path]:
    """All that means annotations that were written to a folder."""
    return [written, folder] if written != folder else [folder]


@pytest.mark.parametrize("kind", WRITERS)
def test_each_format_gives_the_same_numbers(
    kind: str, tmp_path: Path, truth: Any, images: Path
) -> None:
    truth = carried(truth, kind)
    listed = {image["id"] for image in truth["images"]}
    found = [r for r in random_data(7, images=12, drawn=False)[1] if r["image_id"] in listed]
    rows = write(tmp_path / "rows.json", found)
    expected = evaluate_predictions(rows, write(tmp_path / "truth.json", truth), resamples=0)
    written = WRITERS[kind](truth, images, tmp_path / kind)
    labels = {c["id"]: c["name"].replace(" ", "_").upper() for c in truth["categories"]}
    measured = evaluate_predictions(rows, written, labels=labels, resamples=0)
    assert measured.images == len(listed) >= 10
    assert measured.box is not None and expected.box is not None
    assert measured.box.values == pytest.approx(expected.box.values, abs=1e-9)
    assert expected.box.ap > 0.1


@pytest.mark.parametrize("kind", WRITERS)
def test_a_model_is_evaluated_on_each_format(
    kind: str, tmp_path: Path, painted: Any, detector: Detector
) -> None:
    truth, images = painted
    written = WRITERS[kind](truth, images, tmp_path / kind)
    measured = []
    for place in named(tmp_path / kind, written):
        options: dict[str, Any] = {"annotations": place} if kind != "coco" else {}
        if place == tmp_path / kind:
            options = {"coco": place}
        elif kind == "coco":
            options = {"annotations": place, "images": images}
        measured.append(
            tfzoo.evaluate(detector, results=tmp_path / "results", resamples=0, **options)
        )
    for one in measured:
        assert one.box is not None
        assert one.images == (3 if kind == "open_images" else 4)
        # The stand-in finds each object exactly, but for its own noise.
        assert one.box.values["AP50"] == 1
        assert set(one.box.per_class) == {"person", "dog"}


def test_detections_are_not_taken_for_those_of_another_numbering(
    tmp_path: Path, painted: Any, detector: Detector
) -> None:
    truth, images = painted
    moved = {1: 2, 2: 4, 3: 1, 4: 3}
    other = {
        **truth,
        "images": [{**i, "id": moved[i["id"]]} for i in truth["images"]],
        "annotations": [{**a, "image_id": moved[a["image_id"]]} for a in truth["annotations"]],
    }
    for number, one in enumerate((truth, other)):
        path = write(tmp_path / f"{number}.json", one)
        measured = tfzoo.evaluate(
            detector, annotations=path, images=images, results=tmp_path / "r", resamples=0
        )
        assert measured.box is not None and measured.box.values["AP50"] == 1


def test_images_inside_of_records_are_sampled_checked_and_overridden(
    tmp_path: Path, painted: Any, detector: Detector
) -> None:
    truth, images = painted
    written = WRITERS["tfrecords"](truth, images, tmp_path / "records")
    few = tfzoo.evaluate(
        detector, annotations=written, results=tmp_path / "r", limit=2, check=1, resamples=0
    )
    assert few.images == 2
    assert few.check is not None and few.check.images == 1 and not few.check.differing
    other = find_annotated([written], images)
    assert set(other.sources(other.files).values()) == set(images.iterdir())


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """Truth and images: persons and dogs, the last empty."""
    folder = tmp_path_factory.mktemp("painted")
    boxes = {"person": (16, 8, 96, 56), "dog": (72, 60, 120, 92)}
    ids = {"person": 1, "dog": 18}
    truth: dict[str, Any] = {"images": [], "annotations": []}
    truth["categories"] = [{"id": number, "name": name} for name, number in ids.items()]
    for image_id, shown in enumerate([("person", "dog"), ("person", "dog"), ("dog",), ()], start=1):
        name = f"{image_id:03}.png"
        picture = standins.paint(96, 128, **{what: boxes[what] for what in shown})
        Image.fromarray(picture).save(folder / name)
        truth["images"].append({"id": image_id, "file_name": name, "width": 128, "height": 96})
        for what in shown:
            x0, y0, x1, y1 = boxes[what]
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": ids[what],
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                }
            )
    return truth, folder


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    folder = tmp_path_factory.mktemp("model")
    return tfzoo.load(standins.save("standard", folder / "standard"), runtime="tensorflow")


def test_what_is_of_no_format_is_told_what_there_is(tmp_path: Path) -> None:
    assert recognised(tmp_path) is None
    assert recognised(tmp_path / "instances.json") is None
    with pytest.raises(UsageError, match=r"Pascal VOC.*YOLO.*Open Images.*TFRecords"):
        find_coco(tmp_path)
    with pytest.raises(UsageError, match="no such file or folder"):
        find_annotated([tmp_path / "instances.json"], None)
    write(tmp_path / "instances.json", {})
    with pytest.raises(UsageError, match="no images were found beside it"):
        find_annotated([tmp_path / "instances.json"], None)
    with pytest.raises(UsageError, match="Other formats are known by what they are called"):
        _ = find_annotated([tmp_path / "instances.json"], tmp_path).truths


def test_of_a_folder_of_records_those_for_evaluating_are_taken(tmp_path: Path) -> None:
    for name in ("train.tfrecord-00000-of-00001", "val.tfrecord-00000-of-00001"):
        (tmp_path / name).write_bytes(b"")
    found = recognised(tmp_path)
    assert found is not None and found.inside
    with pytest.raises(UsageError, match=r"val\.tfrecord has no annotated images"):
        found.read(None)


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="TFZOO_TEST_DATA is not set")
def test_a_zoo_model_on_real_images_scores_the_same_in_each_format(tmp_path: Path) -> None:
    shared = Path(str(DATA))
    real = json.loads((shared / "coco_val_mini" / "instances.json").read_text())
    images = shared / "coco_val_mini" / "images"
    kept = {image["id"] for image in real["images"][:40]}
    real["images"] = real["images"][:40]
    real["annotations"] = [a for a in real["annotations"] if a["image_id"] in kept]
    model = tfzoo.load(shared / "zoo" / "ssd_mobilenet_v1_0.75_300x300_coco.tar.gz")
    rows: list[Any] = []
    for image in real["images"]:
        found = model.detect(tfzoo.read_image(images / image["file_name"]))
        rows += found.to_coco(image["id"])
    results = write(tmp_path / "rows.json", rows)
    for kind, writer in WRITERS.items():
        truth = carried(real, kind)
        same = write(tmp_path / "truth.json", truth)
        expected = evaluate_predictions(results, same, resamples=0).box
        written = writer(truth, images, tmp_path / kind)
        measured = evaluate_predictions(results, written, labels=COCO, resamples=0).box
        assert expected is not None and measured is not None
        assert len(expected.values) == 12
        assert measured.values == pytest.approx(expected.values, abs=1e-9), kind
