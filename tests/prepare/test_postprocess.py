"""Post-processing in numpy is the exported graph's own, bit for bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.one_stage import multiclass_nms
from tfzoo.detections.suppression import suppress
from tfzoo.prepare.pipeline_config import find_config, read_pipeline_config, returned_overlap
from tfzoo.prepare.postprocess import (
    PostProcessing,
    postprocess,
)
from tfzoo.prepare.preprocess import Resizer
from tfzoo.zoo.manifest import find_model

ANCHORS, CLASSES = 60, 5

CONFIG = """
model {
  ssd {
    num_classes: 7  # not 8
    image_resizer {
      keep_aspect_ratio_resizer {
        min_dimension: 384
        max_dimension: 512
        pad_to_max_dimension: true
      }
    }
    post_processing {
      batch_non_max_suppression {
        score_threshold: 1e-08
        iou_threshold: 0.5
        max_detections_per_class: 20
        max_total_detections: 30
      }
      score_converter: SIGMOID
    }
  }
}
"""


@pytest.fixture(scope="module")
def graph():
    """The exporter's own post-processing, run by TensorFlow."""
    import tensorflow as tf

    run = tf.function(multiclass_nms)

    def call(boxes, scores, window, limits):
        values = run(
            boxes,
            scores,
            window,
            np.float32(limits.iou_threshold),
            np.float32(limits.score_threshold),
            tf.constant(limits.max_per_class),
            tf.constant(limits.max_total),
        )
        return [value.numpy() for value in values]

    return call


def random_case(rng: np.random.Generator):
    centers = rng.uniform(-0.1, 1.1, (ANCHORS, 2)) ** rng.choice([1, 2])
    sizes = rng.uniform(0, rng.choice([0.1, 0.5]), (ANCHORS, 2))
    boxes = np.concatenate([centers - sizes, centers + sizes], axis=1)
    if rng.random() < 0.3:  # Boxes that coincide, lie on a grid or are turned over.
        boxes = np.round(boxes * 8) / 8
        boxes[rng.integers(ANCHORS)] = boxes[rng.integers(ANCHORS)][[2, 3, 0, 1]]
    scores = rng.uniform(0, 1, (ANCHORS, CLASSES)) ** rng.choice([1, 4])
    if rng.random() < 0.5:  # Many equal scores, and some of exactly zero.
        scores = np.round(scores * 10) / 10
    side = int(rng.choice([64, 512]))
    limits = PostProcessing(
        num_classes=CLASSES,
        score_threshold=float(rng.choice([1e-8, 0.05, 0.5])),
        iou_threshold=float(rng.choice([0.3, 0.5, 0.6])),
        max_per_class=int(rng.choice([3, 10, 100])),
        max_total=int(rng.choice([5, 20, 100])),
        resizer=Resizer((side, side), 64) if rng.random() < 0.5 else None,
    )
    image_size = (int(rng.integers(30, 900)), int(rng.integers(30, 900)))
    return boxes.astype(np.float32), scores.astype(np.float32), limits, image_size


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_random_cases_equal_the_graph_bit_for_bit(graph, seed) -> None:
    rng = np.random.default_rng(seed)
    found = 0
    for case in range(500):
        boxes, scores, limits, image_size = random_case(rng)
        expected = graph(boxes, scores, limits.window(image_size), limits)
        background = rng.uniform(0, 1, (ANCHORS, case % 2)).astype(np.float32)
        raw_scores = np.concatenate([background, scores], axis=1)
        for min_score in (0.0, 0.3):
            got = postprocess(boxes, raw_scores, image_size, limits, min_score)
            kept = expected[1] >= np.float32(min_score)
            np.testing.assert_array_equal(got["detection_scores"][0], expected[1][kept])
            np.testing.assert_array_equal(got["detection_classes"][0], expected[2][kept])
            np.testing.assert_array_equal(got["detection_boxes"][0], expected[0][kept])
        found += len(expected[1])
    assert found > 5000


