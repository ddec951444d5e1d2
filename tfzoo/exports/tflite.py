"""To TFLite (LiteRT): pixels in, the API's own post-processing op or raw boxes and scores out.

The op is `TFLite_Detection_PostProcess`, which every TFLite runtime has, and MediaPipe, Android's
and Coral's samples expect. TensorFlow has none: a function that is marked is turned into it, as
the Object Detection API's export_tflite_graph_lib_tf2.py does.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo.decode.frame import Frame
from tfzoo.decode.kinds import decode
from tfzoo.detections.types import Detections
from tfzoo.errors import ModelFormatError
from tfzoo.exports.network import (
    KEYPOINTS,
    Network,
    most_listed,
    network_of,
    pixels_of,
    what_goes_in,
    within_image,
)
from tfzoo.exports.settings import Precision
from tfzoo.exports.source import Detect, Source, Written
from tfzoo.exports.tflite_metadata import with_metadata
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.prepare.box_encodings import BoxEncodings, find_encodings
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, PostProcessing, postprocess
from tfzoo.runtimes.runtime import Resizing, image_failures, quiet_stderr, reason_of

if TYPE_CHECKING:
    import tensorflow as tf

#: The four outputs in the order that all who read such files expect.
OUTPUTS = ("boxes", "classes", "scores", "number")
#: Sides of boxes that are told without an anchor are at least this, in parts of the input: the op
#: refuses boxes of no area.
_LEAST_SIDE = 1e-5


def write_tflite(source: Source, folder: Path) -> Written:
    """Writes a model as a TFLite file.

    In `float16` the weights are held so. `int8` is the network in 8-bit integers, with uint8 pixels
    in, or of one whose graph chooses among boxes (a CenterNet) the weights alone: the choices would
    be rounded too, and a CenterNet finds nothing then.

    Args:
        source: What is exported.
        folder: Where to.

    Raises:
        ModelFormatError: TensorFlow's converter fails on it, or int8 would round its boxes.
    """
    import tensorflow as tf

    settings, precision = source.settings, source.settings.precision
    network = network_of(source.model, settings.min_score)
    nms, file = settings.inside, folder / "model.tflite"
    run, told = _function(network, nms, precision)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([run], tf.Module())
    converter.allow_custom_ops = True
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    integers = precision == "int8" and network.cut.after is not None
    if integers:
        pixels = pixels_of(network.before)
        converter.representative_dataset = lambda: (
            [pixels(read_image(path))[None]] for path in source.calibration
        )
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
            tf.lite.OpsSet.TFLITE_BUILTINS,
        ]
        converter.inference_input_type = tf.uint8
    try:
        with quiet_stderr():
            made = converter.convert()
    except Exception as error:  # Anything at all, from the converter.
        raise ModelFormatError(
            f"{network.model.id} can't be converted to TFLite: {reason_of(error)}"
        ) from error
    detections = nms or network.cut.after is None
    keypoints = any(name in network.part.ends for name in KEYPOINTS)
    before = network.before
    least, padding = before.resizer.min_dimension, pixels_of(before).padding
    resizing = Resizing(least, before.half_pixel, padding)
    model_id, labels = source.model.id, source.labels
    file.write_bytes(with_metadata(made, model_id, labels, detections, keypoints, resizing))
    dtype = "uint8" if integers else "float32"
    if precision == "int8":
        told += "; in 8-bit integers" if integers else "; its weights alone in 8-bit integers"
    note = f"{what_goes_in(network.before, dtype)}; {told}"
    return Written(file, note, open_tflite(file, network, nms, source.labels))


def open_tflite(file: Path, network: Network, nms: bool, labels: Mapping[int, str]) -> Detect:
    """What an export finds, run by TFLite's own interpreter; for one thread.

    Args:
        file: As `write_tflite` wrote it.
        network: What was written.
        nms: Whether its post-processing is inside.
        labels: Category names by id.
    """
    import tensorflow as tf

    # TensorFlow says that LiteRT follows it, and of what kernels it is.
    with warnings.catch_warnings(action="ignore"), quiet_stderr():
        interpreter = tf.lite.Interpreter(str(file), num_threads=1)
        interpreter.allocate_tensors()
    (entry,), outputs = interpreter.get_input_details(), interpreter.get_output_details()
    pixels, after = pixels_of(network.before), network.cut.after

    def detect(image: Image) -> Detections:
        size = (image.shape[0], image.shape[1])
        with image_failures(size):
            given = pixels(image)[None]
            if entry["dtype"] == np.uint8:
                given = given.round()
            interpreter.set_tensor(entry["index"], given.astype(entry["dtype"]))
            interpreter.invoke()
            values = [interpreter.get_tensor(output["index"]) for output in outputs]
            frame = network.frame(size)
            if after is not None and not nms:
                raw, frame = postprocess(values[0][0], values[1][0], size, after), Frame.whole(size)
            else:
                boxes, classes, scores, number, *keypoints = values
                raw = dict(zip(KEYPOINTS, keypoints, strict=False)) | {
                    "detection_boxes": boxes,
                    "detection_classes": classes + 1,
                    "detection_scores": scores,
                    "num_detections": number,
                }
            return within_image(decode("standard", raw, frame, labels), after)

    return detect


def _function(network: Network, nms: bool, precision: Precision) -> tuple[Any, str]:
    """The whole as a function of TensorFlow, and in a sentence what it gives."""
    import tensorflow as tf

    after, part = network.cut.after, network.part
    encodings = find_encodings(part) if after and nms else None
    if precision == "int8" and nms and after and encodings is None:
        raise ModelFormatError(
            f"{network.model.id} can't be made int8 in TFLite: how its boxes are decoded from "
            "anchors is not told by its graph, so that the decoding would be rounded too; expected "
            "the box coder of the Object Detection API. Export it with --precision float16"
        )
    if encodings is not None:
        part = replace(part, ends={RAW_BOXES: encodings.tensor, RAW_SCORES: part.ends[RAW_SCORES]})
    body = part.function()

    def run(image: tf.Tensor) -> dict[str, tf.Tensor]:
        found = body(network.normalised(image), *network.true_shape())
        if after is None:
            values = (
                found["detection_boxes"],
                # The API's exports for TFLite count classes from 0.
                found["detection_classes"] - 1,
                found["detection_scores"],
                found["num_detections"],
                *(found[name] for name in KEYPOINTS if name in found),
            )
        elif nms:
            values = _postprocessed(found, after, encodings)
        else:
            return {name: found[name] for name in (RAW_BOXES, RAW_SCORES)}
        return {f"output_{i}": value for i, value in enumerate(values)}

    spec = tf.TensorSpec([1, *network.size, 3], tf.float32, "image")
    made = tf.function(run, autograph=False).get_concrete_function(spec)
    if nms and after is not None:
        return made, "gives boxes, classes from 0, scores and their number, suppressed inside"
    if after is None:
        also = " with keypoints" if any(name in network.part.ends for name in KEYPOINTS) else ""
        return made, f"gives boxes, classes from 0, scores and their number{also}"
    return made, f"gives {RAW_BOXES} and {RAW_SCORES}, suppressed by nobody yet"


def _postprocessed(
    found: Mapping[str, tf.Tensor], after: PostProcessing, encodings: BoxEncodings | None
) -> tuple[tf.Tensor, ...]:
    """The four outputs of the op."""
    import tensorflow as tf

    boxes = found[RAW_BOXES]
    if encodings is None:
        # Told from anchors that are the whole input: the logarithm undoes what the op will do.
        low, high = boxes[..., :2], boxes[..., 2:]
        sides = tf.maximum(high - low, _LEAST_SIDE)
        boxes = tf.concat([(low + high) / 2, tf.math.log(sides)], axis=-1)
        anchors = np.tile(np.array([0, 0, 1, 1], np.float32), (boxes.shape[1], 1))
        scales = (1.0, 1.0, 1.0, 1.0)
    else:
        anchors, scales = encodings.anchors, encodings.scales
    boxes = tf.reshape(boxes, [1, len(anchors), 4])

    @tf.function(experimental_implements=_op(after, scales))  # type: ignore[untyped-decorator]
    def postprocess(
        box_encodings: tf.Tensor, class_predictions: tf.Tensor, anchors: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        return tuple(tf.constant(0.0, name=name) for name in OUTPUTS)

    return tuple(postprocess(boxes, found[RAW_SCORES], tf.constant(anchors)))


def _op(after: PostProcessing, scales: tuple[float, ...]) -> str:
    """The op and what it is told, as the converter reads it."""
    values: dict[str, int | float | bool] = {
        "max_detections": most_listed(after),
        "max_classes_per_detection": 1,
        "detections_per_class": after.max_per_class,
        "use_regular_nms": True,
        "nms_score_threshold": after.score_threshold,
        "nms_iou_threshold": after.iou_threshold,
        "num_classes": after.num_classes,
        **dict(zip(("y_scale", "x_scale", "h_scale", "w_scale"), scales, strict=True)),
    }
    kinds = {int: "i", float: "f", bool: "b"}
    attributes = [
        f'attr {{ key: "{key}" value {{ {kinds[type(value)]}: {str(value).lower()} }} }}'
        for key, value in values.items()
    ]
    return " ".join(['name: "TFLite_Detection_PostProcess"', *attributes])
