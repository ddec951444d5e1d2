"""A small CenterNet: objects as points, with boxes and person keypoints.

Zhou, Wang and Krähenbühl, "Objects as Points", 2019 (arXiv 1904.07850), over a plain residual
backbone with a feature pyramid (Lin et al., arXiv 1612.03144). Boxes are read as distances from
the centre's cell to the four sides and learned around the centre too, as in Liu et al.,
"Training-Time-Friendly Network", 2019 (arXiv 1909.00700): it learns several times faster.
"""

from __future__ import annotations

import itertools
from typing import Any

import keras

from demo_model import IMAGE_SIZE, STRIDE
from demo_model.things import CATEGORIES
from tfzoo.detections.labels import KEYPOINTS

GRID = IMAGE_SIZE // STRIDE
"""Side of the heads' maps, cells."""

HEADS: dict[str, int] = {
    "centres": len(CATEGORIES),  # logits: is here the centre of a thing of each category?
    "boxes": 4,  # distances from the cell up, left, down and right, cells
    "joints": 2 * len(KEYPOINTS),  # from the cell to each keypoint, y then x, cells
    "joint_centres": len(KEYPOINTS),  # logits: is here a keypoint of each kind?
    "joint_offsets": 2,  # from the cell's corner to the keypoint in it, y then x, cells
}
"""Name and number of channels of each head; all maps are [batch, GRID, GRID, channels]."""
_REACH = 8.0  # cells; what a head's raw output of about 1 stands for


class FusedNormalization(keras.layers.Layer):  # type: ignore[misc]
    """Batch normalization by TensorFlow's fused kernel.

    Keras 3 computes it from single operations, which makes a step a third slower here.
    """

    epsilon = 1e-3
    momentum = 0.97

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights, in the order of Keras' own layer."""
        size = (shape[-1],)
        self.gamma = self.add_weight(shape=size, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=size, initializer="zeros", name="beta")
        self.mean = self.add_weight(
            shape=size, initializer="zeros", trainable=False, name="moving_mean"
        )
        self.variance = self.add_weight(
            shape=size, initializer="ones", trainable=False, name="moving_variance"
        )

    def call(self, x: Any, training: bool = False) -> Any:
        """Normalize by the batch while training, else by the moving averages."""
        import tensorflow as tf

        moving = {} if training else {"mean": self.mean.value, "variance": self.variance.value}
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x,
            self.gamma.value,
            self.beta.value,
            **moving,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            self.mean.assign(self.momentum * self.mean + (1 - self.momentum) * mean)
            self.variance.assign(self.momentum * self.variance + (1 - self.momentum) * variance)
        return y


def build(normalized: bool = True) -> keras.Model:
    """Build the network.

    Args:
        normalized: with batch normalization, as it is trained; or without, for the weights that
            ``fold`` gives.

    Returns:
        A model from float32 [batch, 256, 256, 3], 0..255, to a dict of the maps in ``HEADS``.
    """
    layers = keras.layers
    numbers = itertools.count()

    def convolve(x: Any, filters: int, kernel: int = 3, strides: int = 1, relu: bool = True) -> Any:
        number = next(numbers)
        x = layers.Conv2D(
            filters,
            kernel,
            strides,
            "same",
            use_bias=not normalized,
            kernel_initializer="he_normal",
            name=f"convolution_{number}",
        )(x)
        if normalized:
            x = FusedNormalization(name=f"normalization_{number}")(x)
        return layers.ReLU()(x) if relu else x

    def residual(x: Any, filters: int) -> Any:
        y = convolve(convolve(x, filters), filters, relu=False)
        return layers.ReLU()(layers.Add()([x, y]))

    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    x = convolve(layers.Rescaling(1 / 127.5, offset=-1.0)(image), 32, 8, STRIDE)
    stride4 = convolve(x, 32)
    stride8 = residual(convolve(stride4, 48, strides=2), 48)
    stride16 = residual(convolve(stride8, 80, strides=2), 80)
    x = residual(convolve(stride16, 112, strides=2), 112)
    for level, filters in ((stride16, 64), (stride8, 48), (stride4, 32)):
        x = layers.UpSampling2D(2)(convolve(x, filters, 1))
        x = layers.Add()([x, convolve(level, filters, 1, relu=False)])
        x = convolve(layers.ReLU()(x), filters)
    things, pose = convolve(x, 32), convolve(x, 48)

    outputs = {}
    for name, channels in HEADS.items():
        raw = layers.Conv2D(
            channels,
            1,
            name=f"{name}_raw",
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            # The bias of focal loss: "almost nowhere" is the state to start from.
            bias_initializer=keras.initializers.Constant(-4.0 if "centres" in name else 0.0),
        )(pose if name.startswith("joint") else things)
        if name == "boxes":
            raw = layers.Activation("softplus")(raw)
        if name in ("boxes", "joints"):
            raw = layers.Rescaling(_REACH)(raw)
        outputs[name] = raw
    return keras.Model(image, outputs, name="demo_centernet")


def fold(trained: keras.Model) -> keras.Model:
    """Work the batch normalizations into the convolutions: the same function, fewer parts."""
    folded = build(normalized=False)
    for layer in folded.layers:
        if not layer.weights:
            continue
        weights = trained.get_layer(layer.name).get_weights()
        if layer.name.startswith("convolution"):
            normalization = trained.get_layer(layer.name.replace("convolution", "normalization"))
            gamma, beta, mean, variance = normalization.get_weights()
            gain = gamma / (variance + normalization.epsilon) ** 0.5
            weights = [weights[0] * gain, beta - mean * gain]
        layer.set_weights(weights)
    return folded
