"""Stand-in models: real SavedModels and ONNX files that find bright rectangles.

They carry the genuine names, dtypes and shapes of the zoo's exports, and what they return is a
known function of the image, so that expected detections can be written down by hand:

- The red channel shows a person (class 1), the green one a dog (18), the blue one a toothbrush
  (90, the last id there is). An object is the bounding box of the pixels brighter than 150.
- The score is the brightest such pixel over 255. A channel without one shows nothing.
- Mask models: the left half of each box.
- Keypoint models: for a person, keypoint k lies k/16 along the box's diagonal, from its top left
  corner, with score (k + 1) / 17. Other objects carry zeros.

So `paint(60, 100, person=(10, 20, 50, 40))` holds one person, with score 200/255.

    folder = save_standard(tmp_path / "model")
    found = tfzoo.load(folder)(paint(60, 100, person=(10, 20, 50, 40)))

No stand-in has variables or takes more than a second to build, TensorFlow's import aside.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
KINDS = (
    "standard",
    "efficientdet",
    "faster_rcnn",
    "centernet",
    "centernet_keypoints",
    "mask_rcnn",
    "tflite_boxes",
    "tflite_keypoints",
    "yolov5",
)
THRESHOLD = 150


def paint(
    height: int,
    width: int,
    *,
    person: Box | None = None,
    dog: Box | None = None,
    toothbrush: Box | None = None,
    brightness: tuple[int, int, int] = (200, 190, 180),
) -> NDArray[np.uint8]:
    """A black picture with at most three objects, each a rectangle in a channel of its own.

    Args:
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        person: x0, y0, x1, y1 in whole pixels, the last ones outside; None for no person.
        dog: The same.
        toothbrush: The same.
        brightness: Of person, dog and toothbrush; the scores are these over 255.

    Returns:
        uint8 [height, width, 3] RGB.
    """
    image = np.zeros((height, width, 3), dtype=np.uint8)
    for channel, box in enumerate((person, dog, toothbrush)):
        if box is not None:
            x0, y0, x1, y1 = box
            image[y0:y1, x0:x1, channel] = brightness[channel]
    return image


def save(kind: str, path: Path) -> Path:
    """Saves the stand-in of a kind (one of `KINDS`); an `.onnx` file for `yolov5`, else a folder.

    Returns:
        Where it lies: what `tfzoo.load` opens.
    """
    return _SAVERS[kind](path)


def save_standard(path: Path) -> Path:
    """SSD MobileNet v2: 100 detections, 1917 anchors, scores with a background column."""
    return _save_image_model(path, lambda image: _standard(image, 100, 1917, 91))


def save_efficientdet(path: Path) -> Path:
    """EfficientDet D0: as `save_standard`, without background columns."""
    return _save_image_model(path, lambda image: _standard(image, 100, 49104, 90))


def save_faster_rcnn(path: Path) -> Path:
    """Faster R-CNN 640: 300 detections, 300 proposals."""
    return _save_image_model(path, lambda image: _standard(image, 300, 300, 91))


def save_centernet(path: Path) -> Path:
    """CenterNet without keypoints: no raw outputs, boxes in strides as well."""
    return _save_image_model(path, lambda image: _centernet(image, keypoints=False))


def save_centernet_keypoints(path: Path) -> Path:
    """CenterNet with keypoints."""
    return _save_image_model(path, lambda image: _centernet(image, keypoints=True))


def save_mask_rcnn(path: Path) -> Path:
    """Mask R-CNN: 21 outputs, many without the batch dimension."""
    return _save_image_model(path, _mask_rcnn)


def save_keep_aspect(path: Path, side: int = 512) -> Path:
    """As `save_efficientdet`, with its resizer: the aspect kept, padded to a square of `side`.

    Like the genuine one it fails on an image so narrow that no pixel of its short side is left.
    Objects are found in the resized image, so boxes are right within a pixel of that.
    """

    def detect(image: Any) -> Mapping[str, Any]:
        import tensorflow as tf

        size = tf.cast(tf.shape(image)[:2], tf.float32)
        scaled = tf.cast(tf.round(size * (side / tf.reduce_max(size))), tf.int32)
        resized = tf.compat.v1.image.resize_images(image, scaled)
        # What it finds in the padded square is in parts of the square; the image's own come next.
        padded = tf.image.pad_to_bounding_box(resized, 0, 0, side, side)
        outputs = _standard(padded, 100, 49104, 90)
        parts = tf.tile(tf.cast(scaled, tf.float32) / side, [2])
        return {**outputs, "detection_boxes": outputs["detection_boxes"] / parts}

    return _save_image_model(path, detect)


def save_tflite_boxes(path: Path, side: int = 512, detections: int = 10) -> Path:
    """CenterNet MobileNetV2 FPN, an export made for TFLite: float input, unnamed outputs."""
    return _save_tflite_model(path, side, detections, keypoints=False)


def save_tflite_keypoints(path: Path, side: int = 512, detections: int = 20) -> Path:
    """CenterNet MobileNetV2 FPN Keypoints, the same way; it knows persons only."""
    return _save_tflite_model(path, side, detections, keypoints=True)


def pack(model: Path, archive: Path, stem: str) -> Path:
    """Packs a SavedModel folder as the zoo does: `stem/saved_model/...` in a .tar.gz.

    Args:
        model: SavedModel folder.
        archive: File to write.
        stem: Name of the folder in the archive.
    """
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        packed.add(model, f"{stem}/saved_model")
    return archive


# The zoo's SavedModels


def _save_image_model(path: Path, detect: Callable[[Any], Mapping[str, Any]]) -> Path:
    import tensorflow as tf

    module = tf.Module()
    module.__call__ = tf.function(  # type: ignore[method-assign]
        lambda input_tensor: detect(tf.cast(input_tensor[0], tf.float32)),
        input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")],
    )
    tf.saved_model.save(module, str(path), signatures=module.__call__.get_concrete_function())
    return path


def _save_tflite_model(path: Path, side: int, detections: int, keypoints: bool) -> Path:
    import tensorflow as tf

    def infer(image: Any) -> tuple[Any, ...]:
        found = _find(image[0], planes=1 if keypoints else 3)
        outputs = [
            _rows(found["boxes"], detections),
            _rows(found["classes"] - 1, detections),
            _rows(found["scores"], detections),
            found["count"],
        ]
        if keypoints:
            outputs += [
                _rows(found["keypoints"], detections),
                _rows(found["keypoint_scores"], detections),
            ]
        return tuple(outputs[::-1])

    module = tf.Module()
    module.inference_fn = tf.function(infer)
    spec = tf.TensorSpec([1, side, side, 3], tf.float32, name="input")
    signature = module.inference_fn.get_concrete_function(spec)
    tf.saved_model.save(module, str(path), signatures=signature)
    return path


def _find(image: Any, planes: int = 3) -> dict[str, Any]:
    """The objects of a picture, float32 [H, W, 3], best first, in the exporter's terms."""
    import tensorflow as tf

    height, width = (tf.cast(side, tf.float32) for side in tf.unstack(tf.shape(image)[:2]))
    image = image[:, :, :planes]
    bright = image > THRESHOLD
    scores = tf.reduce_max(tf.where(bright, image, 0.0), axis=[0, 1]) / 255

    def extent(axis: int, length: Any) -> tuple[Any, Any]:
        seen = tf.reduce_any(bright, axis=1 - axis)
        places = tf.range(length)[:, None]
        first = tf.reduce_min(tf.where(seen, places, length), axis=0)
        last = tf.reduce_max(tf.where(seen, places + 1, 0), axis=0)
        return first / length, last / length

    (y0, y1), (x0, x1) = extent(0, height), extent(1, width)
    present = scores > 0
    boxes = tf.where(present[:, None], tf.stack([y0, x0, y1, x1], axis=1), 0.0)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    boxes, scores = tf.gather(boxes, order), tf.gather(scores, order)
    classes = tf.gather(tf.constant([1.0, 18.0, 90.0][:planes]), order)
    persons = tf.logical_and(classes == 1, scores > 0)
    along = (tf.range(17, dtype=tf.float32) / 16)[None, :, None]
    points = boxes[:, None, :2] + along * (boxes[:, None, 2:] - boxes[:, None, :2])
    point_scores = tf.tile((tf.range(17, dtype=tf.float32) + 1)[None] / 17, [planes, 1])
    return {
        "boxes": boxes,
        "scores": scores,
        "classes": classes,
        "count": tf.reduce_sum(tf.cast(present, tf.float32))[None],
        "keypoints": tf.where(persons[:, None, None], points, 0.0),
        "keypoint_scores": tf.where(persons[:, None], point_scores, 0.0),
    }


