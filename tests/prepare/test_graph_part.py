"""Parts of a frozen graph: as functions of their own, of one image or of any number."""

import numpy as np

from tfzoo.prepare.frozen_graph import _constant
from tfzoo.prepare.graph_part import Part


def test_what_is_told_a_shape_for_one_image_takes_any_number_of_them() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(2)
    kernel = rng.normal(size=(2, 2, 3, 3)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [1, 4, 4, 3], "image")
        larger = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=[1, 8, 8, 3],
            filter=kernel,
            out_backprop=image,
            strides=[1, 2, 2, 1],
            padding="SAME",
        )
        rows = tf.reshape(larger, [1, 64, 3])
    part = Part(graph.as_graph_def(), [image], {"larger": larger, "rows": rows})
    alone = part.function()
    together = Part(part.graph_def, part.starts, part.ends, free_batch=True).function()
    images = tf.constant(rng.normal(size=(3, 4, 4, 3)), tf.float32)
    found = together(images)
    assert found["larger"].shape == (3, 8, 8, 3)
    assert found["rows"].shape == (3, 64, 3)
    for i in range(3):
        for name, value in alone(images[i : i + 1]).items():
            np.testing.assert_allclose(found[name][i], value[0], atol=1e-5)


def test_a_constant_is_read_past_what_only_hands_it_on() -> None:
    import tensorflow as tf

    with tf.Graph().as_default():
        number = tf.identity(tf.identity(tf.constant([0.5])))
        several = tf.identity(tf.constant([1, 2]))
        unknown = tf.identity(tf.compat.v1.placeholder(tf.float32, []))
    assert _constant(number) == 0.5
    assert _constant(several).tolist() == [1, 2]
    assert _constant(unknown) is None
