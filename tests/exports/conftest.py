"""Exports of stand-ins, each made once, and what the exported models find in plain code."""

from pathlib import Path

import numpy as np
import pytest

import tfzoo
from tests.helpers import one_stage, peaks
from tfzoo.exports.make import Export
from tfzoo.prepare import export

LABELS = ["person", "traffic light", "car", "dog"]


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A detector whose graph decodes its boxes as the exporter does."""
    return one_stage.save(tmp_path_factory.mktemp("encoded") / "detector", encoded=False)


@pytest.fixture(scope="session")
def persons(tmp_path_factory) -> Path:
    """A CenterNet with keypoints."""
    return peaks.save(tmp_path_factory.mktemp("persons") / "detector", keypoints=True)


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    """A picture of the network's size: uint8 [64, 64, 3]."""
    return np.random.default_rng(4).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Pictures to verify with and to calibrate on."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for i in range(20):
        pixels = rng.integers(0, 256, (40 + i, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture
def converter(tmp_path, monkeypatch) -> None:
    """In place of tf2onnx, whose environment takes minutes: it gives the same network."""
    python = one_stage.save_converter(tmp_path)
    monkeypatch.setattr(export, "converter", lambda: python)


@pytest.fixture(scope="session")
def expected(model, image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What plain TensorFlow finds in the picture: boxes [N, 4], scores [N], ids [N]."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model / "saved_model"))
    found = loaded.signatures["serving_default"](input_tensor=tf.constant(image[None]))
    count = int(found["num_detections"][0])
    names = ("detection_boxes", "detection_scores", "detection_classes")
    boxes, scores, ids = (found[name][0, :count].numpy() for name in names)
    assert count > 15
    return boxes, scores, ids


@pytest.fixture(scope="session")
def made(model, folder, tmp_path_factory):
    """Exports the model in a format, once."""
    exports: dict[str, Export] = {}

    def export_once(form: str) -> Export:
        if form not in exports:
            place = tmp_path_factory.mktemp("exports") / f"made.{form}"
            exports[form] = tfzoo.export_model(
                model, format=form, check=folder, labels=LABELS, output=place, nms=True
            )
        return exports[form]

    return export_once


def same(found, expected) -> None:
    """Whether boxes [N, 4], scores [N] and ids [N] are those, best first."""
    for values, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(values[: len(wanted)], wanted, atol=1e-4)
