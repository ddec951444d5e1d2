"""What a graph's own post-processing does, read off its NMS nodes and proven by trial.

A `pipeline.config` beside a model need not be the one it was exported with. So the limits are those
of the graph's nodes, and what follows the nodes is told by trial: raw outputs made up for the
purpose go through the end of the graph, and through `postprocess`, which must give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from tfzoo.errors import ModelFormatError
from tfzoo.images.image import Image
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, Floats, PostProcessing, postprocess

Sizes = tuple[int | None, ...]

#: The end of a graph: an image, and what its raw outputs are rearrangements of (boxes and scores),
#: to its outputs.
Tail = Callable[[Image, Floats, Floats], Mapping[str, Floats]]

#: The number of anchors that a graph has for an image.
Count = Callable[[Image], int]

#: What both ends must give alike.
DETECTIONS = ("num_detections", "detection_boxes", "detection_scores", "detection_classes")

#: How far boxes (in parts of the image) and scores may be off.
_TOLERANCE = 1e-5

# Square, wide and high: padding is to the right, or below.
_TRIAL_SIZES = ((96, 96), (60, 160), (160, 60))

# Anchors of a trial where their number depends on the image, and those that have scores.
_FREE_ANCHORS, _WITH_SCORES = 600, 400


@dataclass(frozen=True)
class RawOutput:
    """A raw output of a graph.

    Attributes:
        root: Name of the tensor that it is a rearrangement of.
        sizes: Its shape, None for sizes that are not fixed; None where not even their number is.
        root_sizes: That tensor's shape, likewise.
        choice: Whether it may be a choice out of that tensor.
    """

    root: str
    sizes: Sizes | None
    root_sizes: Sizes | None
    choice: bool = True


@dataclass(frozen=True)
class NmsNode:
    """One class's NMS in a graph.

    Attributes:
        boxes: Name of the tensor that its boxes are a rearrangement of; None within a loop, where
            that is not followed: then trial alone tells.
        scores: The same of its scores.
        max_boxes: Most boxes it gives, all of them apart; None where it is no constant.
        iou_threshold: Its limit as float32, likewise.
        score_threshold: Likewise.
        sigma: Likewise: how scores fall beside better boxes, 0 where those are suppressed.
    """

    boxes: str | None
    scores: str | None
    max_boxes: Any
    iou_threshold: Any
    score_threshold: Any
    sigma: Any


def why_whole(
    outputs: Mapping[str, RawOutput],
    nodes: Sequence[NmsNode],
    parameters: PostProcessing | None,
) -> str:
    """Why a graph can't be cut before its NMS; empty where its structure allows it.

    A graph is cut only where its NMS nodes, one a class, are seen to work on just what it returns
    as `raw_detection_boxes` and `raw_detection_scores`, with limits that it says itself.
    Two-stage models fail here: their NMS works on boxes of each class, which they do not return.

    Args:
        outputs: Of the graph, by name.
        nodes: All NMS nodes of the graph.
        parameters: The model's post-processing as its config has it, where it is known.
    """
    if not {RAW_BOXES, RAW_SCORES} <= set(outputs):
        return f"it has no {RAW_BOXES}"
    if parameters is None:
        return "the parameters of its post-processing are not known"
    boxes, scores = outputs[RAW_BOXES], outputs[RAW_SCORES]
    for raw in (boxes, scores):
        if not raw.sizes or len(raw.sizes) != 3 or raw.sizes[0] != 1 or raw.sizes[2] is None:
            return f"its {RAW_BOXES} have no fixed shape"
    columns = scores.sizes[2] if scores.sizes else None
    if columns not in (len(nodes), len(nodes) + 1) or not nodes:
        return f"it has {len(nodes)} NMS nodes for {columns} columns of scores"
    if any(_is_choice(raw) for raw in (boxes, scores)):
        return "its raw outputs are a choice out of more"
    first = nodes[0]
    for node in nodes:
        inside = node.boxes is None and node.scores is None
        if not inside and (node.boxes, node.scores) != (boxes.root, scores.root):
            return "its NMS works on other tensors than its raw outputs"
        limits = (node.max_boxes, node.iou_threshold, node.score_threshold)
        if None in limits:
            return "the limits of its NMS are no constants"
        if limits != (first.max_boxes, first.iou_threshold, first.score_threshold):
            return "its NMS has other limits for each class"
        if node.sigma != 0:
            return "its NMS lowers scores beside better boxes"
    return ""


def _is_choice(raw: RawOutput) -> bool:
    if raw.sizes is None or raw.root_sizes is None:
        return True
    if None in raw.sizes or None in raw.root_sizes:
        return raw.choice
    return bool(np.prod(np.array(raw.sizes)) != np.prod(np.array(raw.root_sizes)))


def find_postprocessing(
    outputs: Mapping[str, RawOutput],
    nodes: Sequence[NmsNode],
    known: PostProcessing,
    tail: Tail,
    count: Count = lambda image: _FREE_ANCHORS,
) -> tuple[PostProcessing | None, str]:
    """What the end of a graph does, told from what comes of raw outputs made up for it.

    Args:
        outputs: Of a graph that `why_whole` has nothing against.
        nodes: All its NMS nodes.
        known: As the model's config has it; where the graph says another thing, the graph counts.
        tail: The end of the graph.
        count: How many anchors it has for an image, where their number is free and counts.

    Returns:
        The same in numpy, or None; and in a sentence why not.
    """
    node = nodes[0]
    limits = replace(
        known,
        num_classes=len(nodes),
        score_threshold=float(node.score_threshold),
        iou_threshold=float(node.iou_threshold),
        max_per_class=int(node.max_boxes),
    )
    try:
        trials = list(_trials(outputs, limits, tail, count))
    except (RuntimeError, ValueError, ModelFormatError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return None, f"its post-processing can't be tried alone: {reason}"
    if not trials:
        return None, "its raw outputs are laid out in a way of their own"
    # The first has more boxes apart from each other than any graph returns.
    limits = replace(limits, max_total=int(trials[0][1]["num_detections"].ravel()[0]))
    frames = (known.change_frame, not known.change_frame)
    for resizer, frame, drop in product(
        dict.fromkeys((known.resizer, None)), frames, (True, False)
    ):
        found = replace(limits, resizer=resizer, change_frame=frame, drop_empty=drop)
        if all(_same(image, expected, found) for image, expected in trials):
            return found, ""
    return None, "what follows its NMS is another thing than the exporter's post-processing"


def _trials(
    outputs: Mapping[str, RawOutput], limits: PostProcessing, tail: Tail, count: Count
) -> Iterator[tuple[Image, Mapping[str, Floats]]]:
    """Images with what the end of the graph gives for raw outputs made up for each.

    There are none where the raw outputs do not come out of it as they went in.
    """
    boxes, scores = outputs[RAW_BOXES], outputs[RAW_SCORES]
    assert boxes.sizes is not None and scores.sizes is not None and scores.sizes[2] is not None
    rng = np.random.default_rng(0)
    for i, size in enumerate(_TRIAL_SIZES):
        image = np.zeros((*size, 3), dtype=np.uint8)
        anchors = boxes.sizes[1] or scores.sizes[1] or count(image)
        made_boxes = _boxes_apart(anchors) if i == 0 else _boxes(rng, anchors)
        made_scores = _scores(rng, anchors, scores.sizes[2], limits)
        laid_out = (
            _laid_out(made_boxes, boxes.root_sizes),
            _laid_out(made_scores, scores.root_sizes),
        )
        if laid_out[0] is None or laid_out[1] is None:
            return
        found = tail(image, laid_out[0], laid_out[1])
        if not (
            np.array_equal(found[RAW_BOXES][0], made_boxes)
            and np.array_equal(found[RAW_SCORES][0], made_scores)
        ):
            return
        yield image, found


def _boxes_apart(anchors: int) -> Floats:
    """Boxes [A, 4] that lie apart from each other, in a corner that is never padding."""
    side = int(np.ceil(anchors**0.5))
    rows, columns = np.divmod(np.arange(anchors), side)
    corners = np.stack([rows, columns, rows + 0.5, columns + 0.5], axis=1) / (4 * side)
    return corners.astype(np.float32)


def _boxes(rng: np.random.Generator, anchors: int) -> Floats:
    """Boxes [A, 4] of all sizes, many on top of others, some outside of the image."""
    centers = rng.uniform(-0.1, 1.1, (anchors, 2))
    sizes = rng.uniform(0, 0.4, (anchors, 2)) * rng.uniform(0, 1, (anchors, 1))
    near = rng.integers(0, anchors, anchors // 2)
    centers[: len(near)] = centers[near] + rng.normal(0, 0.02, (len(near), 2))
    sizes[: len(near)] = sizes[near]
    return np.concatenate([centers - sizes, centers + sizes], axis=1).astype(np.float32)


def _scores(rng: np.random.Generator, anchors: int, columns: int, limits: PostProcessing) -> Floats:
    """Scores [A, columns]: those of one class better than all others, and some below the limit."""
    scores = np.zeros((anchors, columns), dtype=np.float32)
    chosen = rng.permutation(anchors)[: max(_WITH_SCORES, 2 * limits.max_per_class)]
    scores[chosen] = rng.uniform(0, 0.6, (len(chosen), columns))
    best = columns - limits.num_classes + int(rng.integers(limits.num_classes))
    scores[chosen, best] = rng.uniform(0.6, 1, len(chosen))
    threshold = np.float32(limits.score_threshold)
    scores[chosen[:20]] = rng.uniform(0.9, 1.1, (len(chosen[:20]), columns)) * threshold
    return scores


def _laid_out(values: Floats, sizes: Sizes | None) -> Floats | None:
    """Rows of values in the shape of a tensor that holds them, in rows or in columns."""
    if sizes is None:
        return None
    length = values.shape[1]
    known = [size for size in sizes if size is not None]
    if sizes[-1] == length:
        pass
    elif sizes[0] == length:
        values = values.T
    else:
        return None
    # Free sizes: the first may be of the batch, another is the anchors'.
    free = sizes.count(None)
    if free > 1 or (free == 0 and int(np.prod(known)) != values.size):
        return None
    return np.ascontiguousarray(values).reshape([-1 if size is None else size for size in sizes])


def _same(image: Image, expected: Mapping[str, Floats], parameters: PostProcessing) -> bool:
    boxes, scores = expected[RAW_BOXES][0], expected[RAW_SCORES][0]
    got = postprocess(boxes, scores, (image.shape[0], image.shape[1]), parameters)
    count = int(expected["num_detections"].ravel()[0])
    if int(got["num_detections"][0]) != count:
        return False
    for name in DETECTIONS[1:]:
        one, other = got[name][0], expected[name][0][:count]
        if one.shape != other.shape or np.abs(one - other).max(initial=0) > _TOLERANCE:
            return False
    return True
