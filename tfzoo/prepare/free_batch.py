"""The batch of a frozen network freed: an export of batch 1 made to take any number of images."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo.prepare.graph_part import Part, tensor_specs
from tfzoo.prepare.preprocess import Preprocessing

if TYPE_CHECKING:
    import tensorflow as tf

#: How far an image's outputs may be off in a batch, as a part of the output's range.
BATCH_TOLERANCE = 1e-4


def with_free_batch(network: Part, before: Preprocessing, loops: bool) -> Any:
    """The network as a function of any number of images, or None where each must come alone.

    What follows the convolutions of an export of batch 1 knows of one image only, in many ways. So
    it is mapped over the images: all at once, or where something in it can't be vectorised (the
    search for keypoints of those that are persons), one after the other. The convolutions are
    freed of the 1 in the shapes among them. Whether nothing else holds the images together, a
    batch tells: each must come out as it does alone.
    """
    import tensorflow as tf

    features = _last_convolutions(network)
    shapes = network.starts[1:]
    ends = {feature.name: feature for feature in features}
    try:
        body = replace(network, starts=network.starts[:1], ends=ends, free_batch=True).function()
        tail = replace(network, starts=[*features, *shapes]).function()
    except ValueError:  # Such as a second stage, whose convolutions run over proposals.
        return None
    found = {
        name: tf.TensorSpec(value.shape[1:], value.dtype)
        for name, value in tail.structured_outputs.items()
    }

    def decode(values: list[tf.Tensor]) -> dict[str, tf.Tensor]:
        return {n: v[0] for n, v in tail(*(value[tf.newaxis] for value in values)).items()}

    ways: list[Any] = [partial(tf.vectorized_map, fallback_to_while_loop=False)]
    if loops:
        ways.append(partial(tf.map_fn, fn_output_signature=found))
    for way in ways:

        def run(images: tf.Tensor, *true_shapes: tf.Tensor, way: Any = way) -> Any:
            return way(decode, [*body(images).values(), *true_shapes])

        try:
            with _silence():
                freed = tf.function(run, autograph=False).get_concrete_function(
                    *tensor_specs(network.starts, None)
                )
            if _same_in_a_batch(network.function(), freed, before, bool(shapes)):
                return freed
        except (ValueError, TypeError, tf.errors.OpError):
            continue
    return None


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps TensorFlow from telling at length of what it can't vectorise."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _same_in_a_batch(one: Any, many: Any, before: Preprocessing, true_shapes: bool) -> bool:
    """Whether images in a batch come out as each does alone."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (90 + 10 * i, 120, 3), dtype=np.uint8) for i in range(3)]
    given = [np.stack([before(picture) for picture in pictures])]
    if true_shapes:
        given.append(np.stack([before.true_shape(picture) for picture in pictures]))
    together = many(*map(tf.constant, given))
    for i in range(len(pictures)):
        for name, value in one(*(tf.constant(values[i : i + 1]) for values in given)).items():
            expected, got = value.numpy()[0], together[name].numpy()
            if got.shape != (len(pictures), *expected.shape):
                return False
            if np.abs(got[i] - expected).max() > BATCH_TOLERANCE * max(1.0, np.ptp(expected)):
                return False
    return True


def _last_convolutions(network: Part) -> list[tf.Tensor]:
    """The outputs of the convolutions that nothing but decoding follows."""
    seen = {start.name for start in network.starts}
    waiting = list(network.ends.values())
    found = {}
    while waiting:
        port = waiting.pop()
        if port.name in seen:
            continue
        seen.add(port.name)
        if port.op.type in ("Conv2D", "DepthwiseConv2dNative"):
            found[port.name] = port
        else:
            waiting += port.op.inputs
    return list(found.values())
