"""A detector as the exporter's other input types, and as TensorFlow 1's frozen graph.

Each is made of an `image_tensor` export, the twin that it is held against.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

#: `--input_type` of exporter_main_v2, but for the twin's.
INPUT_TYPES = ("float_image_tensor", "encoded_image_string_tensor", "tf_example")


def save(input_type: str, twin: Path, folder: Path, batch: int | None = 1) -> Path:
    """Exports an `image_tensor` SavedModel again, with another input type.

    Strings are decoded as the exporter has it: mapped over the batch, with `tf.io.decode_image`, or
    for a tf.Example by way of its `image/encoded`, which is decoded by its format.

    Args:
        input_type: One of `INPUT_TYPES`.
        twin: The folder that holds `saved_model/`, and perhaps `pipeline.config`.
        folder: The same, of the new one.
        batch: Of the strings; None is free, as TensorFlow 1 has it.
    """
    import tensorflow as tf

    model = tf.saved_model.load(str(twin / "saved_model"))
    detect = model.signatures["serving_default"]

    def decoded(data: Any) -> Any:
        image = tf.io.decode_image(data, channels=3)
        image.set_shape([None, None, 3])
        return image

    def of_example(example: Any) -> Any:
        empty = {name: tf.io.FixedLenFeature((), tf.string, "") for name in ("image/encoded",)}
        empty["image/format"] = tf.io.FixedLenFeature((), tf.string, "jpeg")
        data = tf.io.parse_single_example(example, empty)["image/encoded"]
        return tf.cond(
            tf.io.is_jpeg(data), lambda: tf.io.decode_jpeg(data, channels=3), lambda: decoded(data)
        )

    def run(input_tensor: Any) -> Any:
        if input_type == "float_image_tensor":
            return detect(input_tensor=tf.cast(input_tensor, tf.uint8))
        decode = decoded if input_type == "encoded_image_string_tensor" else of_example
        return detect(input_tensor=tf.map_fn(decode, input_tensor, fn_output_signature=tf.uint8))

    spec = tf.TensorSpec([batch], tf.string, "input_tensor")
    if input_type == "float_image_tensor":
        spec = tf.TensorSpec([1, None, None, 3], tf.float32, "input_tensor")
    module = tf.Module()
    module.model = model
    module.run = tf.function(run, input_signature=[spec])
    tf.saved_model.save(module, str(folder / "saved_model"), signatures=module.run)
    _copy_config(twin, folder)
    return folder


def save_frozen(twin: Path, folder: Path, name: str = "frozen_inference_graph.pb") -> Path:
    """Writes an `image_tensor` SavedModel as TensorFlow 1's frozen graph; gives the file."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2_as_graph,
    )

    model = tf.saved_model.load(str(twin / "saved_model"))
    detect = model.signatures["serving_default"]
    frozen, definition = convert_variables_to_constants_v2_as_graph(detect)
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.uint8, [None, None, None, 3], "image_tensor")
        ports = [port.name for port in frozen.outputs]
        takes = {frozen.inputs[0].name: image}
        found = tf.graph_util.import_graph_def(definition, takes, ports, "net")
        for key, port in zip(sorted(detect.structured_outputs), found, strict=True):
            tf.identity(port, key)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(graph.as_graph_def().SerializeToString())
    _copy_config(twin, folder)
    return folder / name


def _copy_config(twin: Path, folder: Path) -> None:
    if (twin / "pipeline.config").is_file():
        shutil.copy(twin / "pipeline.config", folder)
