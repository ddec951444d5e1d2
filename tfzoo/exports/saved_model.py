"""To a SavedModel for TensorFlow Serving: frozen, of any batch, with the exporter's names.

Before and after the network stands what `tfzoo.prepare.preprocess` and `postprocess` do outside of
prepared graphs, in TensorFlow's operations, for all images of a batch at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo.exports.source import Source, Written
from tfzoo.loading import detector_of
from tfzoo.prepare.cut import WHOLE, Cut
from tfzoo.prepare.free_batch import with_free_batch
from tfzoo.prepare.frozen_graph import cut_network, freeze
from tfzoo.prepare.pipeline_config import find_config
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, PostProcessing
from tfzoo.prepare.preprocess import Preprocessing
from tfzoo.runtimes.runtime import open_runtime
from tfzoo.runtimes.tensorflow import quiet_absl

if TYPE_CHECKING:
    import tensorflow as tf

_INPUT = "input_tensor"
#: Boxes that lie outside of the image are dropped after the suppression: so many times the
#: detections wanted are kept until then.
_SPARE = 2


def write_saved_model(source: Source, folder: Path) -> Written:
    """Writes a model as a folder with a SavedModel in its first version, `1/`.

    Args:
        source: What is exported.
        folder: Where to.

    Raises:
        ModelFormatError: TensorFlow can't freeze it.
    """
    import tensorflow as tf

    model = source.model
    network, cut, _ = cut_network(model.path, find_config(model.path, model.spec))
    freed = cut.before and with_free_batch(network, cut.before, loops=True)
    if freed:
        function = _whole(freed, cut, source.settings.min_score)
        images = "any number of images of one size, uint8 [N,?,?,3]"
    else:
        function = freeze(model.path).function()
        images = "one image a call, uint8 [1,?,?,3]"
    made = folder / "saved_model"
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with quiet_absl():
        tf.saved_model.save(tf.Module(), str(made / "1"), signatures=function, options=options)
    runtime = open_runtime("tensorflow", made / "1", "cpu")
    detector = detector_of(model, runtime, WHOLE, source.labels)
    note = f"takes {images}; gives the exporter's detections"
    return Written(made, note, detector.detect, runtime.signature)


def _whole(network: Any, cut: Cut, min_score: float) -> Any:
    """From images to the exporter's detections."""
    import tensorflow as tf

    before, after = cut.before, cut.after
    assert before is not None

    def run(input_tensor: tf.Tensor) -> dict[str, tf.Tensor]:
        images, content = _entry(input_tensor, before)
        count = tf.shape(input_tensor)[0]
        shapes = tf.tile(tf.concat([content, [3]], 0)[None], [count, 1])
        found = network(images, *([shapes] if cut.true_shapes else []))
        if after is None:
            return dict(found)
        size = tf.constant(before.resizer.size, tf.float32)
        filled = tf.tile(tf.cast(content, tf.float32) / size, [2])
        return _tail(found, after, filled, min_score)

    spec = tf.TensorSpec([None, None, None, 3], tf.uint8, _INPUT)
    return tf.function(run, autograph=False).get_concrete_function(spec)


def _entry(images: tf.Tensor, before: Preprocessing) -> tuple[tf.Tensor, tf.Tensor]:
    """The network's input for images of one size, and the height and width they fill of it."""
    import tensorflow as tf

    resizer = before.resizer
    content = tf.constant(resizer.size, tf.int32)
    if resizer.min_dimension is not None:
        # As `Resizer.content_size` has it.
        sides = tf.cast(tf.shape(images)[1:3], tf.float32)
        short = np.float32(resizer.min_dimension) / tf.reduce_min(sides)
        long = np.float32(max(resizer.size)) / tf.reduce_max(sides)
        content = tf.cast(tf.round(tf.minimum(short, long) * sides), tf.int32)
    resized = tf.raw_ops.ResizeBilinear(
        images=tf.cast(images, tf.float32), size=content, half_pixel_centers=before.half_pixel
    )
    if before.order != (0, 1, 2):
        resized = tf.gather(resized, before.order, axis=3)
    scale, offset, padding = (
        np.array(values, np.float32) for values in (before.scale, before.offset, before.padding)
    )
    normalised = resized * scale + offset
    if not resizer.pad:
        return normalised, content
    missing = tf.constant(resizer.size, tf.int32) - content
    pads = [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]]
    return tf.pad(normalised - padding, pads) + padding, content


def _tail(
    found: Mapping[str, tf.Tensor], after: PostProcessing, filled: tf.Tensor, min_score: float
) -> dict[str, tf.Tensor]:
    """The exporter's detections for raw boxes and scores of a batch.

    Args:
        found: Of the network.
        after: What is done with it.
        filled: The height and width that images fill of the input, 0 to 1, twice: [4].
        min_score: Detections below it are left out too.
    """
    import tensorflow as tf

    total = after.max_total
    boxes, scores, classes, _ = tf.image.combined_non_max_suppression(
        found[RAW_BOXES][:, :, None],
        found[RAW_SCORES][:, :, -after.num_classes :],
        after.max_per_class,
        total * (_SPARE if after.drop_empty else 1),
        after.iou_threshold,
        max(after.score_threshold, min_score),
        clip_boxes=False,
    )
    boxes = tf.clip_by_value(boxes, 0.0, filled)
    wanted = scores > 0
    if after.drop_empty:
        wanted &= tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], axis=-1) > 0
    scores = tf.where(wanted, scores, 0.0)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)[:, :total]
    scores, wanted, classes, boxes = (
        tf.gather(values, order, batch_dims=1) for values in (scores, wanted, classes, boxes)
    )
    if after.change_frame:
        boxes /= filled
    # What fills the lists up is zeros, as the exporter has it.
    return {
        "detection_boxes": tf.where(wanted[..., None], boxes, 0.0),
        "detection_scores": scores,
        "detection_classes": tf.where(wanted, classes + 1, 1.0),
        "num_detections": tf.reduce_sum(tf.cast(wanted, tf.float32), axis=1),
        RAW_BOXES: found[RAW_BOXES],
        RAW_SCORES: found[RAW_SCORES],
    }