def _rows(values: Any, count: int, fill: float = 0.0) -> Any:
    """[k, ...] as [1, count, ...], filled up below."""
    import tensorflow as tf

    below = [[0, count - values.shape[0]]] + [[0, 0]] * (values.shape.rank - 1)
    return tf.pad(values, below, constant_values=fill)[None]


def _common(found: Mapping[str, Any], count: int, columns: int) -> dict[str, Any]:
    return {
        "detection_boxes": _rows(found["boxes"], count),
        "detection_classes": _rows(found["classes"], count, fill=1),
        "detection_multiclass_scores": _rows(_per_class(found, columns), count),
        "detection_scores": _rows(found["scores"], count),
        "num_detections": found["count"],
    }


def _per_class(found: Mapping[str, Any], columns: int) -> Any:
    """Scores [k, columns]: column 0 is the background where there are 91 of them."""
    import tensorflow as tf

    column = tf.cast(found["classes"], tf.int32) - (91 - columns)
    return tf.one_hot(column, columns) * found["scores"][:, None]


def _standard(image: Any, count: int, anchors: int, columns: int) -> dict[str, Any]:
    import tensorflow as tf

    found = _find(image)
    return {
        **_common(found, count, columns),
        "detection_anchor_indices": _rows(tf.range(3, dtype=tf.float32), count),
        "raw_detection_boxes": _rows(found["boxes"], anchors),
        "raw_detection_scores": _rows(_per_class(found, columns), anchors),
    }


