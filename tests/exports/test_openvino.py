"""OpenVINO's IR: it finds the same, and tells OpenVINO's Model API what it is."""

import numpy as np
import pytest

import tfzoo
from tests.exports.conftest import same

ov = pytest.importorskip("openvino")

#: Else bfloat16, where the processor has it.
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


def test_openvino_finds_the_same_in_plain_code(made, image, expected) -> None:
    file = made("openvino").path / "model.xml"
    compiled = ov.Core().compile_model(str(file), "CPU", EXACT)
    found = compiled(image[None].astype(np.float32))
    rows, labels = found["boxes"][0], found["labels"][0]
    # Twice as many as wanted: some may lie in the padding, of which the graph does not know.
    assert len(rows) == len(labels) == 2 * len(expected[1])
    same((rows[:, [1, 0, 3, 2]] / 64, rows[:, 4], labels + 1), expected)


def test_the_model_api_is_told_what_it_asks_for(made) -> None:
    model = ov.Core().read_model(str(made("openvino").path / "model.xml"))

    def told(key: str) -> str:
        return model.get_rt_info(["model_info", key]).astype(str)

    assert told("model_type") == "ssd"
    assert told("labels").split() == ["person", "traffic_light", "car", "dog"]
    # The stand-in keeps an image's aspect and fills the rest with what is 0 in its network.
    assert (told("resize_type"), told("pad_value")) == ("fit_to_window", "128")


def test_openvino_s_model_api_opens_it_as_a_detector(made, image, expected) -> None:
    from model_api.adapters import OpenvinoAdapter, create_core
    from model_api.models import Model

    file = made("openvino").path / "model.xml"
    runtime = OpenvinoAdapter(create_core(), str(file), device="CPU", plugin_config=EXACT)
    model = Model.create_model(runtime, configuration={"confidence_threshold": 0.5})
    found = model(image)
    # It leaves out boxes of less than a pixel.
    scores, boxes = expected[1], expected[0][:, [1, 0, 3, 2]] * 64
    for box, score in zip(boxes[:10], scores[:10], strict=True):
        (row,) = np.flatnonzero(np.abs(found.scores - score) < 1e-5)
        np.testing.assert_allclose(found.bboxes[row], box, atol=1)


def test_keypoints_come_along(persons, folder, image, tmp_path) -> None:
    export = tfzoo.export_model(persons, format="openvino", check=folder, output=tmp_path / "made")
    assert export.verified.agrees and "keypoints [1,N,K,2]" in export.note
    expected = tfzoo.load(persons, runtime="tensorflow").detect(image)
    compiled = ov.Core().compile_model(str(export.path / "model.xml"), "CPU", EXACT)
    found = compiled(image[None].astype(np.float32))
    np.testing.assert_allclose(found["keypoints"][0], expected.keypoints, atol=0.01)
    np.testing.assert_allclose(found["keypoint_scores"][0], expected.keypoint_scores, atol=1e-5)
