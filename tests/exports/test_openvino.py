"""OpenVINO's IR: it finds the same, and tells OpenVINO's Model API what it is."""

import numpy as np
import pytest

from tests.exports.conftest import same

ov = pytest.importorskip("openvino")


def test_openvino_finds_the_same_in_plain_code(made, image, expected) -> None:
    compiled = ov.Core().compile_model(str(made("openvino").path / "model.xml"), "CPU")
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
    models = pytest.importorskip("model_api.models")
    model = models.Model.create_model(
        str(made("openvino").path / "model.xml"), configuration={"confidence_threshold": 0.5}
    )
    found = model(image)
    # It leaves out boxes of less than a pixel.
    scores, boxes = expected[1], expected[0][:, [1, 0, 3, 2]] * 64
    for box, score in zip(boxes[:10], scores[:10], strict=True):
        (row,) = np.flatnonzero(np.abs(found.scores - score) < 1e-5)
        np.testing.assert_allclose(found.bboxes[row], box, atol=1)