def test_a_first_look_that_finds_too_little_is_widened() -> None:
    # One heap of boxes that all suppress each other, and few others with the lowest scores.
    boxes = np.tile(np.float32([0.1, 0.1, 0.5, 0.5]), (5000, 1))
    boxes[-3:] += np.float32([[0.4], [0.2], [0.3]])
    scores = np.linspace(0.9, 0.1, 5000, dtype=np.float32)[:, None]
    got = postprocess(boxes, scores, (100, 100), PostProcessing(num_classes=1, iou_threshold=0.3))
    assert got["detection_scores"][0].tolist() == [np.float32(0.9), scores[-3, 0], scores[-2, 0]]


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("sigma", [0.0, 0.1])
def test_other_rules_are_those_of_all_candidates_however_few_are_looked_at(
    agnostic: bool, sigma: float
) -> None:
    rng = np.random.default_rng(4)
    limits = PostProcessing(CLASSES, score_threshold=0.05, max_total=3, max_per_class=2)
    rules = replace(limits.suppression, iou_threshold=0.2, class_agnostic=agnostic, sigma=sigma)
    for _ in range(40):
        boxes, scores, *_ = random_case(rng)
        heap = rng.random(ANCHORS) < 0.8  # They suppress each other, so that more is looked at.
        boxes[heap] = np.float32([0.2, 0.2, 0.6, 0.6]) + rng.normal(0, 0.01, (heap.sum(), 4))
        pairs = [
            (score, column, row)
            for row, columns in enumerate(scores)
            for column, score in enumerate(columns)
            if score > 0.05 and (not agnostic or column == columns.argmax())
        ]
        pairs.sort(key=lambda pair: (-pair[0], *pair[1:]))
        best, classes, rows = (np.array(values) for values in zip(*pairs, strict=True))
        clipped = np.clip(boxes[rows], 0, 1)
        areas = (clipped[:, 2] - clipped[:, 0]) * (clipped[:, 3] - clipped[:, 1])
        kept, lowered = suppress(boxes[rows], best, classes, rules, 0.05, areas > 0)
        got = postprocess(boxes, scores, (64, 64), limits, 0.0, rules)
        np.testing.assert_array_equal(got["detection_boxes"][0], clipped[kept])
        np.testing.assert_array_equal(got["detection_classes"][0], classes[kept] + 1)
        np.testing.assert_array_equal(got["detection_scores"][0], lowered.astype(np.float32))


def test_padding_is_undone() -> None:
    limits = PostProcessing(num_classes=1, resizer=Resizer((512, 512), 512))
    assert limits.window((480, 640)).tolist() == [0, 0, 0.75, 1]
    boxes = np.float32([[0.1, 0.1, 0.9, 0.5], [0.8, 0.1, 0.9, 0.5]])
    got = postprocess(boxes, np.float32([[0.9], [0.8]]), (480, 640), limits)
    # The first reaches into the padding and is cut there; the second lies in it.
    np.testing.assert_allclose(got["detection_boxes"][0], [[0.1 / 0.75, 0.1, 1, 0.5]], rtol=1e-6)


def test_columns_that_do_not_fit_the_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="8 columns of scores for 5 classes"):
        postprocess(
            np.zeros((1, 4), np.float32), np.zeros((1, 8), np.float32), (9, 9), PostProcessing(5)
        )


def test_parameters_come_from_the_pipeline_config(tmp_path: Path) -> None:
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "pipeline.config").write_text(CONFIG)
    config = find_config(tmp_path / "saved_model")
    assert config.resizer == Resizer((512, 512), 384)
    assert config.postprocessing == PostProcessing(7, 1e-8, 0.5, 20, 30, config.resizer)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ssd {", "faster_rcnn {"),
        ("iou_threshold: 0.5", "iou_threshold: 0.5 soft_nms_sigma: 0.5"),
        ("iou_threshold: 0.5", "use_class_agnostic_nms: true"),
        ("keep_aspect_ratio_resizer", "conditional_shape_resizer"),
        ("num_classes: 7", ""),
    ],
)
def test_a_config_that_asks_for_more_gives_no_parameters(old: str, new: str) -> None:
    assert read_pipeline_config(CONFIG).postprocessing is not None
    assert read_pipeline_config(CONFIG.replace(old, new)).postprocessing is None


def test_the_zoo_s_own_parameters_stand_in_for_a_missing_config(tmp_path: Path) -> None:
    efficientdet = find_config(tmp_path, find_model("efficientdet d0"))
    assert efficientdet.resizer == Resizer((512, 512), 512)
    assert efficientdet.postprocessing == PostProcessing(
        90, iou_threshold=0.5, resizer=efficientdet.resizer
    )
    ssd = find_config(tmp_path, find_model("ssd mobilenet v2 320x320"))
    assert ssd.postprocessing == PostProcessing(90, resizer=Resizer((300, 300)))
    centernet = find_config(tmp_path, find_model("centernet resnet50 v1 fpn 512x512"))
    assert centernet.postprocessing is None
    assert centernet.resizer == Resizer((512, 512), 512)
    nothing_known = find_config(tmp_path)
    assert nothing_known.resizer is nothing_known.postprocessing is None


@pytest.mark.parametrize(
    ("change", "overlap"),
    [
        (("", ""), 0.5),
        (("iou_threshold: 0.5", ""), 0.6),
        (("iou_threshold: 0.5", "iou_threshold: 0.5 soft_nms_sigma: 0.5"), 1.0),
        (("batch_non_max_suppression", "other"), None),
    ],
)
def test_a_config_tells_how_far_returned_boxes_may_overlap(
    change: tuple[str, str], overlap: float | None, tmp_path: Path
) -> None:
    (tmp_path / "saved_model").mkdir()
    assert returned_overlap(tmp_path / "saved_model") is None
    (tmp_path / "pipeline.config").write_text(CONFIG.replace(*change))
    assert returned_overlap(tmp_path / "saved_model") == overlap