def _centernet(image: Any, keypoints: bool) -> dict[str, Any]:
    found = _find(image)
    outputs = _common(found, 100, 90)
    outputs["detection_boxes_strided"] = outputs["detection_boxes"] * 128
    if keypoints:
        outputs["detection_keypoints"] = _rows(found["keypoints"], 100)
        outputs["detection_keypoint_scores"] = _rows(found["keypoint_scores"], 100)
    return outputs


def _mask_rcnn(image: Any) -> dict[str, Any]:
    import tensorflow as tf

    left_half = tf.cast(tf.range(33) < 16, tf.float32) + 0.5 * tf.one_hot(16, 33)
    masks = tf.zeros([100, 33, 33]) + left_half
    anchors = tf.zeros([49152, 4])
    return {
        **_standard(image, 100, 300, 91),
        "anchors": tf.zeros([tf.shape(image)[0], 4]),
        "box_classifier_features": tf.zeros([300, 9, 9, 1536]),
        "class_predictions_with_background": tf.zeros([300, 91]),
        "detection_masks": masks[None],
        "final_anchors": tf.zeros([1, 300, 4]),
        "image_shape": tf.concat([[1.0], tf.cast(tf.shape(image), tf.float32)], axis=0),
        "mask_predictions": tf.zeros([100, 90, 33, 33]),
        "num_proposals": tf.constant([300.0]),
        "proposal_boxes": tf.zeros([1, 300, 4]),
        "proposal_boxes_normalized": tf.zeros([1, 300, 4]),
        "refined_box_encodings": tf.zeros([300, 90, 4]),
        "rpn_box_encodings": anchors[None],
        "rpn_objectness_predictions_with_background": anchors[None, :, :2],
    }


# YOLOv5's ONNX file


