"""A one-stage detector with the exporter's structure: the parts of a graph that are cut.

`standins` give the genuine signatures; this gives the genuine way from the network to them, one
NMS a class over all anchors, so that cutting it and doing the rest outside can be held against
the whole. The network itself is one convolution with fixed random weights.
"""

from pathlib import Path

import numpy as np

CLASSES = 4
SIDE = 64
ANCHORS = 16 * 16
CONFIG = """
model {
  ssd {
    num_classes: 4
    image_resizer {
      keep_aspect_ratio_resizer {
        min_dimension: 64
        max_dimension: 64
        pad_to_max_dimension: true
      }
    }
    post_processing {
      batch_non_max_suppression {
        score_threshold: 1e-08
        iou_threshold: 0.5
        max_detections_per_class: 20
        max_total_detections: 30
      }
    }
  }
}
"""


def multiclass_nms(boxes, scores, window, iou, threshold, per_class, total):
    """The Object Detection API's `multiclass_non_max_suppression`, in TensorFlow's own ops.

    Args:
        boxes: float32 [A, 4], y0, x0, y1, x1.
        scores: float32 [A, C], C known.
        window: float32 [4].
        iou: The most that two boxes of a class may overlap.
        threshold: Scores must be above it.
        per_class: Most boxes of one class.
        total: Most boxes of all classes.

    Returns:
        Boxes [N, 4], scores [N] and classes int32 [N] from 1.
    """
    import tensorflow as tf

    def sort(boxes, scores, classes):
        scores, order = tf.math.top_k(scores, tf.size(scores))
        return tf.gather(boxes, order), scores, tf.gather(classes, order)

    found = []
    for class_id in range(scores.shape[1]):
        rows, kept = tf.image.non_max_suppression_with_scores(
            boxes, scores[:, class_id], per_class, iou, threshold
        )
        found.append((tf.gather(boxes, rows), kept, tf.fill(tf.shape(kept), class_id)))
    boxes, scores, classes = sort(*(tf.concat(parts, 0) for parts in zip(*found, strict=True)))
    boxes = tf.clip_by_value(boxes, tf.tile(window[:2], [2]), tf.tile(window[2:], [2]))
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    inside = tf.reshape(tf.where(areas > 0), [-1])
    boxes, scores, classes = sort(*(tf.gather(x, inside) for x in (boxes, scores, classes)))
    side = tf.stack([window[2] - window[0], window[3] - window[1]])
    boxes = (boxes - tf.tile(window[:2], [2])) * tf.tile(1.0 / side, [2])
    return boxes[:total], scores[:total], classes[:total] + 1


def _constants():
    """The convolution's weights, float32 [4, 4, 3, 9], and the anchors, float32 [256, 2]."""
    rng = np.random.default_rng(5)
    weights = rng.normal(0, 1.5, (4, 4, 3, 4 + CLASSES + 1))
    grid = (np.stack(np.mgrid[:16, :16], axis=-1).reshape(-1, 2) + 0.5) / 16
    return weights.astype(np.float32), grid.astype(np.float32)


