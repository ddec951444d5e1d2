"""A network's boxes before they are decoded: what mobile runtimes decode themselves, and quantise.

The Object Detection API tells a box by its difference from an anchor (box_coders/
faster_rcnn_box_coder.py): y = ty / s * ha + ya, h = exp(th / s) * ha, and likewise across. Which
tensor of a graph that is, and of what anchors, is told by what the graph makes of given values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tfzoo.prepare.graph_part import Part, behind
from tfzoo.prepare.postprocess import RAW_BOXES, Floats

if TYPE_CHECKING:
    import tensorflow as tf

#: Most that a box may be off, in parts of the input.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class BoxEncodings:
    """Where a network's boxes are still encoded, and how they are decoded.

    Attributes:
        tensor: The encodings, float32 [1, A, 4] or [A, 4]: ty, tx, th, tw.
        anchors: float32 [A, 4]: middle y and x, height and width, in parts of the input.
        scales: What ty, tx, th and tw are divided by.
    """

    tensor: tf.Tensor
    anchors: Floats
    scales: tuple[float, float, float, float]


def find_encodings(network: Part) -> BoxEncodings | None:
    """Where a network's boxes are still encoded; None where no tensor of it is proven to be that.

    Args:
        network: Cut at its raw outputs, taking images of one size.
    """
    boxes = network.ends[RAW_BOXES]
    starts = {start.name for start in network.starts}
    count = boxes.shape[1]
    if count is None:
        return None
    inside = behind([boxes], starts)
    ports = [
        port
        for op in boxes.graph.get_operations()
        for port in op.outputs
        if port.name in inside
        and port.name not in starts
        and port.shape.rank is not None
        and port.shape.as_list() in ([1, count, 4], [count, 4])
    ]
    for port in ports:
        # All that the image says of the boxes goes through it, from the first such tensor on.
        if starts & behind([port]) and not starts & behind([boxes], {port.name}):
            return _decoding(network, port, count)
    return None


def _decoding(network: Part, port: tf.Tensor, count: int) -> BoxEncodings | None:
    """How a graph decodes a tensor, or None where that is another way."""
    import tensorflow as tf

    run = replace(network, starts=[port], ends={RAW_BOXES: network.ends[RAW_BOXES]}).function()

    def decoded(codes: NDArray[np.float32]) -> NDArray[np.float64]:
        given = tf.constant(codes.reshape(port.shape.as_list()))
        found: NDArray[np.float64] = run(given)[RAW_BOXES].numpy()[0].astype(np.float64)
        return _centred(found)

    anchors = decoded(np.zeros((count, 4), np.float32))
    if not (anchors[:, 2:] > 0).all():
        return None
    ones = decoded(np.ones((count, 4), np.float32))
    with np.errstate(all="ignore"):
        moved = anchors[:, 2:] / (ones[:, :2] - anchors[:, :2])
        grown = 1 / np.log(ones[:, 2:] / anchors[:, 2:])
        scales = np.median(np.concatenate([moved, grown], axis=1), axis=0)
    if not np.isfinite(scales).all() or (scales <= 0).any():
        return None
    scales = np.array([float(f"{scale:.5g}") for scale in scales])
    # Proven on what networks give: boxes within some sizes of their anchors.
    codes = np.random.default_rng(0).normal(0, 2, (count, 4)).astype(np.float32)
    offsets = codes / scales
    wanted = np.concatenate(
        [
            anchors[:, :2] + offsets[:, :2] * anchors[:, 2:],
            anchors[:, 2:] * np.exp(offsets[:, 2:]),
        ],
        axis=1,
    )
    if np.abs(decoded(codes) - wanted).max() > _TOLERANCE * max(1.0, np.abs(wanted).max()):
        return None
    ty, tx, th, tw = map(float, scales)
    return BoxEncodings(port, anchors.astype(np.float32), (ty, tx, th, tw))


def _centred(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes [A, 4] of y0, x0, y1, x1 as middle y and x, height and width."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1)
