"""Exports of every input type find what their `image_tensor` twin finds, with each runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import tfzoo
from tests.helpers import input_types, one_stage, standins
from tfzoo.errors import ModelFormatError
from tfzoo.images.encoded import encode
from tfzoo.prepare import export
from tfzoo.prepare.decoder import decodes_images, takes_examples
from tfzoo.prepare.export import export_onnx
from tfzoo.prepare.frozen_graph import freeze
from tfzoo.store.models import get_model


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_stage.save(tmp_path_factory.mktemp("twin"))


@pytest.fixture(scope="module")
def exports(twin: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the twin as another kind of export, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("exports")

    @cache
    def made(kind: str) -> Path:
        if kind == "image_tensor":
            return twin
        if kind == "frozen":
            return input_types.save_frozen(twin, folder / kind)
        return input_types.save(kind, twin, folder / kind)

    return made


@pytest.fixture
def converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of tf2onnx, whose environment takes minutes: it gives the same network."""
    python = one_stage.save_converter(tmp_path)
    monkeypatch.setattr(export, "converter", lambda: python)


def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(4)
    return [
        random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in [(70, 90), (90, 70), (9, 9)]
    ]


#: Every runtime that opens a SavedModel.
RUNTIMES = ("tensorflow", "frozen", "xla", "openvino", "onnx")
KINDS = ("image_tensor", *input_types.INPUT_TYPES, "frozen")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_export_finds_what_its_twin_finds(
    kind: str, runtime: str, twin: Path, exports, converter
) -> None:
    path = exports(kind)
    if runtime == "onnx":
        export_onnx(get_model(path))
    detector, expected = tfzoo.load(path, runtime=runtime), tfzoo.load(twin, runtime="tensorflow")
    assert detector.runtime.name == runtime
    if runtime != "tensorflow":
        assert detector.cut.before is not None and detector.runtime.signature.inputs[0].dtype in (
            "float32", "uint8",
        )  # fmt: skip
    for picture in pictures():
        wanted = expected.detect(picture).above(0.05)
        # As an array, and as the bytes of a file.
        for found in (detector.detect(picture), detector(encode(picture))):
            found = found.above(0.05)
            np.testing.assert_array_equal(found.class_ids, wanted.class_ids)
            np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)
            np.testing.assert_allclose(found.boxes, wanted.boxes, atol=0.02)
        assert len(wanted) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_litert_opens_no_saved_model_and_says_what_does(kind: str, exports) -> None:
    with pytest.raises(ModelFormatError, match=r"LiteRT opens a \.tflite file\. Run .* tensorflow"):
        tfzoo.load(exports(kind), runtime="litert")


@pytest.mark.parametrize("input_type", input_types.INPUT_TYPES[1:])
def test_batches_go_in_where_the_strings_of_one_are_free(input_type: str, tmp_path: Path) -> None:
    """The graph finds the first image of a batch alone: more of them are refused, none is lost."""
    standins.save_standard(tmp_path / "twin" / "saved_model")
    folder = input_types.save(input_type, tmp_path / "twin", tmp_path / "free", batch=None)
    detector = tfzoo.load(folder, runtime="tensorflow")
    assert detector.takes_batches
    picture = standins.paint(60, 90, dog=(10, 20, 50, 40))
    other = standins.paint(80, 90, person=(10, 20, 50, 40))
    # Of several sizes: one by one, since no array holds both.
    assert [found.names for found in detector.stream([picture, other], batch_size=2)] == [
        ["dog"], ["person"],
    ]  # fmt: skip
    assert tfzoo.load(folder, runtime="frozen").detect(picture).names == ["dog"]


def test_what_takes_an_example_is_known_by_its_graph(tmp_path: Path) -> None:
    standins.save_standard(tmp_path / "saved_model")
    assert not decodes_images(tmp_path / "saved_model")
    for input_type in input_types.INPUT_TYPES[1:]:
        folder = input_types.save(input_type, tmp_path, tmp_path / input_type) / "saved_model"
        assert decodes_images(folder)
        assert takes_examples(folder) is (input_type == "tf_example")


def test_a_graph_whose_pixels_are_not_those_given_stays_with_tensorflow(tmp_path: Path) -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([1], tf.string, "input_tensor")])
    def detect(input_tensor):
        image = 255 - tf.io.decode_png(input_tensor[0], channels=3)[::2]
        count = tf.reduce_sum(tf.cast(image, tf.float32))[None]
        rows = {name: tf.zeros([1, 9]) for name in ("detection_scores", "detection_classes")}
        return {**rows, "detection_boxes": tf.zeros([1, 9, 4]), "num_detections": 0 * count}

    module = tf.Module()
    module.detect = detect
    tf.saved_model.save(module, str(tmp_path), signatures=detect)
    with pytest.raises(ModelFormatError, match=r"nothing in its graph.*--runtime tensorflow"):
        freeze(tmp_path)
    assert len(tfzoo.load(tmp_path, runtime="tensorflow").detect(pictures()[0])) == 0


def test_a_graph_with_the_loops_of_tensorflow_1_has_no_frozen_form(tmp_path: Path) -> None:
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        image = tf.compat.v1.placeholder(tf.uint8, [None, None, None, 3], "image_tensor")
        total = tf.reduce_sum(tf.cast(image, tf.float32))
        v2 = tf.compat.v1.control_flow_v2_enabled()
        tf.compat.v1.disable_control_flow_v2()
        try:
            count = tf.compat.v1.while_loop(lambda n: n < 0, lambda n: n + 1, [0 * total])
        finally:
            if v2:
                tf.compat.v1.enable_control_flow_v2()
        tf.identity(count[None], "num_detections")
        tf.zeros([1, 9, 4], name="detection_boxes")
        for name in ("detection_scores", "detection_classes"):
            tf.zeros([1, 9], name=name)
    file = tmp_path / "frozen_inference_graph.pb"
    file.write_bytes(graph.as_graph_def().SerializeToString())
    assert len(tfzoo.load(file, runtime="tensorflow").detect(pictures()[0])) == 0
    with pytest.raises(ModelFormatError, match="loops as TensorFlow 1 writes them"):
        tfzoo.load(file, runtime="frozen")
