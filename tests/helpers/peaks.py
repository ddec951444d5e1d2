"""A CenterNet with the exporter's structure: a loop that resizes, true shapes, peaks of a heat map.

`standins` give the genuine signature; this gives what a graph has to be split at and freed of for
batches. The network itself is two convolutions with fixed random weights.
"""

from pathlib import Path

import numpy as np

SIDE, STRIDE, CLASSES, PEAKS = 64, 4, 3, 10
CONFIG = """
model {
  center_net {
    num_classes: 3
    image_resizer {
      keep_aspect_ratio_resizer {
        min_dimension: 64
        max_dimension: 64
        pad_to_max_dimension: true
      }
    }
  }
}
"""


def save(folder: Path, persons: bool = False, keypoints: bool = False) -> Path:
    """Exports the detector, its `pipeline.config` beside it.

    Args:
        folder: Will hold `saved_model/` and `pipeline.config`.
        persons: Count the peaks of the first class by an operation that can't be vectorised.
        keypoints: Give each peak two of them.
    """
    import tensorflow as tf

    rng = np.random.default_rng(8)
    first = tf.constant(rng.normal(0, 0.3, (STRIDE, STRIDE, 3, 8)), tf.float32)
    heads = tf.constant(rng.normal(0, 0.8, (1, 1, 8, CLASSES + 2)), tf.float32)
    cells = SIDE // STRIDE

    def resize(image):
        values = tf.cast(image, tf.float32)[:, :, ::-1] - [10.0, 20.0, 30.0]
        values = tf.compat.v1.image.resize(
            values, [SIDE, SIDE], preserve_aspect_ratio=True, align_corners=False
        )
        shape = tf.shape(values)
        values = tf.image.pad_to_bounding_box(values, 0, 0, SIDE, SIDE)
        return values, tf.stack([shape[0], shape[1], 3])

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, "input_tensor")])
    def detect(input_tensor):
        images, true_shapes = tf.map_fn(
            resize,
            input_tensor,
            fn_output_signature=(
                tf.TensorSpec([SIDE, SIDE, 3], tf.float32),
                tf.TensorSpec([3], tf.int32),
            ),
        )
        images = tf.reshape(images, [1, SIDE, SIDE, 3])
        maps = tf.nn.conv2d(
            tf.nn.relu(tf.nn.conv2d(images / 64, first, STRIDE, "VALID")), heads, 1, "VALID"
        )
        heat = tf.sigmoid(maps[..., :CLASSES] - 2)
        scores, where = tf.math.top_k(tf.reshape(heat, [1, -1]), PEAKS)
        cell, class_ids = where // CLASSES, where % CLASSES
        batch = tf.zeros([1, PEAKS], tf.int32)
        places = tf.stack([batch, cell // cells, cell % cells], 2)
        sizes = tf.gather_nd(tf.nn.softplus(maps[..., CLASSES:]) + 1, places)
        middles = tf.cast(places[..., 1:], tf.float32) + 0.5
        strided = tf.concat([middles - sizes, middles + sizes], 2)
        sides = tf.tile(tf.cast(true_shapes[:, :2], tf.float32), [1, 2])[:, tf.newaxis]
        number = tf.fill([1], float(PEAKS))
        if persons:
            found = tf.where(class_ids[0] == 0)
            number = number + 0 * tf.cast(tf.shape(found)[:1], tf.float32)
        extra = {}
        if keypoints:
            points = tf.stack([middles - sizes / 2, middles + sizes / 3], 2)
            extra = {
                "detection_keypoints": points * STRIDE / sides[:, :, tf.newaxis, :2],
                "detection_keypoint_scores": tf.stack([scores, scores / 2], 2),
            }
        return {
            **extra,
            "detection_boxes": tf.clip_by_value(strided * STRIDE / sides, 0, 1),
            "detection_scores": scores,
            "detection_classes": tf.cast(class_ids + 1, tf.float32),
            "num_detections": number,
            "detection_boxes_strided": strided,
        }

    module = tf.Module()
    module.detect = detect
    tf.saved_model.save(module, str(folder / "saved_model"), signatures=detect)
    (folder / "pipeline.config").write_text(CONFIG)
    return folder
