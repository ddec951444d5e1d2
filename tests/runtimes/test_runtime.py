"""What all runtimes have in common: what is told of an image that one can't take."""

from __future__ import annotations

import os

import pytest

from tfzoo.errors import DeviceError, ImageError
from tfzoo.runtimes.runtime import image_failures, quiet_stderr, reason_of


@pytest.mark.parametrize(
    ("size", "narrow"),
    [((600, 800), False), ((2, 200), False), ((200, 2), False), ((2, 201), True), ((201, 2), True)],
)
def test_only_of_a_very_narrow_image_it_is_told_that_it_is(
    size: tuple[int, int], narrow: bool
) -> None:
    with pytest.raises(ImageError) as caught, image_failures(size):
        raise ValueError("no such shape\nat node Resize")
    told = f"the model can't run on this image of {size[1]}x{size[0]} pixels: no such shape"
    assert str(caught.value).startswith(told)
    assert ("An image this narrow" in str(caught.value)) is narrow
    assert "at node" not in str(caught.value)


def test_an_error_that_says_what_to_do_is_left_as_it_is() -> None:
    error = DeviceError("no such GPU")
    with pytest.raises(DeviceError) as caught, image_failures((6, 8)):
        raise error
    assert caught.value is error


TENSORFLOW = """Graph execution error:

Detected at node resize/ResizeBilinear defined at (most recent call last):
<stack traces unavailable>
output dimensions must be positive
\t [[{{node resize/ResizeBilinear}}]] [Op:__inference_signature_wrapper_349]"""
TRACED = """Graph execution error:

Detected at node assert defined at (most recent call last):
  File "detect.py", line 12, in <module>

assertion failed: [too much] [x = ] [5]
\t [[{{node assert}}]] [Op:__inference_g_732]"""
SEVERAL = """2 root error(s) found.
  (0) INVALID_ARGUMENT:  Size 0 must be positive
\t [[{{node Reshape}}]]
  (1) INVALID_ARGUMENT:  another
0 successful operations."""
TRACING = """in user code:

    File "detect.py", line 19, in g  *
        return tf.reshape(x,[7])

    ValueError: Cannot reshape a tensor with 5 elements"""
OPENVINO = """Exception from src/inference/src/cpp/infer_request.cpp:224:
Exception from src/plugins/intel_cpu/src/node.cpp:67:
Check 'shape.compatible(other)' failed at src/plugins/intel_cpu/src/infer_request.cpp:385:
While validating node 'Reshape':
The shapes are incompatible

"""
ONNX = """[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: x
 index: 3 Got: 4 Expected: 3
 Please fix either the inputs/outputs or the model."""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TENSORFLOW, "output dimensions must be positive"),
        (TRACED, "assertion failed: [too much] [x = ] [5]"),
        (SEVERAL, "Size 0 must be positive"),
        (TRACING, "ValueError: Cannot reshape a tensor with 5 elements"),
        ("expected a uint8 tensor. [Op:__inference_7]", "expected a uint8 tensor"),
        ("{{function_node __wrapped__x_/cpu:0}} Checksum is wrong", "Checksum is wrong"),
        (OPENVINO, "While validating node 'Reshape': The shapes are incompatible"),
        (ONNX, "Got invalid dimensions for input: x index: 3 Got: 4 Expected: 3"),
        ("", "ValueError"),
        ("Graph execution error:", "ValueError"),
        ("too short.", "too short"),
        ("x" * 501, "x" * 500 + "..."),
        ("x" * 500, "x" * 500),
    ],
)
def test_a_reason_is_told_without_the_places_in_a_library_s_source(text: str, reason: str) -> None:
    assert reason_of(ValueError(text)) == reason


def test_what_libraries_write_past_python_is_kept_out(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stderr():
        os.write(2, b"hidden")
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"