def save_yolov5(path: Path, side: int = 640, classes: int = 80, rows: int = 25200) -> Path:
    """YOLOv5's release file: [1, 3, side, side] in 0..1 to [1, rows, 5 + classes].

    Each object comes three times: as it is, moved by two pixels with a lower objectness (for
    NMS to remove), and with a class score too low to matter.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    places = np.arange(side, dtype=np.float32)
    # Rows 0..2 are the objects, 3..5 the same again, and so on: tiled three times.
    variants = np.repeat(np.array([[0, 0, 1], [2, 0, 0.8], [0, 0, 1e-5]], np.float32), 3, axis=0)
    shifts = np.zeros((9, 5), np.float32)
    shifts[:, 0] = variants[:, 0]
    factors = np.ones((9, 5), np.float32)
    factors[:, 4] = variants[:, 2]
    per_class = np.zeros((9, classes), np.float32)
    # Person, dog and toothbrush among COCO's 80 categories counted from 0.
    per_class[np.arange(9), np.tile([0, 16, min(79, classes - 1)], 3)] = 1
    constants = {
        "threshold": np.float32(THRESHOLD / 255),
        "zero": np.float32(0),
        "half": np.float32(0.5),
        "far": np.float32(side),
        "places": places,
        "ends": places + 1,
        "thrice": np.array([3, 1], np.int64),
        "shifts": shifts,
        "factors": factors,
        "per_class": per_class,
        "below": np.array([0, 0, rows - 9, 0], np.int64),
        "first": np.array([0], np.int64),
    }

    def node(operator: str, inputs: str, output: str, **attributes: Any) -> Any:
        return helper.make_node(operator, inputs.split(), [output], **attributes)

    nodes = [
        node("Squeeze", "images first", "planes"),
        node("Greater", "planes threshold", "bright"),
        node("Cast", "bright", "bright_float", to=TensorProto.FLOAT),
        node("Mul", "planes bright_float", "shining"),
        node("ReduceMax", "shining", "objectness", axes=[1, 2], keepdims=0),
    ]
    for name, axis in (("x", 1), ("y", 2)):
        nodes += [
            node("ReduceMax", "bright_float", f"seen_{name}_float", axes=[axis], keepdims=0),
            node("Cast", f"seen_{name}_float", f"seen_{name}", to=TensorProto.BOOL),
            node("Where", f"seen_{name} places far", f"starts_{name}"),
            node("Where", f"seen_{name} ends zero", f"stops_{name}"),
            node("ReduceMin", f"starts_{name}", f"{name}0", axes=[1], keepdims=0),
            node("ReduceMax", f"stops_{name}", f"{name}1", axes=[1], keepdims=0),
            node("Add", f"{name}0 {name}1", f"sum_{name}"),
            node("Mul", f"sum_{name} half", f"centre_{name}"),
            node("Sub", f"{name}1 {name}0", f"length_{name}"),
        ]
    columns = ("centre_x", "centre_y", "length_x", "length_y", "objectness")
    constants["last"] = np.array([1], np.int64)
    nodes += [node("Unsqueeze", f"{name} last", f"{name}_column") for name in columns]
    nodes += [
        node("Concat", " ".join(f"{name}_column" for name in columns), "objects", axis=1),
        node("Tile", "objects thrice", "tiled"),
        node("Mul", "tiled factors", "weighted"),
        node("Add", "weighted shifts", "moved"),
        node("Concat", "moved per_class", "found", axis=1),
        node("Pad", "found below", "padded"),
        node("Unsqueeze", "padded first", "output0"),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, rows, 5 + classes])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


_SAVERS: dict[str, Callable[[Path], Path]] = {
    "standard": save_standard,
    "efficientdet": save_efficientdet,
    "faster_rcnn": save_faster_rcnn,
    "centernet": save_centernet,
    "centernet_keypoints": save_centernet_keypoints,
    "mask_rcnn": save_mask_rcnn,
    "tflite_boxes": save_tflite_boxes,
    "tflite_keypoints": save_tflite_keypoints,
    "yolov5": save_yolov5,
}
