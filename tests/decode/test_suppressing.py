"""Options of suppression with each kind of model: done, or refused before anything is detected."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfzoo
from tests.helpers import one_stage, standins
from tests.helpers.standins import paint
from tfzoo.batch.folder import detect_folder
from tfzoo.detecting import DetectOptions, SuppressOptions
from tfzoo.detections.types import Detections
from tfzoo.detector import Detector
from tfzoo.errors import UsageError
from tfzoo.loading import load

DATA = os.environ.get("TFZOO_TEST_DATA")

NMS = """model {{ faster_rcnn {{ first_stage_nms_iou_threshold: 0.7 second_stage_post_processing {{
batch_non_max_suppression {{ score_threshold: 0.0 iou_threshold: {iou} # of each class
max_detections_per_class: 100 }} }} }} }}"""

#: A person, and a dog that overlaps it by three quarters.
BOTH = paint(100, 100, person=(20, 20, 60, 60), dog=(20, 20, 60, 50))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Detector]:
    """The stand-in of a kind, two-stage ones with a config that says 0.6; each is built once."""
    detectors: dict[str, Detector] = {}

    def get(kind: str) -> Detector:
        if kind not in detectors:
            folder = tmp_path_factory.mktemp(kind)
            path = standins.save(kind, folder / ("a.onnx" if kind == "yolov5" else "saved_model"))
            if "rcnn" in kind:
                (folder / "pipeline.config").write_text(NMS.format(iou=0.6))
            detectors[kind] = load(path, device="cpu", runtime="tensorflow")
        return detectors[kind]

    return get


def found(detector: Detector, image: Any = BOTH, **options: Any) -> Detections:
    (one,) = detector.stream([image], options=DetectOptions(min_score=0.01, **options))
    return one


def same(one: Detections, other: Detections) -> bool:
    arrays = ("boxes", "scores", "class_ids")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)


@pytest.mark.parametrize("runtime", ["tensorflow", "frozen"])
def test_a_one_stage_model_takes_all_at_its_first_run(
    runtime: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = one_stage.save(tmp_path) / "saved_model"
    detector = load(folder, device="cpu", runtime=runtime)
    assert (detector.cut.after is None) == (runtime == "tensorflow")
    image = np.random.default_rng(3).integers(0, 256, (50, 64, 3), dtype=np.uint8)
    plain = found(detector, image)
    assert len(plain) == 30
    caplog.clear()
    assert same(found(detector, image, max_detections=5), plain[:5])
    assert not caplog.records  # Nothing is made for what the model returns anyway.
    assert same(found(detector, image, iou=0.5, max_detections=30), plain)
    made = [record.message for record in caplog.records if "frozen form" in record.message]
    assert len(made) == (runtime == "tensorflow")
    more = found(detector, image, max_detections=60)
    assert len(more) == 60 and same(more[:10], plain[:10])
    assert len(set(more.class_ids.tolist())) > 1
    fewer, crowded = (found(detector, image, iou=iou, max_detections=1000) for iou in (0.1, 0.9))
    assert len(fewer) < len(crowded)
    alone = found(detector, image, class_agnostic=True, max_detections=1000)
    assert len(alone) < len(found(detector, image, max_detections=1000))
    soft = found(detector, image, soft_nms=0.1)
    assert soft.scores[0] == plain.scores[0] and soft.scores[-1] < plain.scores[-1]


def test_what_a_two_stage_model_returned_is_thinned_out_with_its_masks(opened: Any) -> None:
    detector = opened("mask_rcnn")
    plain = found(detector)
    assert plain.names == ["person", "dog"]
    assert same(found(detector, iou=0.3), plain)  # Of two categories.
    alone = found(detector, iou=0.3, class_agnostic=True)
    assert alone.names == ["person"] and alone.masks is not None
    assert np.array_equal(alone.mask(0), plain.mask(0))
    # By its own limit, where none is told.
    assert found(detector, class_agnostic=True).names == ["person"]
    far = paint(100, 100, person=(20, 20, 60, 60), dog=(20, 20, 60, 40))
    assert len(found(detector, far, class_agnostic=True)) == 2
    soft = found(detector, soft_nms=0.25, class_agnostic=True)
    lowered = plain.scores[1] * np.exp(-(0.75**2) / 0.5)
    assert soft.scores.tolist() == [plain.scores[0], pytest.approx(lowered, rel=1e-6)]
    assert soft.masks is not None and len(soft.masks) == 2


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("mask_rcnn", {"iou": 0.7}, "dropped all that overlaps by more than 0.6"),
        ("mask_rcnn", {"max_detections": 101}, "returns 100 detections at most"),
        ("faster_rcnn", {"iou": 0.61}, "Ask for 0.6 or less"),
        ("faster_rcnn", {"max_detections": 301}, "Ask for 300 or fewer"),
        ("centernet", {"max_detections": 101}, "finds the peaks of its maps within its graph"),
        ("tflite_boxes", {"max_detections": 11}, "Ask for 10 or fewer"),
        ("standard", {"iou": 0.5}, "no pipeline.config beside it"),
        ("standard", {"max_detections": 101}, "by rules that are not known"),
    ],
)
def test_what_a_graph_can_not_do_is_refused(
    opened: Any, kind: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    detector = opened(kind)
    with pytest.raises(UsageError, match=message):
        detector.suppressing(SuppressOptions(**options))
    with pytest.raises(UsageError, match=message):
        next(detector.stream([BOTH], options=DetectOptions(**options)))
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(UsageError, match=message):
        detect_folder(tmp_path / "a.png", detector, tmp_path / "out", **options)
    assert not (tmp_path / "out" / "run.json").exists()


@pytest.mark.parametrize("kind", ["centernet", "centernet_keypoints", "tflite_keypoints"])
def test_peaks_are_thinned_out_by_any_overlap(opened: Any, kind: str) -> None:
    detector = opened(kind)
    plain = found(detector)
    assert same(found(detector, iou=1.0), plain)
    alone = found(detector, class_agnostic=True)
    assert alone.names == ["person"]
    if plain.keypoints is not None:
        assert np.array_equal(alone.keypoints, plain.keypoints[:1])


def test_yolov5_takes_all(opened: Any) -> None:
    detector = opened("yolov5")
    # Each object comes twice, 2 pixels apart; they overlap by more than 0.9.
    image = paint(640, 640, person=(100, 100, 300, 300), dog=(100, 100, 300, 250))
    plain = found(detector, image)
    assert plain.names == ["person", "dog"]
    assert same(found(detector, image, iou=0.6, max_detections=1000), plain)
    assert len(found(detector, image, iou=1.0)) == 4
    assert len(found(detector, image, iou=1.0, max_detections=1)) == 1
    assert found(detector, image, class_agnostic=True).names == ["person"]
    soft = found(detector, image, soft_nms=0.25)
    second = np.float32(0.8) * plain.scores[0] * np.exp(-((198 / 202) ** 2) / 0.5)
    assert len(soft) == 4
    assert soft.scores[2] == pytest.approx(second, rel=1e-3)


def test_a_detector_keeps_its_own_rules_beside_another_s(opened: Any) -> None:
    detector = opened("faster_rcnn")
    other = detector.suppressing(SuppressOptions(class_agnostic=True))
    assert len(detector.detect(BOTH)) == 2 and len(other.detect(BOTH)) == 1
    assert other.suppression.rules_told == "class_agnostic"
    assert len(other.suppressing(SuppressOptions()).detect(BOTH)) == 2


def test_a_run_over_a_folder_takes_them_and_is_checked_by_them(opened: Any, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for name in "ab":
        Image.fromarray(BOTH).save(tmp_path / "photos" / f"{name}.png")
    summary = detect_folder(
        tmp_path / "photos", opened("faster_rcnn"), tmp_path / "out", class_agnostic=True, check=2
    )
    assert summary.categories == {"person": 2}
    assert summary.check is not None and not summary.check.differing


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="needs the models and images in TFZOO_TEST_DATA")
def test_real_weights_give_the_export_s_own_detections_by_its_own_rules() -> None:
    assert DATA is not None
    model = Path(DATA) / "zoo" / "ssd_mobilenet_v1_0.75_300x300_coco.tar.gz"
    detector = tfzoo.load(model, runtime="tensorflow", device="cpu")
    own = detector.suppressing(SuppressOptions(iou=0.6, max_detections=100))
    more = detector.suppressing(SuppressOptions(max_detections=300))
    for path in sorted((Path(DATA) / "coco_val_mini" / "images").rglob("*.jpg"))[:8]:
        image = tfzoo.read_image(path)
        plain = detector.detect(image)
        assert same(own.detect(image), plain)
        assert len(more.detect(image)) == 300