def save_onnx(file: Path) -> Path:
    """Writes what tf2onnx makes of the detector's frozen form: its network, in any batch."""
    import onnx

    weights, centers = _constants()
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        network (float[n,64,64,3] input_tensor) =>
            (float[n,256,4] raw_detection_boxes, float[n,256,5] raw_detection_scores) {
            planes = Transpose <perm = [0, 3, 1, 2]> (input_tensor)
            maps = Conv <strides = [4, 4]> (planes, weights)
            channels_last = Transpose <perm = [0, 2, 3, 1]> (maps)
            shape = Constant <value = int64[3] {0, 256, 9}> ()
            rows = Reshape (channels_last, shape)
            parts = Constant <value = int64[3] {2, 2, 5}> ()
            moves, sides, logits = Split <axis = 2> (rows, parts)
            squashed = Tanh (moves)
            tenth = Constant <value = float {0.1}> ()
            moved = Mul (squashed, tenth)
            middles = Add (moved, centers)
            grown = Sigmoid (sides)
            fifth = Constant <value = float {0.2}> ()
            sizes = Mul (grown, fifth)
            low = Sub (middles, sizes)
            high = Add (middles, sizes)
            raw_detection_boxes = Concat <axis = 2> (low, high)
            raw_detection_scores = Sigmoid (logits)
        }"""
    )
    for name, value in (("weights", weights.transpose(3, 2, 0, 1)), ("centers", centers)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(value.copy(), name))
    onnx.save(model, file)
    return file


def save_converter(folder: Path) -> Path:
    """A program in place of the Python that tf2onnx runs in: it gives what that makes of this."""
    made, python = save_onnx(folder / "network.onnx"), folder / "python"
    python.write_text(f'#!/bin/sh\ncp {made} "$6"\n')
    python.chmod(0o755)
    return python


def save(
    folder: Path,
    two_stage: bool = False,
    first_image_only: bool = False,
    encoded: bool = False,
) -> Path:
    """Exports the detector, its `pipeline.config` beside it.

    Args:
        folder: Will hold `saved_model/` and `pipeline.config`.
        two_stage: Let the NMS work on other boxes than `raw_detection_boxes`, as two-stage
            detectors do.
        first_image_only: Let the network look at the first image of a batch, so that no edit of
            shapes makes it take more.
        encoded: Let the network tell boxes from anchors, as the exporter's box coder does.
    """
    import tensorflow as tf

    weights, centers = map(tf.constant, _constants())

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, "input_tensor")])
    def detect(input_tensor):
        image = tf.cast(input_tensor, tf.float32) / 255 - 0.5
        image = tf.image.resize(image, [SIDE, SIDE], preserve_aspect_ratio=True)
        filled = tf.cast(tf.shape(image)[1:3], tf.float32)
        image = tf.pad(
            image, [[0, 0], [0, SIDE - tf.shape(image)[1]], [0, SIDE - tf.shape(image)[2]], [0, 0]]
        )
        maps = tf.nn.conv2d(image, weights, 4, "VALID")
        if first_image_only:
            same = tf.eye(4 + CLASSES + 1)[tf.newaxis, tf.newaxis]
            maps = tf.nn.conv2d(maps[:1], same, 1, "VALID")
        # Two levels of features, joined as the exporter joins its five or six.
        shape = [1, ANCHORS // 2, 4 + CLASSES + 1]
        maps = tf.concat([tf.reshape(level, shape) for level in (maps[:, :8], maps[:, 8:])], 1)
        # As the exporter decodes: all images' boxes in one list, the anchors repeated for each.
        anchors = tf.reshape(tf.tile(centers[tf.newaxis], [1, 1, 1]), [-1, 2])
        codes = tf.reshape(maps[:, :, :4], [-1, 4])
        sizes = tf.sigmoid(codes[:, 2:]) * 0.2
        middles = anchors + tf.tanh(codes[:, :2]) * 0.1
        if encoded:
            sizes = 0.05 * tf.exp(codes[:, 2:] / 5)
            middles = anchors + codes[:, :2] / 10 * 0.1
        boxes = tf.reshape(tf.concat([middles - sizes, middles + sizes], 1), [1, ANCHORS, 4])
        scores = tf.sigmoid(maps[:, :, 4:])
        window = tf.concat([[0.0, 0.0], filled / SIDE], 0)
        raw = boxes * 0.5 if two_stage else boxes
        kept, best, classes = multiclass_nms(boxes[0], scores[0, :, 1:], window, 0.5, 1e-8, 20, 30)
        missing = 30 - tf.shape(best)[0]
        return {
            "detection_boxes": tf.pad(kept, [[0, missing], [0, 0]])[None],
            "detection_scores": tf.pad(best, [[0, missing]])[None],
            "detection_classes": tf.cast(tf.pad(classes, [[0, missing]]), tf.float32)[None],
            "num_detections": tf.cast(tf.shape(best), tf.float32),
            "raw_detection_boxes": tf.identity(raw),
            "raw_detection_scores": tf.identity(scores),
        }

    module = tf.Module()
    module.detect = detect
    tf.saved_model.save(module, str(folder / "saved_model"), signatures=detect)
    (folder / "pipeline.config").write_text(CONFIG)
    return folder
