"""The embedded model: its scenes, its archive and what the shipped weights reach."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from demo_model import MODEL_ID, PACKAGED, SHIPPED
from demo_model.canvas import SUPERSAMPLE, Canvas, Pen
from demo_model.evaluate import evaluate, file_digest, scenes_digest
from demo_model.scenes import PERSON, Scene, draw_scene
from demo_model.things import CATEGORIES, DRAWERS
from demo_model.train import (
    HELD_OUT_SCENES,
    TRAINING_SCENES,
    augment,
    to_example,
    train,
)
from tfzoo.detections.labels import KEYPOINTS

ARCHIVE = PACKAGED / f"{MODEL_ID}.tar.gz"
SCENES = PACKAGED / "scenes"


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    return json.loads(SHIPPED.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    return json.loads((SCENES / "annotations.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("demo")
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(folder, filter="data")
    return tf.saved_model.load(str(folder / MODEL_ID / "saved_model"))


def read_scene(name: str) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(SCENES / name))[None, ..., ::-1])


def test_a_scene_follows_from_its_seed_alone() -> None:
    first, again, other = draw_scene(2, 5), draw_scene(2, 5), draw_scene(2, 6)

    for one, two in zip(vars(first).values(), vars(again).values(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


def test_training_and_held_out_scenes_share_no_seed() -> None:
    assert TRAINING_SCENES != HELD_OUT_SCENES
    assert not np.array_equal(
        draw_scene(TRAINING_SCENES, 0).image[:8, :8], draw_scene(HELD_OUT_SCENES, 0).image[:8, :8]
    )


@pytest.mark.parametrize("index", range(8))
def test_a_drawn_annotation_lies_in_its_picture(index: int) -> None:
    scene = draw_scene(7, index)
    height, width = scene.image.shape[:2]

    assert (scene.boxes[:, :2] >= 0).all()
    assert (scene.boxes[:, 2:] <= (width, height)).all()
    assert (scene.boxes[:, 2:] > scene.boxes[:, :2]).all()
    sides = scene.boxes[:, 2:] - scene.boxes[:, :2]
    assert (scene.areas <= sides.prod(axis=1)).all()
    labelled = scene.keypoints[..., 2] > 0
    assert not labelled[scene.category_ids != PERSON].any()
    assert (scene.keypoints[labelled][:, :2] < (width, height)).all()


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_is_drawn_about_the_place_its_pen_stands(category: int) -> None:
    canvas = Canvas(200, 200)
    canvas.owner = 1
    DRAWERS[category](Pen(canvas, 100, 170, 100), np.random.default_rng(3))

    rows, columns = np.nonzero(canvas.owners) / np.array(SUPERSAMPLE)
    assert abs(columns.mean() - 100) < 15
    assert 60 < rows.min() < rows.max() < 190


def test_a_figure_facing_us_has_its_left_on_the_right_in_every_scene() -> None:
    left_is_right = []
    for index in range(12):
        scene = draw_scene(7, index)
        for points in scene.keypoints[scene.category_ids == PERSON]:
            named = dict(zip(KEYPOINTS, points, strict=True))
            if (points[:3, 2] == 2).all():  # nose and both eyes are seen
                left_is_right.append(named["left_eye"][0] > named["right_eye"][0])
    assert len(left_is_right) > 5
    assert all(left_is_right)


def test_figures_are_seen_from_behind_too() -> None:
    orders = set()
    for seed in range(20):
        points = DRAWERS[PERSON](Pen(Canvas(200, 200), 100, 190, 150), np.random.default_rng(seed))
        assert isinstance(points, np.ndarray)
        named = dict(zip(KEYPOINTS, points, strict=True))
        orders.add(bool(named["left_shoulder"][0] > named["right_shoulder"][0]))
    assert orders == {True, False}


def test_mirroring_exchanges_left_and_right_and_keeps_boxes_on_their_things() -> None:
    image = np.zeros((256, 256, 3), np.uint8)
    image[100:140, 110:140] = 255
    keypoints = np.zeros((1, 17, 3), np.float32)
    left_wrist = KEYPOINTS.index("left_wrist")
    keypoints[0, left_wrist] = (120, 110, 2)
    scene = Scene(
        image,
        np.array([PERSON], np.int32),
        np.array([[110, 100, 140, 140]], np.float32),
        np.array([1200], np.float32),
        keypoints,
    )
    example = to_example(scene)
    seen = set()
    for seed in range(20):
        changed = augment(example, np.random.default_rng(seed))
        rows, columns = np.nonzero(changed.image.max(axis=2) > 128)
        edges = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        np.testing.assert_allclose(changed.boxes[0], edges, atol=1.5)
        (joint,) = np.flatnonzero(changed.keypoints[0, :, 2])
        seen.add(KEYPOINTS[joint])
    assert seen == {"left_wrist", "right_wrist"}


@pytest.mark.slow
def test_a_few_steps_of_training_lower_the_loss() -> None:
    _, losses = train(steps=8, scene_count=16)

    assert np.isfinite(losses).all()
    assert np.mean(losses[-2:]) < 0.97 * np.mean(losses[:2])


def test_the_packaged_files_are_the_ones_that_were_measured(shipped: dict[str, Any]) -> None:
    assert ARCHIVE.stat().st_size == shipped["archive"]["bytes"]
    assert file_digest(ARCHIVE) == shipped["archive"]["sha256"]
    assert sum(path.stat().st_size for path in SCENES.iterdir()) == shipped["scenes"]["bytes"]
    assert scenes_digest(SCENES) == shipped["scenes"]["sha256"]


def test_the_packaged_files_are_small(shipped: dict[str, Any]) -> None:
    assert shipped["archive"]["bytes"] < 3_000_000
    assert shipped["scenes"]["bytes"] < 1_000_000


def test_the_archive_is_laid_out_like_the_zoos(shipped: dict[str, Any]) -> None:
    with tarfile.open(ARCHIVE) as tar:
        members = tar.getmembers()

    names = [member.name for member in members]
    assert names == sorted(names)
    assert f"{MODEL_ID}/saved_model/saved_model.pb" in names
    assert f"{MODEL_ID}/saved_model/variables/variables.index" in names
    assert {member.mtime for member in members} == {0}


def test_stored_annotations_lie_in_their_pictures(truth: dict[str, Any]) -> None:
    images = {image["id"]: image for image in truth["images"]}
    assert len(images) >= 60
    for image in images.values():
        assert read_scene(image["file_name"]).shape == (1, image["height"], image["width"], 3)
        assert image["height"] != image["width"]
    assert {row["category_id"] for row in truth["annotations"]} == set(CATEGORIES)
    for row in truth["annotations"]:
        image = images[row["image_id"]]
        x, y, width, height = row["bbox"]
        assert x >= 0 and y >= 0 and width > 0 and height > 0
        assert x + width <= image["width"] and y + height <= image["height"]
        assert 0 < row["area"] <= width * height
        if row["category_id"] == PERSON:
            points = np.reshape(row["keypoints"], (17, 3))
            assert row["num_keypoints"] == np.count_nonzero(points[:, 2])
            assert (points[:, :2] >= 0).all()
            assert (points[:, :2] <= (image["width"], image["height"])).all()


def test_the_signature_is_the_zoos_centernet_with_keypoints(model: Any) -> None:
    assert list(model.signatures) == ["serving_default"]
    signature = model.signatures["serving_default"]
    (_, inputs) = signature.structured_input_signature

    assert {name: (spec.shape.as_list(), spec.dtype.name) for name, spec in inputs.items()} == {
        "input_tensor": ([1, None, None, 3], "uint8")
    }
    outputs = signature.structured_outputs
    assert {name: spec.shape.as_list() for name, spec in outputs.items()} == {
        "detection_boxes": [1, 100, 4],
        "detection_boxes_strided": [1, 100, 4],
        "detection_classes": [1, 100],
        "detection_keypoint_scores": [1, 100, 17],
        "detection_keypoints": [1, 100, 17, 2],
        "detection_scores": [1, 100],
        "num_detections": [1],
    }
    assert {spec.dtype.name for spec in outputs.values()} == {"float32"}


@pytest.mark.parametrize("size", [(300, 400), (640, 480), (37, 900), (1, 1), (1, 2000)])
def test_outputs_keep_the_zoos_promises_for_any_image_size(
    model: Any, size: tuple[int, int]
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (1, *size, 3), np.uint8)
    outputs = {name: value.numpy() for name, value in model(image).items()}

    assert outputs["detection_boxes"].min() >= 0 and outputs["detection_boxes"].max() <= 1
    assert (np.diff(outputs["detection_scores"][0]) <= 0).all()
    assert set(outputs["detection_classes"].ravel()) <= set(map(float, CATEGORIES))
    assert outputs["detection_keypoints"].min() >= 0 and outputs["detection_keypoints"].max() <= 1


def test_only_persons_have_keypoints(model: Any, truth: dict[str, Any]) -> None:
    persons = others = 0
    for image in truth["images"][:6]:
        outputs = model(read_scene(image["file_name"]))
        is_person = outputs["detection_classes"].numpy()[0] == PERSON
        keypoints = outputs["detection_keypoints"].numpy()[0]
        scores = outputs["detection_keypoint_scores"].numpy()[0]
        assert not keypoints[~is_person].any() and not scores[~is_person].any()
        assert (scores[is_person] > 0).all()
        persons += int(is_person.sum())
        others += int((~is_person).sum())
    assert persons and others


def test_the_callable_object_and_its_signature_agree(model: Any) -> None:
    image = read_scene("scene_000.jpg")
    called, signed = model(image), model.signatures["serving_default"](input_tensor=image)

    assert set(called) == set(signed)
    for name, value in called.items():
        np.testing.assert_allclose(value.numpy(), signed[name].numpy(), atol=1e-5)


def test_openvino_gives_the_same_detections(model: Any, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(tmp_path, filter="data")
    core = openvino.Core()
    converted = core.read_model(tmp_path / MODEL_ID / "saved_model")
    compiled = core.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    for name in ("scene_000.jpg", "scene_001.jpg", "scene_002.jpg"):
        image = read_scene(name)
        expected = {key: value.numpy() for key, value in model(image).items()}
        results = compiled({"input_tensor": image})
        (certain,) = np.nonzero(expected["detection_scores"][0] > 0.3)
        assert certain.size
        for key, value in expected.items():
            if key != "num_detections":
                np.testing.assert_allclose(
                    results[key][0][certain], value[0][certain], atol=2e-3, err_msg=key
                )


def test_the_shipped_weights_reach_what_is_reported(model: Any, shipped: dict[str, Any]) -> None:
    measured = evaluate(model, SCENES)

    assert measured["bbox"] == pytest.approx(shipped["metrics"]["bbox"], abs=0.1)
    assert measured["keypoints"] == pytest.approx(shipped["metrics"]["keypoints"], abs=0.1)
    assert measured["bbox"]["AP"] > 60
    assert measured["keypoints"]["AP"] > 50


def test_packing_the_same_folder_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    from demo_model.export import pack

    folder = tmp_path / MODEL_ID / "saved_model"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"model")
    pack(folder.parent, tmp_path / "first.tar.gz")
    (folder / "saved_model.pb").touch()
    pack(folder.parent, tmp_path / "second.tar.gz")

    assert file_digest(tmp_path / "first.tar.gz") == file_digest(tmp_path / "second.tar.gz")
