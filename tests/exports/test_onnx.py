"""ONNX in one graph: plain ONNX Runtime takes an image of any size to the exporter's detections."""

import numpy as np
import pytest

import tfzoo
from tests.exports.conftest import same
from tfzoo.exports.verify import images_of

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def test_onnx_runtime_finds_the_same_in_plain_code(converter, made, image, expected) -> None:
    export = made("onnx")
    session = ort.InferenceSession(str(export.path))
    names = ["detection_boxes", "detection_scores", "detection_classes", "num_detections"]
    *found, number = session.run(names, {"input_tensor": image[None]})
    assert number.tolist() == [len(expected[1])]
    same([values[0] for values in found], expected)
    # Pictures of other sizes are resized and padded inside, as they are verified with.
    assert export.verified.agrees and export.verified.images == 20


def test_what_is_below_a_score_is_left_out_inside(
    converter, model, folder, image, expected, tmp_path
) -> None:
    # Between the last two of its scores.
    least = float(expected[1][-2:].mean())
    export = tfzoo.export_model(
        model, format="onnx", nms=True, min_score=least, check=folder, output=tmp_path / "a.onnx"
    )
    session = ort.InferenceSession(str(export.path))
    (scores,) = session.run(["detection_scores"], {"input_tensor": image[None]})
    np.testing.assert_allclose(scores[0], expected[1][:-1], atol=1e-4)
    (few,) = session.run(["num_detections"], {"input_tensor": image[None]})
    assert few[0] == len(expected[1]) - 1


def test_openvino_finds_the_same_in_pictures_of_all_shapes(converter, made, folder) -> None:
    """OpenVINO 2026.4 inverts a constant divided by a shape: there is none in the graph."""
    ov = pytest.importorskip("openvino")
    file = str(made("onnx").path)
    session = ort.InferenceSession(file)
    compiled = ov.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = ["detection_boxes", "detection_scores", "detection_classes"]
    for image in images_of(folder)[::5]:
        found = compiled(image[None])
        for name, wanted in zip(
            names, session.run(names, {"input_tensor": image[None]}), strict=True
        ):
            np.testing.assert_allclose(found[name], wanted, atol=1e-4)
