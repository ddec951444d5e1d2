"""What a graph's own post-processing does: read off its NMS nodes, and proven by trial."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tfzoo.prepare.limits import NmsNode, RawOutput, find_postprocessing, why_whole
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, PostProcessing, postprocess
from tfzoo.prepare.preprocess import Resizer

ANCHORS, CLASSES = 600, 5

#: A graph of five classes that can be cut: its NMS works on what it returns.
BOXES = RawOutput("boxes", (1, ANCHORS, 4), (ANCHORS, 4))
SCORES = RawOutput("scores", (1, ANCHORS, CLASSES + 1), (ANCHORS, CLASSES + 1))
OUTPUTS = {RAW_BOXES: BOXES, RAW_SCORES: SCORES}
NODE = NmsNode("boxes", "scores", np.int32(100), np.float32(0.6), np.float32(1e-8), np.float32(0))
NODES = [NODE] * CLASSES
PARAMETERS = PostProcessing(CLASSES)


def test_a_graph_whose_nms_works_on_its_raw_outputs_can_be_cut() -> None:
    assert why_whole(OUTPUTS, NODES, PARAMETERS) == ""
    without_background = replace(
        SCORES, sizes=(1, ANCHORS, CLASSES), root_sizes=(1, CLASSES, ANCHORS)
    )
    outputs = {**OUTPUTS, RAW_SCORES: without_background, "more": BOXES}
    assert why_whole(outputs, NODES, PARAMETERS) == ""


@pytest.mark.parametrize("missing", [RAW_BOXES, RAW_SCORES])
def test_a_graph_without_raw_outputs_stays_whole(missing: str) -> None:
    outputs = {name: output for name, output in OUTPUTS.items() if name != missing}
    assert why_whole(outputs, NODES, PARAMETERS) == "it has no raw_detection_boxes"


def test_a_graph_of_unknown_parameters_stays_whole() -> None:
    assert "parameters of its post-processing are not known" in why_whole(OUTPUTS, NODES, None)


@pytest.mark.parametrize("name", [RAW_BOXES, RAW_SCORES])
@pytest.mark.parametrize("sizes", [None, (ANCHORS, 4), (2, ANCHORS, 4), (1, 1, ANCHORS, 4)])
def test_a_graph_of_no_fixed_shape_stays_whole(name: str, sizes: tuple[int, ...] | None) -> None:
    outputs = {**OUTPUTS, name: replace(OUTPUTS[name], sizes=sizes)}
    assert "no fixed shape" in why_whole(outputs, NODES, PARAMETERS)


@pytest.mark.parametrize(
    ("columns", "nodes"),
    [
        (CLASSES + 2, CLASSES),
        (CLASSES - 1, CLASSES),
        (CLASSES + 1, CLASSES - 1),
        (CLASSES + 3, CLASSES + 1),
        (CLASSES, 0),
    ],
)
def test_a_graph_of_another_number_of_classes_stays_whole(columns: int, nodes: int) -> None:
    scores = replace(SCORES, sizes=(1, ANCHORS, columns), root_sizes=(ANCHORS, columns))
    said = why_whole({**OUTPUTS, RAW_SCORES: scores}, [NODE] * nodes, PARAMETERS)
    assert said == f"it has {nodes} NMS nodes for {columns} columns of scores"


@pytest.mark.parametrize("name", [RAW_BOXES, RAW_SCORES])
@pytest.mark.parametrize("sizes", [None, (2 * ANCHORS, 4), (ANCHORS, 3)])
def test_a_graph_that_returns_a_choice_stays_whole(
    name: str, sizes: tuple[int, ...] | None
) -> None:
    outputs = {**OUTPUTS, name: replace(OUTPUTS[name], root_sizes=sizes)}
    assert "a choice out of more" in why_whole(outputs, NODES, PARAMETERS)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (replace(NODE, boxes="refined"), "other tensors than its raw outputs"),
        (replace(NODE, scores="refined"), "other tensors than its raw outputs"),
        (replace(NODE, iou_threshold=np.float32(0.5)), "other limits for each class"),
        (replace(NODE, score_threshold=np.float32(0)), "other limits for each class"),
        (replace(NODE, max_boxes=np.int32(99)), "other limits for each class"),
        (replace(NODE, iou_threshold=None), "limits of its NMS are no constants"),
        (replace(NODE, score_threshold=None), "limits of its NMS are no constants"),
        (replace(NODE, max_boxes=None), "limits of its NMS are no constants"),
        (replace(NODE, sigma=np.float32(0.5)), "lowers scores beside better boxes"),
        (replace(NODE, sigma=None), "lowers scores beside better boxes"),
    ],
)
def test_one_class_with_an_nms_of_its_own_keeps_a_graph_whole(node: NmsNode, said: str) -> None:
    assert said in why_whole(OUTPUTS, [*NODES[:-1], node], PARAMETERS)


#: What the graph of `tail` does, where the config says what its caller says.
PADDED = Resizer((64, 64), 64)
TRUE = PostProcessing(
    CLASSES, float(np.float32(1e-8)), float(np.float32(0.6)), 20, 30, PADDED, drop_empty=False
)


def tail(image, boxes, scores, does=TRUE, changed=1.0):
    raw_boxes, raw_scores = boxes.reshape(-1, 4), scores.reshape(-1, CLASSES + 1)
    found = postprocess(raw_boxes, raw_scores, image.shape[:2], does)
    found["detection_boxes"] = found["detection_boxes"] * np.float32(changed)
    # The exporter fills up.
    found = {
        name: np.concatenate([v, v[:, :1] * 0], 1) if v.ndim > 1 else v for name, v in found.items()
    }
    return {**found, RAW_BOXES: raw_boxes[None], RAW_SCORES: raw_scores[None]}


def found_by(does, known=TRUE, outputs=OUTPUTS, **changes):
    node = NmsNode(
        "boxes",
        "scores",
        np.int32(does.max_per_class),
        np.float32(does.iou_threshold),
        np.float32(does.score_threshold),
        np.float32(0),
    )
    return find_postprocessing(
        outputs, [node] * CLASSES, known, partial(tail, does=does, **changes)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"max_total": 20},
        {"max_total": 100},
        {"max_per_class": 5, "max_total": 300},
        {"score_threshold": 0.3},
        {"iou_threshold": 0.5},
        {"num_classes": 4},
        {"change_frame": False},
    ],
    ids=str,
)
def test_what_the_config_says_otherwise_the_graph_says(wrong) -> None:
    assert found_by(TRUE, replace(TRUE, **wrong)) == (TRUE, "")


@pytest.mark.parametrize(
    "does",
    [
        {"max_total": 7},
        {"max_per_class": 7},
        {"score_threshold": float(np.float32(0.5))},
        {"iou_threshold": float(np.float32(0.3))},
        {"change_frame": False},
        {"drop_empty": True},
        {"resizer": None},
    ],
    ids=str,
)
def test_what_a_graph_does_is_found_whatever_the_config_says(does) -> None:
    does = replace(TRUE, **does)
    assert found_by(does) == (does, "")


def test_a_window_that_is_not_the_config_s_keeps_a_graph_whole() -> None:
    known = replace(TRUE, resizer=Resizer((64, 64), 32))
    assert "another thing than the exporter's" in found_by(TRUE, known)[1]


def test_other_boxes_or_other_raw_outputs_keep_a_graph_whole() -> None:
    assert "another thing than the exporter's" in found_by(TRUE, changed=1.001)[1]
    turned = replace(BOXES, root_sizes=(4, ANCHORS))
    assert "a way of their own" in found_by(TRUE, outputs={**OUTPUTS, RAW_BOXES: turned})[1]
    flat = replace(BOXES, root_sizes=(4 * ANCHORS,))
    assert "a way of their own" in found_by(TRUE, outputs={**OUTPUTS, RAW_BOXES: flat})[1]


def test_anchors_in_columns_and_of_any_number_are_tried_too() -> None:
    turned = replace(BOXES, root_sizes=(4, ANCHORS))

    def of_columns(image, boxes, scores):
        assert boxes.shape == (4, ANCHORS)
        return tail(image, np.ascontiguousarray(boxes.T), scores)

    outputs = {**OUTPUTS, RAW_BOXES: turned}
    assert find_postprocessing(
        outputs, [replace(NODE, max_boxes=np.int32(20))] * CLASSES, TRUE, of_columns
    ) == (TRUE, "")
    free = {
        RAW_BOXES: RawOutput("boxes", (1, None, 4), (None, 4), choice=False),
        RAW_SCORES: RawOutput(
            "scores", (1, None, CLASSES + 1), (1, None, CLASSES + 1), choice=False
        ),
    }
    assert why_whole(free, NODES, PARAMETERS) == ""
    assert found_by(TRUE, outputs=free) == (TRUE, "")
    chosen = {**free, RAW_BOXES: replace(free[RAW_BOXES], choice=True)}
    assert "a choice out of more" in why_whole(chosen, NODES, PARAMETERS)


def test_an_end_that_can_t_be_run_alone_keeps_a_graph_whole() -> None:
    def fails(*given):
        raise RuntimeError("no such shape\nat ...")

    reason = find_postprocessing(OUTPUTS, NODES, TRUE, fails)[1]
    assert reason == "its post-processing can't be tried alone: no such shape"
