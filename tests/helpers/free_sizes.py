"""A one-stage detector whose sizes are free: of the batch, and of the network itself.

As the exporter's `float_image_tensor` with a resizer that keeps the aspect and does not pad: images
are resized one by one in a loop, and so is the NMS done; the anchors go with the image.
"""

from pathlib import Path

import numpy as np

from tests.helpers.one_stage import CLASSES, CONFIG, SIDE, multiclass_nms

LEAST = 33


def save(folder: Path, free_batch: bool = True) -> Path:
    """Exports the detector, its `pipeline.config` beside it.

    Args:
        folder: Will hold `saved_model/` and `pipeline.config`.
        free_batch: Whether it takes float images in batches, not one uint8 image.
    """
    import tensorflow as tf

    rng = np.random.default_rng(5)
    weights = tf.constant(rng.normal(0, 1.5, (4, 4, 3, 4 + CLASSES + 1)), tf.float32)
    size, dtype = (None, tf.float32) if free_batch else (1, tf.uint8)

    def resize(image):
        values = tf.cast(image, tf.float32) / 255 - 0.5
        values = tf.compat.v1.image.resize(
            values[tf.newaxis], [SIDE, SIDE], preserve_aspect_ratio=True
        )
        return values[0]

    def kept(values):
        boxes, scores = values
        window = tf.constant([0.0, 0.0, 1.0, 1.0])
        kept, best, classes = multiclass_nms(boxes, scores[:, 1:], window, 0.5, 1e-8, 20, 30)
        missing = 30 - tf.shape(best)[0]
        return (
            tf.pad(kept, [[0, missing], [0, 0]]),
            tf.pad(best, [[0, missing]]),
            tf.cast(tf.pad(classes, [[0, missing]]), tf.float32),
            tf.cast(tf.shape(best)[0], tf.float32),
        )

    @tf.function(input_signature=[tf.TensorSpec([size, None, None, 3], dtype, "input_tensor")])
    def detect(input_tensor):
        images = tf.map_fn(
            resize, input_tensor, fn_output_signature=tf.TensorSpec([None, None, 3], tf.float32)
        )
        sides = tf.shape(images)[1:3]
        least = tf.Assert(
            tf.reduce_all(sides >= LEAST),
            [f"image size must be >= {LEAST} in both height and width."],
        )
        with tf.control_dependencies([least]):
            images = tf.identity(images)
        maps = tf.nn.conv2d(images, weights, 4, "VALID")
        cells = tf.cast(tf.shape(maps)[1:3], tf.float32)
        rows, columns = tf.meshgrid(tf.range(cells[0]), tf.range(cells[1]), indexing="ij")
        centers = tf.reshape((tf.stack([rows, columns], 2) + 0.5) / cells, [1, -1, 2])
        codes = tf.reshape(maps, [tf.shape(maps)[0], -1, 4 + CLASSES + 1])
        half = tf.sigmoid(codes[:, :, 2:4]) * 0.2
        middles = centers + tf.tanh(codes[:, :, :2]) * 0.1
        boxes = tf.concat([middles - half, middles + half], 2)
        scores = tf.sigmoid(codes[:, :, 4:])
        if free_batch:
            spec = [tf.TensorSpec([30, *rest], tf.float32) for rest in ([4], [], [])] + [
                tf.TensorSpec([], tf.float32)
            ]
            found = tf.map_fn(kept, (boxes, scores), fn_output_signature=tuple(spec))
        else:
            found = [value[tf.newaxis] for value in kept((boxes[0], scores[0]))]
        names = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
        return {
            **dict(zip(names, found, strict=True)),
            "raw_detection_boxes": tf.identity(boxes),
            "raw_detection_scores": tf.identity(scores),
        }

    module = tf.Module()
    module.detect = detect
    tf.saved_model.save(module, str(folder / "saved_model"), signatures=detect)
    (folder / "pipeline.config").write_text(CONFIG.replace("pad_to_max_dimension: true", ""))
    return folder
