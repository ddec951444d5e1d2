"""Every kind of model gives right detections; what is expected is written down by hand."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.helpers import standins
from tfzoo.decode.frame import Frame
from tfzoo.decode.kinds import prepare, recognise
from tfzoo.detections.types import Detections
from tfzoo.detector import Detector, Prepared
from tfzoo.errors import ImageError, ModelFormatError, UsageError
from tfzoo.loading import load
from tfzoo.runtimes.runtime import Signature, TensorInfo

Opener = Callable[[str], Detector]
#: Pixels that resizing to a fixed input may cost: it blurs the edges of a dim object.
TOLERANCE = {"tflite_boxes": 0.6, "tflite_keypoints": 0.6, "yolov5": 0.6}

KIND_OF = {
    "standard": "standard",
    "efficientdet": "standard",
    "faster_rcnn": "standard",
    "centernet": "centernet",
    "centernet_keypoints": "centernet",
    "mask_rcnn": "mask_rcnn",
    "tflite_boxes": "centernet_tflite",
    "tflite_keypoints": "centernet_tflite",
    "yolov5": "yolov5",
}
OF_ALL_CLASSES = [kind for kind in standins.KINDS if kind != "tflite_keypoints"]


def opened(path: Path) -> Detector:
    # An .onnx file opens with ONNX Runtime all the same.
    return load(path, device="cpu", runtime="tensorflow")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Opener:
    """The stand-in of a kind, opened; each is built once."""
    folder = tmp_path_factory.mktemp("standins")
    detectors: dict[str, Detector] = {}

    def get(kind: str) -> Detector:
        if kind not in detectors:
            suffix = ".onnx" if kind == "yolov5" else ""
            detectors[kind] = opened(standins.save(kind, folder / f"{kind}{suffix}"))
        return detectors[kind]

    return get


def assert_boxes(found: Detections, expected: list[list[float]], kind: str = "") -> None:
    assert found.boxes.shape == (len(expected), 4)
    np.testing.assert_allclose(found.boxes, expected, atol=TOLERANCE.get(kind, 1e-3))


@pytest.mark.parametrize("kind", standins.KINDS)
def test_kind_is_recognised_by_its_signature(kind: str, detector: Opener) -> None:
    assert detector(kind).kind == KIND_OF[kind]


@pytest.mark.parametrize("kind", OF_ALL_CLASSES)
@pytest.mark.parametrize("size", [(60, 100), (100, 60)], ids=["wide", "tall"])
def test_boxes_scores_and_class_ids(kind: str, size: tuple[int, int], detector: Opener) -> None:
    image = standins.paint(
        *size, person=(10, 20, 50, 40), dog=(0, 0, 6, 8), toothbrush=(40, 45, 60, 60)
    )
    found = detector(kind)(image)
    assert_boxes(found, [[10, 20, 50, 40], [0, 0, 6, 8], [40, 45, 60, 60]], kind)
    np.testing.assert_allclose(found.scores, [200 / 255, 190 / 255, 180 / 255], atol=1e-3)
    assert found.class_ids.tolist() == [1, 18, 90]
    assert found.names == ["person", "dog", "toothbrush"]
    assert found.image_size == size


@pytest.mark.parametrize("kind", OF_ALL_CLASSES)
def test_best_score_comes_first(kind: str, detector: Opener) -> None:
    image = standins.paint(
        90,
        120,
        person=(10, 20, 50, 40),
        toothbrush=(70, 60, 110, 80),
        brightness=(160, 0, 250),
    )
    found = detector(kind)(image)
    assert found.class_ids.tolist() == [90, 1]
    assert_boxes(found, [[70, 60, 110, 80], [10, 20, 50, 40]], kind)


@pytest.mark.parametrize("kind", standins.KINDS)
def test_empty_picture_has_no_detections(kind: str, detector: Opener) -> None:
    found = detector(kind)(standins.paint(33, 47))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize("kind", standins.KINDS)
def test_object_as_large_as_the_picture(kind: str, detector: Opener) -> None:
    found = detector(kind)(standins.paint(48, 64, person=(0, 0, 64, 48)))
    assert_boxes(found, [[0, 0, 64, 48]], kind)


@pytest.mark.parametrize("kind", standins.KINDS)
def test_one_pixel_picture(kind: str, detector: Opener) -> None:
    assert_boxes(detector(kind)(standins.paint(1, 1, person=(0, 0, 1, 1))), [[0, 0, 1, 1]])


@pytest.mark.parametrize("kind", standins.KINDS)
def test_large_picture(kind: str, detector: Opener) -> None:
    found = detector(kind)(standins.paint(200, 6000, person=(1500, 50, 4500, 150)))
    # A pixel of the fixed inputs is up to 12 pixels here, and an edge may fall either side of it.
    np.testing.assert_allclose(
        found.boxes, [[1500, 50, 4500, 150]], atol=12 if kind in TOLERANCE else 1e-3
    )


class Together:
    """A runtime of images and their true shapes, in batches; notes how many come at once."""

    def __init__(self, inner: Any) -> None:
        self.name, self.version, self.device = inner.name, inner.version, inner.device
        inputs = (
            TensorInfo("input_tensor", "uint8", (None, None, None, 3)),
            TensorInfo("true_image_shape", "int32", (None, 3)),
        )
        self.signature = Signature(inputs, inner.signature.outputs)
        self.workers = 1
        self.sizes: list[int] = []
        self._inner = inner

    def run(self, images: NDArray[Any], shapes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        self.sizes.append(len(images))
        assert len(shapes) == len(images)
        each = [self._inner.run(image[None]) for image in images]
        return {name: np.concatenate([one[name] for one in each]) for name in each[0]}


def test_only_images_that_a_runtime_gets_alike_in_size_come_together(detector: Opener) -> None:
    alone = detector("standard")
    runtime = Together(alone.runtime)
    together = Detector(alone.model, runtime, alone.labels)
    images = [
        standins.paint(*size, person=(10, 20, 50, 40)) for size in ((60, 100), (60, 100), (70, 90))
    ]
    first, alike, other = (
        Prepared((image[None], np.array([image.shape], np.int32)), Frame.whole(image.shape[:2]))
        for image in images
    )
    for several, sizes in (([first, alike], [2]), ([first, other], [1, 1]), ([other], [1])):
        runtime.sizes.clear()
        for found in together.detect_prepared(several):
            assert_boxes(found, [[10, 20, 50, 40]])
        assert runtime.sizes == sizes


def test_of_images_that_fail_together_the_first_is_told_of(
    detector: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise RuntimeError("no room")

    runtime = Together(detector("standard").runtime)
    monkeypatch.setattr(runtime, "run", fail)
    together = Detector(detector("standard").model, runtime, {})
    inputs = (np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 3), np.int32))
    images = [Prepared(inputs, Frame.whole(size)) for size in ((60, 100), (70, 90))]
    with pytest.raises(ImageError, match="image of 100x60 pixels: no room"):
        together.detect_prepared(images)


def test_result_says_what_produced_it(detector: Opener) -> None:
    for kind, runtime in (("standard", "tensorflow"), ("yolov5", "onnx")):
        run = detector(kind)(standins.paint(30, 40)).run
        assert run is not None
        assert run.runtime.startswith(runtime)
        assert run.device == "cpu"


def test_keypoints_of_a_person_and_none_of_a_dog(detector: Opener) -> None:
    image = standins.paint(60, 100, person=(10, 20, 42, 36), dog=(80, 0, 90, 10))
    found = detector("centernet_keypoints")(image)
    assert found.keypoints is not None and found.keypoint_scores is not None
    person, dog = found
    assert person.keypoints is not None and person.keypoint_scores is not None
    # From (10, 20) along the diagonal: 2 to the right and 1 down each.
    np.testing.assert_allclose(person.keypoints[0], [10, 20], atol=1e-4)
    np.testing.assert_allclose(person.keypoints[5], [20, 25], atol=1e-4)
    np.testing.assert_allclose(person.keypoints[16], [42, 36], atol=1e-4)
    np.testing.assert_allclose(person.keypoint_scores[[0, 16]], [1 / 17, 1], atol=1e-6)
    assert dog.keypoints is None and dog.keypoint_scores is None


def test_coco_results_hold_keypoints_of_persons_only(detector: Opener) -> None:
    image = standins.paint(60, 100, person=(10, 20, 42, 36), dog=(80, 0, 90, 10))
    person, dog = detector("centernet_keypoints")(image).to_coco(image_id=7)
    assert person["category_id"] == 1
    assert len(person["keypoints"]) == 3 * 17
    np.testing.assert_allclose(person["keypoints"][3:6], [12, 21, 2 / 17], atol=1e-4)
    assert "keypoints" not in dog


def test_padding_of_the_tflite_export_is_undone_in_keypoints(detector: Opener) -> None:
    # 50 wide in a 512 input: one pixel is 5.12 of it, and the right half is padding.
    found = detector("tflite_keypoints")(standins.paint(100, 50, person=(10, 20, 42, 36)))
    assert found.class_ids.tolist() == [1]
    assert found.keypoints is not None
    np.testing.assert_allclose(
        found.keypoints[0, [0, 5, 16]], [[10, 20], [20, 25], [42, 36]], atol=0.4
    )


def test_mask_is_pasted_at_the_original_size(detector: Opener) -> None:
    image = standins.paint(60, 100, person=(10, 20, 50, 40), dog=(80, 0, 90, 10))
    found = detector("mask_rcnn")(image)
    assert found.masks is not None and found.masks.shape == (2, 33, 33)
    left_half = np.zeros((60, 100), bool)
    left_half[20:40, 10:30] = True
    assert np.array_equal(found.mask(0), left_half)
    # The masks follow their rows.
    assert found.of(["dog"]).mask(0)[:, 80:85].sum() == 50


def test_coco_results_hold_masks_as_run_lengths(detector: Opener) -> None:
    from pycocotools import mask as coco_mask

    found = detector("mask_rcnn")(standins.paint(60, 100, person=(10, 20, 50, 40)))
    (row,) = found.to_coco(image_id=7)
    assert row["bbox"] == pytest.approx([10, 20, 40, 20], abs=1e-3)
    assert coco_mask.area(row["segmentation"]) == 20 * 20


@pytest.mark.parametrize("size", [(300, 500), (500, 300), (2000, 1000)])
def test_padding_inside_the_graph_needs_no_undoing(size: tuple[int, int], tmp_path: Path) -> None:
    found = opened(standins.save_keep_aspect(tmp_path / "model"))(
        standins.paint(*size, person=(50, 100, 250, 200))
    )
    # The stand-in resizes to 512: a pixel of it is up to 4 of the picture.
    np.testing.assert_allclose(found.boxes, [[50, 100, 250, 200]], atol=max(size) / 512 + 0.1)


@pytest.mark.parametrize("size", [(1, 2000), (2000, 1)])
def test_picture_too_narrow_for_the_resizer_ends_in_an_image_error(
    size: tuple[int, int], tmp_path: Path
) -> None:
    narrow = opened(standins.save_keep_aspect(tmp_path / "model"))
    height, width = size
    with pytest.raises(ImageError, match=rf"{width}x{height} pixels: .*narrow.*crop it"):
        narrow(standins.paint(height, width))
    # The next image is none the worse for it.
    assert len(narrow(standins.paint(50, 60, person=(10, 10, 20, 20)))) == 1


@pytest.mark.parametrize("kind", ["standard", "tflite_boxes", "yolov5"])
def test_second_image_of_a_batch_is_refused_not_lost(kind: str, detector: Opener) -> None:
    runtime = detector(kind).runtime
    image = standins.paint(60, 100, person=(10, 20, 50, 40))
    batch, _ = prepare(detector(kind).kind, image, runtime.signature.inputs[0])
    with pytest.raises(UsageError, match="batch of 1, got 2"):
        runtime.run(np.concatenate([batch, batch]))


def test_gray_and_transparent_pictures_are_detected_as_rgb(detector: Opener) -> None:
    gray = np.zeros((60, 100), np.uint8)
    gray[20:40, 10:50] = 200
    found = detector("standard")(gray)
    assert_boxes(found, [[10, 20, 50, 40]] * 3)
    rgba = np.dstack([standins.paint(60, 100, person=(10, 20, 50, 40)), np.zeros((60, 100))])
    assert_boxes(detector("standard")(rgba.astype(np.uint8)), [[10, 20, 50, 40]])


def test_float_picture_is_refused(detector: Opener) -> None:
    with pytest.raises(ImageError, match="uint8"):
        detector("standard")(np.zeros((60, 100, 3), np.float32))


def test_whoever_takes_an_image_refuses_floats_with_the_advice(detector: Opener) -> None:
    floats = np.full((40, 40, 3), 200, np.float32)
    model: Any = detector("standard")
    for take in (model.detect, model.prepare, lambda image: list(model.stream([image]))):
        with pytest.raises(ImageError, match=r"got float32.*values from 0 to 255 as image\.round"):
            take(floats)


def test_a_stream_of_one_image_is_that_image(detector: Opener, tmp_path: Path) -> None:
    model = detector("standard")
    picture = standins.paint(60, 90, person=(10, 20, 30, 40))
    Image.fromarray(picture).save(tmp_path / "photo.png")
    path, data = tmp_path / "photo.png", (tmp_path / "photo.png").read_bytes()
    for one in (picture, str(path), path, data, BytesIO(data), Image.open(path), picture[:, :, 0]):
        (found,) = model.stream(one)
        assert found.image_size == (60, 90)
    assert len(list(model.stream(np.stack([picture] * 3)))) == 3
    assert len(list(model.stream(iter([path, data])))) == 2


# What fits no kind


def signature_of(
    entry: tuple[str, tuple[int | None, ...]],
    *outputs: tuple[str, tuple[int | None, ...]],
    dtype: str = "float32",
) -> Signature:
    return Signature(
        (TensorInfo("input", *entry),),
        tuple(TensorInfo(name, dtype, shape) for name, shape in outputs),
    )


STANDARD_OUTPUTS = (
    ("detection_boxes", (1, 100, 4)),
    ("detection_classes", (1, 100)),
    ("detection_scores", (1, 100)),
    ("num_detections", (1,)),
)
FREE = (1, None, None, 3)
FIXED = (1, 320, 320, 3)


@pytest.mark.parametrize(
    "signature",
    [
        signature_of(("float32", (1, 224, 224, 3)), ("logits", (1, 1000))),
        signature_of(("string", (1, 1)), *STANDARD_OUTPUTS),
        signature_of(("uint8", FREE), *STANDARD_OUTPUTS[:3]),
        # The API's SSD export for TFLite: its outputs are placeholders for an operator of TFLite.
        signature_of(("float32", FIXED), *[(f"output_{i}", ()) for i in range(4)]),
        signature_of(
            ("float32", FIXED),
            ("output_0", (1,)),
            ("output_1", (1, 10)),
            ("output_2", (1, 20)),
            ("output_3", (1, 10, 4)),
        ),
        # YOLOv8: rows and columns swapped, no objectness.
        signature_of(("float32", (1, 3, 640, 640)), ("output0", (1, 84, 8400))),
    ],
    ids=["classifier", "strings in rows", "no number", "tflite ssd", "rows differ", "yolov8"],
)
def test_what_fits_no_kind_is_refused_with_what_was_found_and_expected(
    signature: Signature,
) -> None:
    with pytest.raises(ModelFormatError) as refusal:
        recognise(signature)
    for info in (*signature.inputs, *signature.outputs):
        assert str(info) in str(refusal.value)
    assert "detection_boxes" in str(refusal.value)


def test_own_export_with_float_input_works_like_the_standard_one() -> None:
    signature = signature_of(("float32", FREE), *STANDARD_OUTPUTS)
    assert recognise(signature) == "standard"
    batch, _ = prepare("standard", standins.paint(4, 5), signature.inputs[0])
    assert batch.dtype == np.float32
