"""Exports that decode images in their graph: what they take, and the graph behind the decoder.

The exporter's `encoded_image_string_tensor` and `tf_example` map a decoder over the strings of a
batch; behind it, the graph is that of `image_tensor`. Other runtimes have no such decoder, and ours
reads more formats: so a form begins at the pixels, where they are seen to be those that went in.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfzoo.errors import ModelFormatError
from tfzoo.images.encoded import as_string
from tfzoo.prepare.graph_part import Part, behind

if TYPE_CHECKING:
    import tensorflow as tf

_DECODERS = re.compile(rb"Decode(Image|Jpeg|Png|AndCropJpeg)")
_EXAMPLES = re.compile(rb"Parse(Single)?Example(V2)?")


def decodes_images(folder: Path) -> bool:
    """Whether a SavedModel has a decoder of images, for its own input or another."""
    return _DECODERS.search((folder / "saved_model.pb").read_bytes()) is not None


def takes_examples(folder: Path) -> bool:
    """Whether what a SavedModel takes as a string is a `tf.train.Example`, not an image's file."""
    return _EXAMPLES.search((folder / "saved_model.pb").read_bytes()) is not None


def past_decoder(part: Part, source: Path) -> Part:
    """A graph from its pixels on, uint8 [N, H, W, 3], in place of the strings they come from.

    Args:
        part: The whole graph.
        source: The SavedModel folder.

    Raises:
        ModelFormatError: Nothing in the graph is seen to be the pixels of what it is given.
    """
    for pixels in _pixels(part):
        if _are_those_given(part, pixels, takes_examples(source)):
            pixels.set_shape([part.starts[0].shape[0], None, None, 3])
            return replace(part, starts=[pixels])
    raise ModelFormatError(
        f"{source} takes images as strings, and nothing in its graph is seen to be the pixels that "
        "come of them: only TensorFlow can run it (--runtime tensorflow)"
    )


def _pixels(part: Part) -> list[tf.Tensor]:
    """Tensors that may be the decoded images: all that is found depends on the strings by them."""
    import tensorflow as tf

    start = part.starts[0].name
    ends = list(part.ends.values())
    wanted = behind(ends)
    return [
        port
        for op in part.starts[0].graph.get_operations()
        for port in op.outputs
        if port.dtype == tf.uint8
        and port.name in wanted
        and port.shape.is_compatible_with([None, None, None, 3])
        and start not in behind(ends, past={port.name})
    ]


def _are_those_given(part: Part, pixels: tf.Tensor, examples: bool) -> bool:
    import tensorflow as tf

    decode = replace(part, ends={"pixels": pixels}).function()
    random = np.random.default_rng(0)
    for size in ((31, 57), (64, 20)):
        image = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        try:
            found = decode(tf.constant(as_string(image, None, examples)))["pixels"].numpy()
        except tf.errors.OpError:
            return False
        if not np.array_equal(found, image[None]):
            return False
    return True
