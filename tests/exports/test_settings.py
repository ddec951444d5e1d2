"""What can't be exported so is refused before any work, with what can."""

import pytest

from tfzoo.errors import UsageError
from tfzoo.exports.settings import ExportSettings


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"format": "coreml"}, "expected tflite, openvino, onnx, saved_model"),
        ({"format": "onnx", "precision": "int8"}, "no onnx in int8; expected float32"),
        ({"format": "tflite", "precision": "int8"}, "--calibrate FOLDER"),
        ({"format": "tflite", "calibrate": "x"}, "only int8 is calibrated"),
        ({"format": "tflite", "layout": "triton"}, "expected onnx, openvino, saved_model"),
        ({"format": "saved_model", "nms": False}, "leave --no-nms out"),
        ({"min_score": -1}, "min_score is -1"),
    ],
)
def test_what_makes_no_sense_is_refused(given, told) -> None:
    with pytest.raises(UsageError, match=told):
        ExportSettings("model", **given)


def test_the_post_processing_is_inside_unless_it_is_onnx_s_or_told() -> None:
    def inside(**given):
        return ExportSettings("model", **given).inside

    assert inside(format="tflite") and inside(format="openvino")
    assert not inside(format="onnx") and inside(format="onnx", layout="triton")
    assert inside(format="onnx", nms=True) and not inside(format="tflite", nms=False)
