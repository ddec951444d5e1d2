"""A model's frozen form: its graph frozen, its ends cut off where they may be, written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfzoo.errors import ModelFormatError
from tfzoo.images.image import Image
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.free_batch import with_free_batch
from tfzoo.prepare.graph_part import Part, behind
from tfzoo.prepare.pipeline_config import PipelineConfig
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, NmsNode, RawOutput, why_whole
from tfzoo.prepare.preprocess import Preprocessing, Resizer, find_preprocessing
from tfzoo.runtimes.runtime import reason_of
from tfzoo.runtimes.tensorflow import quiet_absl

if TYPE_CHECKING:
    import tensorflow as tf

# Operations that only rearrange one of their inputs, and which.
_REARRANGE = {
    "ExpandDims": 0,
    "GatherV2": 0,
    "Identity": 0,
    "Reshape": 0,
    "Slice": 0,
    "Split": 1,
    "Squeeze": 0,
    "StopGradient": 0,
    "StridedSlice": 0,
    "Transpose": 0,
    "Unpack": 0,
}


def write_prepared(
    source: Path, folder: Path, config: PipelineConfig, loops: bool = True
) -> tuple[Cut, str]:
    """Writes a model's frozen form, cut where that is possible, as a SavedModel.

    Args:
        source: The SavedModel folder.
        folder: An empty folder.
        config: The model's parameters, where they are known.
        loops: Whether a batch may be gone through in a loop of the graph, where some of it can't
            be vectorised; ONNX Runtime can't run those.

    Returns:
        What is left to do outside, and in a sentence why.

    Raises:
        ModelFormatError: TensorFlow can't open or freeze it.
    """
    import tensorflow as tf

    part = _freeze(source)
    after, note = None, _why_whole(part, config)
    if not note:
        part = replace(part, ends={name: part.ends[name] for name in (RAW_BOXES, RAW_SCORES)})
        after, note = config.postprocessing, f"cut at {RAW_BOXES} and {RAW_SCORES}"
    network, before, resized = _split_at_network(part, config.resizer)
    note += f"; {resized}"
    freed = before and with_free_batch(network, before, loops)
    note += "; takes batches" if freed else "; takes one image a call"
    # Nothing is trained on it, and gradients of one's own (swish) can't be saved frozen.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with quiet_absl():
        tf.saved_model.save(
            tf.Module(), str(folder), signatures=freed or network.function(), options=options
        )
    return Cut(before, after, true_shapes=len(network.starts) > 1), note


def _freeze(source: Path) -> Part:
    """The whole graph, its variables constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2_as_graph,
    )

    try:
        with quiet_absl():
            model = tf.saved_model.load(str(source))
        signature = model.signatures["serving_default"]
        with _quiet_stderr():
            # Loops stay functions: taken apart, they are slower and no converter knows them.
            frozen, graph_def = convert_variables_to_constants_v2_as_graph(
                signature, lower_control_flow=False
            )
    except Exception as error:  # A cut file raises nearly anything.
        raise ModelFormatError(
            f"{source} can't be frozen by TensorFlow: {reason_of(error)}"
        ) from None
    if len(frozen.inputs) > 1:
        taken = ", ".join(port.name.partition(":")[0] for port in frozen.inputs)
        raise ModelFormatError(
            f"{source} takes more than an image ({taken}), and only models that take an image "
            "alone are prepared; run it with --runtime tensorflow"
        )
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
    # A dictionary's values are flattened in the order of its keys.
    names = sorted(signature.structured_outputs)
    ends = zip(names, (port.name for port in frozen.outputs), strict=True)
    return Part(
        graph_def,
        [graph.get_tensor_by_name(frozen.inputs[0].name)],
        {name: graph.get_tensor_by_name(end) for name, end in ends},
    )


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keeps out what TensorFlow's optimiser tells of itself, whatever its log level."""
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _why_whole(part: Part, config: PipelineConfig) -> str:
    """Why a graph can't be cut before its NMS; empty where it can."""
    outputs = {
        name: RawOutput(_root(port).name, _sizes(port), _sizes(_root(port)))
        for name, port in part.ends.items()
    }
    nodes = [
        NmsNode(
            _root(op.inputs[0]).name,
            _root(op.inputs[1]).name,
            _constant(op.inputs[3]),
            _constant(op.inputs[4]),
        )
        for op in part.starts[0].graph.get_operations()
        if op.type == "NonMaxSuppressionV5"
    ]
    return why_whole(outputs, nodes, config.postprocessing)


def _sizes(port: tf.Tensor) -> tuple[int, ...] | None:
    return tuple(port.shape.as_list()) if port.shape.is_fully_defined() else None


def _root(port: tf.Tensor) -> tf.Tensor:
    """Where a tensor comes from, past operations that only rearrange it."""
    while port.op.type in _REARRANGE:
        # A choice that depends on the image is more than a rearrangement.
        if port.op.type == "GatherV2" and _constant(port.op.inputs[1]) is None:
            break
        port = port.op.inputs[_REARRANGE[port.op.type]]
    return port


def _constant(port: tf.Tensor) -> Any:
    """The only value of a constant (of an array of one), else an array; None if not constant."""
    import tensorflow as tf

    while port.op.type == "Identity":
        port = port.op.inputs[0]
    if port.op.type != "Const":
        return None
    data = tf.make_ndarray(port.op.get_attr("value"))
    return data.ravel()[0] if data.size == 1 else data


def _split_at_network(
    part: Part, resizer: Resizer | None
) -> tuple[Part, Preprocessing | None, str]:
    """What follows the resizing of the image, what to do before it, and in a sentence why."""
    import tensorflow as tf

    if part.starts[0].shape.is_fully_defined():
        return part, None, "it takes images of the network's size"
    if resizer is None:
        return part, None, "how it resizes is not known"
    starts = _entrance(part, resizer.size)
    if not starts:
        return part, None, "nothing in it is an image of the network's size"
    front = replace(part, ends={"image": starts[0]}).function()
    dtype = part.starts[0].dtype

    def graph(image: Image) -> Any:
        return front(tf.cast(image[None], dtype))["image"].numpy()[0]

    before, note = find_preprocessing(resizer, graph)
    # What the graph says of its own sizes may be less.
    starts[0].set_shape([1, *resizer.size, 3])
    return replace(part, starts=starts) if before else part, before, note


def _entrance(part: Part, size: tuple[int, int]) -> list[tf.Tensor]:
    """Where the network begins: what all ends depend on the image by.

    That is the last tensor that is an image of the network's size, and where boxes are told in
    parts of the image in the graph, the last that is the shape of what it fills. Empty if there is
    no such tensor.
    """
    import tensorflow as tf

    wanted = behind(part.ends.values())
    ports = [
        port
        for op in reversed(part.starts[0].graph.get_operations())
        if op.type != "Const"
        for port in op.outputs
        if port.name in wanted and port.shape.rank is not None
    ]
    images = [
        port
        for port in ports
        if port.dtype == tf.float32 and port.shape.is_compatible_with([1, *size, 3])
    ]
    shapes = [port for port in ports if port.dtype == tf.int32 and port.shape == [1, 3]]
    for image in images:
        for starts in ([image], *([image, shape] for shape in shapes)):
            past = {start.name for start in starts}
            if part.starts[0].name not in behind(part.ends.values(), past):
                return starts
    return []
