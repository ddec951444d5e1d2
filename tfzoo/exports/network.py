"""What is exported: a model's network on images of one size, and how its pixels come to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tfzoo.decode.frame import Frame
from tfzoo.detections.types import Detections
from tfzoo.errors import ModelFormatError
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.frozen_graph import cut_network
from tfzoo.prepare.graph_part import Part
from tfzoo.prepare.pipeline_config import find_config
from tfzoo.prepare.postprocess import PostProcessing
from tfzoo.prepare.preprocess import Preprocessing
from tfzoo.store.models import StoredModel

if TYPE_CHECKING:
    import tensorflow as tf


#: What a CenterNet for keypoints gives beside its boxes: [1, N, K, 2] (y, x in parts of the image)
#: and [1, N, K].
KEYPOINTS = ("detection_keypoints", "detection_keypoint_scores")
#: See `most_listed`.
_SPARE = 2


@dataclass(frozen=True)
class Network:
    """A model's network on images of one size.

    Attributes:
        model: From the store.
        part: Its graph, from a normalised image on.
        cut: What its graph leaves to do outside.
        before: From an image to the network's pixels.
        size: Height and width of its input in pixels.
    """

    model: StoredModel
    part: Part
    cut: Cut
    before: Preprocessing
    size: tuple[int, int]

    def frame(self, image_size: tuple[int, int]) -> Frame:
        """Where an image lies in its input; its height and width in pixels."""
        return Frame(image_size, self.size, self.before.resizer.content_size(image_size))

    def normalised(self, pixels: tf.Tensor) -> tf.Tensor:
        """Pixels [1, h, w, 3] RGB of 0 to 255 as the network takes them."""
        import tensorflow as tf

        if self.before.order != (0, 1, 2):
            pixels = tf.gather(pixels, self.before.order, axis=3)
        return pixels * np.array(self.before.scale, np.float32) + np.array(
            self.before.offset, np.float32
        )

    def true_shape(self) -> list[tf.Tensor]:
        """What else it takes: that an image fills all of its input."""
        import tensorflow as tf

        return [tf.constant([[*self.size, 3]])] if self.cut.true_shapes else []


def network_of(model: StoredModel, min_score: float = 0.0) -> Network:
    """A model's network.

    Args:
        model: From the store.
        min_score: What its post-processing leaves out, where that is more than it does itself.

    Raises:
        ModelFormatError: It is of a kind that can't be cut so, with the reason.
    """
    part, cut, note = cut_network(model.path, find_config(model.path, model.spec))
    before = cut.before
    if before is None or not before.resizer.pad:
        raise ModelFormatError(
            f"{model.id} has no network of one size of images ({note}); expected an SSD, "
            "EfficientDet or CenterNet with its pipeline.config beside it"
        )
    second_stage = cut.after is None and "raw_detection_boxes" in part.ends
    if second_stage:
        raise ModelFormatError(
            f"{model.id} can't be exported so: {note}. What a two-stage detector does between its "
            "stages no other runtime is proven to do the same; expected an SSD, EfficientDet or "
            "CenterNet"
        )
    if cut.after is not None:
        threshold = max(cut.after.score_threshold, min_score)
        cut = replace(cut, after=replace(cut.after, score_threshold=threshold))
    return Network(model, part, cut, before, before.resizer.size)


def most_listed(after: PostProcessing) -> int:
    """How many detections an export lists that does not know how much of its input is padding.

    What lies there alone is dropped by who reads it, and takes no place of another's.
    """
    padded = after.resizer is not None and after.resizer.min_dimension is not None
    return after.max_total * (_SPARE if after.drop_empty and padded else 1)


def within_image(found: Detections, after: PostProcessing | None) -> Detections:
    """What an export finds, without what lies beside the image alone, in the padding.

    Args:
        found: In an image, clipped to it.
        after: What the exporter does after the network.
    """
    if after is None or not after.drop_empty:
        return found
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    return found[np.asarray((sides > 0).all(axis=1))][: after.max_total]


def pixels_of(before: Preprocessing) -> Preprocessing:
    """From an image to the pixels that a normalising graph takes: resized, padded, no more.

    Args:
        before: What leads from an image to the normalised input.
    """
    padding = [0.0, 0.0, 0.0]
    for channel, source in enumerate(before.order):
        if before.scale[channel]:
            value = (before.padding[channel] - before.offset[channel]) / before.scale[channel]
            padding[source] = float(f"{value:.7g}")
    red, green, blue = padding
    return replace(
        before, order=(0, 1, 2), scale=(1, 1, 1), offset=(0, 0, 0), padding=(red, green, blue)
    )


def what_goes_in(before: Preprocessing, dtype: str) -> str:
    """In words, what the input of a normalising graph takes.

    Args:
        before: What leads from an image to the normalised input.
        dtype: Of the pixels.
    """
    height, width = before.resizer.size
    takes = f"takes {dtype} [1,{height},{width},3], RGB pixels of 0 to 255 sampled by their "
    takes += "centres, " if before.half_pixel else "corners, "
    if before.resizer.min_dimension is None:
        return takes + "the image stretched to it"
    filled = ", ".join(f"{value:.4g}" for value in pixels_of(before).padding)
    return takes + f"the image's aspect kept, in the upper left corner; the rest is {filled}"
