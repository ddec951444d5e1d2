"""Models are fed as they ask: channels first, side inputs, names that end in `:0`, or refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tfzoo.decode.feeding import channels_first, feeding, plain_names
from tfzoo.decode.kinds import recognise
from tfzoo.detections.labels import COCO
from tfzoo.detector import Detector
from tfzoo.errors import ModelFormatError
from tfzoo.prepare.cut import WHOLE, takes_more
from tfzoo.runtimes.runtime import Signature, TensorInfo
from tfzoo.store.models import StoredModel

IMAGE = TensorInfo("input_tensor", "uint8", (1, None, None, 3))
OUTPUTS = {
    "detection_boxes": np.array([[[0.25, 0.5, 0.75, 1.0]]], np.float32),
    "detection_classes": np.array([[18.0]], np.float32),
    "detection_scores": np.array([[0.75]], np.float32),
    "num_detections": np.array([1.0], np.float32),
}


class Recorder:
    """A runtime that finds the same in any image, and keeps what it was fed."""

    name, version, device, workers = "recorder", "1", "cpu", 1

    def __init__(self, *inputs: TensorInfo, ending: str = "") -> None:
        self.outputs = {name + ending: value for name, value in OUTPUTS.items()}
        infos = [TensorInfo(name, "float32", v.shape) for name, v in self.outputs.items()]
        self.signature = Signature(inputs, tuple(infos))
        self.fed: tuple[NDArray[Any], ...] = ()

    def run(self, *inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        self.fed = inputs
        return self.outputs


def opened(runtime: Recorder) -> Detector:
    return Detector(StoredModel("a model", Path("nowhere")), runtime, COCO, WHOLE)


def photo() -> NDArray[np.uint8]:
    return np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)


def check(detector: Detector) -> None:
    """What it finds lies where the outputs say."""
    found = detector.detect(photo())
    assert found.names == ["dog"] and found.boxes.tolist() == [[30, 10, 60, 30]]


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("free", [True, False])
def test_a_model_of_channels_first_is_fed_so(dtype: str, free: bool) -> None:
    shape = (1, 3, None, None) if free else (1, 3, 40, 60)
    runtime = Recorder(TensorInfo("image", dtype, shape))
    check(opened(runtime))
    (batch,) = runtime.fed
    assert batch.dtype == dtype and batch.flags.c_contiguous
    np.testing.assert_array_equal(batch, photo().transpose(2, 0, 1)[None])


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ((1, 3, 320, 320), True),
        ((None, 3, None, None), True),
        ((1, 320, 320, 3), False),
        ((1, 3, None, 3), False),
        ((1, None, None, None), False),
        ((), False),
    ],
)
def test_the_order_of_channels_is_seen_by_where_the_three_are(
    shape: tuple[int | None, ...], first: bool
) -> None:
    assert channels_first(TensorInfo("image", "uint8", shape)) is first


@pytest.mark.parametrize(
    "shape", [(1, None, None, 1), (1, None, None, 4), (1, 1, 320, 320), (8, None, None, 3), (5,)]
)
def test_what_is_no_image_of_three_channels_is_refused_at_opening(
    shape: tuple[int | None, ...],
) -> None:
    with pytest.raises(ModelFormatError, match=r"(?s)no detector that tfzoo knows.*\[1,3,\?,\?\]"):
        opened(Recorder(TensorInfo("image", "uint8", shape)))


def test_names_that_end_in_0_are_those_without() -> None:
    runtime = Recorder(TensorInfo("image_tensor:0", "uint8", IMAGE.shape), ending=":0")
    check(opened(runtime))
    assert runtime.fed[0].shape == (1, 40, 60, 3)


def test_0_stays_where_it_tells_outputs_of_one_call_apart() -> None:
    assert plain_names(["a:0", "b/c:0", "d"]) == {"a:0": "a", "b/c:0": "b/c", "d": "d"}
    for names in (["call:0", "call:1"], ["a:0", "a"], ["a:1"], [":0"]):
        assert plain_names(names) == {name: name for name in names}


def test_side_inputs_are_fed_zeros_and_named(caplog: pytest.LogCaptureFixture) -> None:
    features = TensorInfo("context_features", "float32", (1, None, 9))
    size = TensorInfo("valid_context_size", "int32", (1,))
    runtime = Recorder(features, IMAGE, size)
    with caplog.at_level(logging.WARNING, "tfzoo"):
        detector = opened(runtime)
    assert "also takes context_features: float32 [1,?,9], valid_context_size" in caplog.text
    check(detector)
    before, image, after = runtime.fed
    np.testing.assert_array_equal(image[0], photo())
    assert (before.dtype, before.shape, before.any()) == (np.float32, (1, 1, 9), False)
    assert (after.dtype, after.tolist()) == (np.int32, [0])


def test_a_scalar_and_a_second_picture_are_side_inputs_too() -> None:
    scalar, mask = TensorInfo("a", "bool", ()), TensorInfo("mask", "float32", (1, 9, 9, 3))
    runtime = Recorder(scalar, mask, TensorInfo("image_tensor:0", "uint8", IMAGE.shape))
    check(opened(runtime))
    assert [value.shape for value in runtime.fed] == [(), (1, 9, 9, 3), (1, 40, 60, 3)]


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ([TensorInfo("boxes", "float32", (1, None, 4))], "takes boxes beside the image"),
        ([TensorInfo("keys", "object", (1,))], r"takes keys: object \[1\].*numbers alone"),
        ([TensorInfo("keys", "tensor(string)", (1,))], "numbers alone"),
    ],
)
def test_what_can_not_be_left_at_zero_is_refused(others: list[TensorInfo], told: str) -> None:
    with pytest.raises(ModelFormatError, match=told):
        opened(Recorder(IMAGE, *others))


def test_several_images_of_unknown_names_or_none_are_refused() -> None:
    left, right = (TensorInfo(name, "uint8", IMAGE.shape) for name in ("left", "right"))
    with pytest.raises(ModelFormatError, match=r"several images \(left: uint8.*right: uint8"):
        feeding(Signature((left, right), ()))
    with pytest.raises(ModelFormatError, match="takes nothing"):
        feeding(Signature((), ()))


def test_the_image_alone_is_fed_alone() -> None:
    feed = feeding(Signature((IMAGE,), ()))
    assert (feed.image, feed.place, feed.others, feed.named) == (IMAGE, 0, (), "")
    assert recognise(Recorder(IMAGE).signature) == "standard"


def test_forms_are_not_made_of_models_with_side_inputs() -> None:
    told = str(takes_more(Path("folder"), ["a", "input_tensor"]))
    assert "folder takes more than an image (a, input_tensor)" in told and "--runtime" in told
