"""Stand-ins as `.tflite` files: converted as the exporters of each kind do, with their metadata.

They find the bright rectangles of `standins`, so that what they should give is known beforehand.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers import standins

SIDE = 96
#: What TFLite_Detection_PostProcess is told here: detections, and the scales of box encodings.
DETECTIONS = 10
_SCALES = (10.0, 10.0, 5.0, 5.0)


def postprocess(boxes: Any, scores: Any, anchors: Any) -> tuple[Any, ...]:
    """The custom operation, as the API's export_tflite_graph_lib_tf2.py puts it into a graph.

    Args:
        boxes: float32 [1, A, 4], encoded.
        scores: float32 [1, A, C + 1], the background first.
        anchors: float32 [A, 4], y, x, height, width in parts of the image.

    Returns:
        Boxes, classes, scores and their number.
    """
    import tensorflow as tf

    attributes = {
        "max_detections": ("i", DETECTIONS),
        "max_classes_per_detection": ("i", 1),
        "use_regular_nms": ("b", "false"),
        "nms_score_threshold": ("f", 1e-8),
        "nms_iou_threshold": ("f", 0.6),
        **{f"{side}_scale": ("f", scale) for side, scale in zip("yxhw", _SCALES, strict=True)},
        "num_classes": ("i", int(scores.shape[-1]) - 1),
    }
    listed = (
        f'attr {{ key: "{key}" value {{ {kind}: {value} }} }}'
        for key, (kind, value) in attributes.items()
    )

    @tf.function(experimental_implements=f'name: "TFLite_Detection_PostProcess" {" ".join(listed)}')
    def dummy(boxes: Any, scores: Any, anchors: Any) -> tuple[Any, ...]:
        return (tf.constant(0.0),) * 4

    return dummy(boxes, scores, anchors)


def convert(
    infer: Callable[[Any], Any],
    path: Path,
    quantise: str = "",
    span: tuple[float, float] = (-1, 1),
    side: int = SIDE,
) -> Path:
    """Converts a function of float32 [1, side, side, 3] as the exporters do.

    Args:
        infer: The function.
        path: The file to write.
        side: Of the images, in pixels.
        quantise: `uint8` or `int8` for inputs and outputs of that type.
        span: The numbers that they span.
    """
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([1, side, side, 3], tf.float32, name="input")])
    def whole(image: Any) -> Any:
        if not quantise:
            return infer(image)
        found = infer(unquantised(tf.quantization.fake_quant_with_min_max_args(image, *span)))
        if isinstance(found, tuple):
            return found
        return tf.quantization.fake_quant_with_min_max_args(unquantised(found), 0, 1)

    def unquantised(values: Any) -> Any:
        # Of what `standins` does, the kernels for integers abort the process.
        return tf.cast(tf.cast(values, tf.float64), tf.float32)

    graph = whole.get_concrete_function()
    if "PartitionedCall" in {operation.type for operation in graph.graph.get_operations()}:
        # The custom operation's stub; only a SavedModel, as the API converts, keeps what it means.
        folder = path.with_suffix(".saved")
        module = tf.Module()
        module.whole = whole
        tf.saved_model.save(module, str(folder), signatures=graph)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    else:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([graph], whole)
    converter.allow_custom_ops = True
    if quantise:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = getattr(tf, quantise)
        converter.inference_output_type = getattr(tf, quantise)
    path.write_bytes(converter.convert())
    return path


def find(image: Any, mean: float = 127.5, std: float = 127.5) -> dict[str, Any]:
    """What `standins` finds in a picture that was normalised, [1, H, W, 3]."""
    return standins._find(image[0] * std + mean)


def ssd(order: Sequence[int] = (3, 2, 1, 0), mean: float = 127.5, std: float = 127.5) -> Any:
    """An SSD that ends in the custom operation, its outputs in an order."""

    def infer(image: Any) -> tuple[Any, ...]:
        import tensorflow as tf

        found = find(image, mean, std)
        y0, x0, y1, x1 = tf.unstack(found["boxes"], axis=1)
        sizes = tf.maximum(tf.stack([y1 - y0, x1 - x0], 1), 1e-3)
        centres = tf.stack([y0 + y1, x0 + x1], 1) / 2
        codes = tf.concat([(centres - 0.5) * _SCALES[:2], tf.math.log(sizes) * _SCALES[2:]], 1)
        classes = tf.one_hot(tf.cast(found["classes"], tf.int32), 91) * found["scores"][:, None]
        anchors = tf.constant(np.tile([[0.5, 0.5, 1, 1]], (3, 1)), tf.float32)
        outputs = postprocess(codes[None], classes[None], anchors)
        return tuple(outputs[place] for place in order)

    return infer


def centernet(order: Sequence[int] = (3, 2, 1, 0)) -> Any:
    """A CenterNet: raw pixels in; boxes, classes, scores and number in an order."""

    def infer(image: Any) -> tuple[Any, ...]:
        found = find(image, 0, 1)
        outputs = (
            standins._rows(found["boxes"], DETECTIONS),
            standins._rows(found["classes"] - 1, DETECTIONS),
            standins._rows(found["scores"], DETECTIONS),
            found["count"],
        )
        return tuple(outputs[place] for place in order)

    return infer


def yolov5(image: Any) -> Any:
    """YOLOv5 made by way of TensorFlow: 0..1 in, boxes in parts of the input out."""
    import tensorflow as tf

    found = find(image, 0, 255)
    y0, x0, y1, x1 = tf.unstack(found["boxes"], axis=1)
    # Person, dog and toothbrush among COCO's 80 categories counted from 0.
    places = tf.gather([0, 16, 79], tf.argsort(tf.argsort(found["classes"])))
    rows = tf.concat(
        [
            tf.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, found["scores"]], 1),
            tf.one_hot(places, 80),
        ],
        1,
    )
    return standins._rows(rows, 100)


def edited(model: Path, path: Path, edit: Callable[[Any], None]) -> Path:
    """The same model with its tables changed, as objects of TensorFlow Lite's own schema."""
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    whole = schema.ModelT.InitFromPackedBuf(model.read_bytes(), 0)
    edit(whole)
    builder = flatbuffers.Builder(0)
    builder.Finish(whole.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def with_outputs(model: Path, path: Path, order: Sequence[int]) -> Path:
    """The same model with its outputs in another order, under names that tell nothing."""

    def edit(whole: Any) -> None:
        graph = whole.subgraphs[0]
        graph.outputs = [graph.outputs[place] for place in order]
        for place, tensor in enumerate(graph.outputs):
            graph.tensors[tensor].name = f"out_{'dbca'[place]}"
        whole.signatureDefs = []

    return edited(model, path, edit)


def with_metadata(
    model: Path,
    path: Path,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    labels: str | None = None,
) -> Path:
    """The same model with TensorFlow Lite's metadata: normalisation, and a label file behind it."""
    from tensorflow.lite.python import schema_py_generated as schema

    packed = _metadata(list(mean), list(std), labels is not None)

    def edit(whole: Any) -> None:
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(packed, np.uint8)
        entry.name, entry.buffer = "TFLITE_METADATA", len(whole.buffers)
        whole.buffers.append(buffer)
        whole.metadata = [*(whole.metadata or []), entry]

    edited(model, path, edit)
    if labels is not None:
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("labelmap.txt", labels)
    return path


def _metadata(mean: list[float], std: list[float], labels: bool) -> bytes:
    """A ModelMetadata of metadata_schema.fbs, field by field."""
    import flatbuffers

    builder = flatbuffers.Builder(0)

    def table(fields: dict[int, tuple[str, Any]], count: int) -> int:
        builder.StartObject(count)
        for field, (kind, value) in fields.items():
            if kind == "table":
                builder.PrependUOffsetTRelativeSlot(field, value, 0)
            else:
                builder.PrependUint8Slot(field, value, 0)
        return builder.EndObject()

    def listed(tables: list[int]) -> int:
        builder.StartVector(4, len(tables), 4)
        for one in reversed(tables):
            builder.PrependUOffsetTRelative(one)
        return builder.EndVector()

    def floats(values: list[float]) -> int:
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependFloat32(value)
        return builder.EndVector()

    inputs, outputs = {}, {}
    if mean:
        options = table({0: ("table", floats(mean)), 1: ("table", floats(std))}, 2)
        unit = table({0: ("number", 1), 1: ("table", options)}, 2)
        inputs[4] = "table", listed([unit])
    if labels:
        name = builder.CreateString("labelmap.txt")
        outputs[6] = "table", listed([table({0: ("table", name), 2: ("number", 3)}, 5)])
    graph = {
        2: ("table", listed([table(inputs, 7)])),
        3: ("table", listed([table({}, 7), table(outputs, 7)])),
    }
    builder.Finish(table({3: ("table", listed([table(graph, 9)]))}, 8), b"M001")
    return bytes(builder.Output())
