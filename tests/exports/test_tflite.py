"""TFLite: run by LiteRT in plain code it finds the same; its labels and pixels are told in it."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tfzoo
from tests.exports.conftest import LABELS, same
from tests.helpers import one_stage
from tfzoo.errors import ModelFormatError
from tfzoo.runtimes.runtime import Resizing

litert = pytest.importorskip("ai_edge_litert.interpreter")


def run(file: Path, image: np.ndarray) -> list[np.ndarray]:
    """What LiteRT gives for an image of the network's size, without any of ours."""
    interpreter = litert.Interpreter(model_path=str(file), num_threads=1)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    interpreter.set_tensor(entry["index"], image[None].astype(entry["dtype"]))
    interpreter.invoke()
    return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]


def test_litert_finds_the_same_in_plain_code(made, image, expected) -> None:
    export = made("tflite")
    boxes, classes, scores, number = run(export.path, image)
    assert number[0] >= len(expected[1])
    same((np.clip(boxes[0], 0, 1), scores[0], classes[0] + 1), expected)
    assert export.verified.agrees and export.verified.score_difference < 1e-4


def test_litert_opens_it_with_the_resizing_that_it_tells(made, model, image) -> None:
    file = made("tflite").path
    detector = tfzoo.load(file, runtime="litert")
    told = detector.runtime.signature.inputs[0].resizing
    assert told == Resizing(64, half_pixel=True, padding=(127.5, 127.5, 127.5))
    expected = tfzoo.load(model, runtime="tensorflow")
    for picture in (image, image[:40], np.kron(image[:40], np.ones((2, 3, 1), np.uint8))):
        found, wanted = detector.detect(picture), expected.detect(picture)
        count = len(wanted)
        np.testing.assert_array_equal(found.class_ids[:count], wanted.class_ids)
        np.testing.assert_allclose(found.scores[:count], wanted.scores, atol=1e-4)
        np.testing.assert_allclose(found.boxes[:count], wanted.boxes, atol=0.02)
        assert (found.boxes[:, 3] - found.boxes[:, 1] > 0).all()


def test_the_file_tells_its_labels_its_pixels_and_its_outputs(made) -> None:
    from tensorflow.lite.python import schema_py_generated as schema

    content = made("tflite").path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labelmap.txt").decode().splitlines() == LABELS
    tables = schema.ModelT.InitFromPackedBuf(content)
    (entry,) = (one for one in tables.metadata if one.name == b"TFLITE_METADATA")
    metadata = bytes(tables.buffers[entry.buffer].data)
    assert metadata[4:8] == b"M001"
    for text in (b"labelmap.txt", b"location", b"category", b"score", b"number of detections"):
        assert text in metadata
    operations = [code.customCode for code in tables.operatorCodes]
    assert b"TFLite_Detection_PostProcess" in operations
    (graph,) = tables.subgraphs
    names = [graph.tensors[i].name.decode() for i in (*graph.inputs, *graph.outputs)]
    assert names == ["image", "output_0", "output_1", "output_2", "output_3"]


def test_cut_it_gives_what_the_graph_has_before_its_suppression(
    model, folder, image, tmp_path
) -> None:
    export = tfzoo.export_model(
        model, format="tflite", nms=False, check=folder, output=tmp_path / "cut.tflite"
    )
    boxes, scores = run(export.path, image)
    raw = tfzoo.load(model, runtime="tensorflow").runtime.run(image[None])
    np.testing.assert_allclose(boxes, raw["raw_detection_boxes"], atol=1e-5)
    np.testing.assert_allclose(scores, raw["raw_detection_scores"], atol=1e-5)


def test_in_int8_its_boxes_are_decoded_in_full_precision(folder, tmp_path, image) -> None:
    model = one_stage.save(tmp_path / "detector", encoded=True)
    export = tfzoo.export_model(
        model, format="tflite", precision="int8", calibrate=folder, output=tmp_path / "8.tflite"
    )
    assert "takes uint8 [1,64,64,3]" in export.note
    assert export.verified.map is not None and 0.6 < export.verified.map < 1
    boxes, _, scores, number = run(export.path, image)
    assert number[0] > 0 and boxes.shape == (1, 60, 4)
    assert (np.diff(scores[0]) <= 0).all()


def test_boxes_that_would_be_rounded_are_refused(model, folder, tmp_path) -> None:
    place = tmp_path / "8.tflite"
    with pytest.raises(ModelFormatError, match="the decoding would be rounded too"):
        tfzoo.export_model(model, format="tflite", precision="int8", calibrate=folder, output=place)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("TFZOO_TEST_DATA"), reason="TFZOO_TEST_DATA is not set")
def test_real_weights_give_tensorflow_s_own_detections(tmp_path) -> None:
    archive = next(Path(os.environ["TFZOO_TEST_DATA"], "zoo").glob("ssd_*.tar.gz"))
    export = tfzoo.export_model(
        archive, format="tflite", min_score=0.3, output=tmp_path / "ssd.tflite"
    )
    assert export.verified.agrees and export.verified.detections > 30
    assert export.verified.score_difference < 1e-3 and export.verified.box_difference < 0.1


def test_keypoints_come_along(persons, folder, image, tmp_path) -> None:
    file = tmp_path / "persons.tflite"
    export = tfzoo.export_model(persons, format="tflite", check=folder, output=file)
    assert export.verified.agrees and export.note.endswith("with keypoints")
    expected = tfzoo.load(persons, runtime="tensorflow").detect(image)
    assert expected.keypoints is not None and expected.keypoints.shape == (10, 2, 2)
    boxes, _, _, _, points, point_scores = run(file, image)
    np.testing.assert_allclose(boxes[0][:, [1, 0, 3, 2]] * 64, expected.boxes, atol=0.01)
    np.testing.assert_allclose(points[0][..., ::-1] * 64, expected.keypoints, atol=0.01)
    np.testing.assert_allclose(point_scores[0], expected.keypoint_scores, atol=1e-5)
    found = tfzoo.load(file, runtime="litert").detect(image)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.01)
