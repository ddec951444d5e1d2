"""A model's frozen form, and the surgery on its graph: ends cut off, the batch freed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo.cut import WHOLE, Cut
from tfzoo.errors import ModelFormatError
from tfzoo.pipeline_config import PipelineConfig
from tfzoo.postprocess import RAW_BOXES, RAW_SCORES, NmsNode, RawOutput, why_whole
from tfzoo.preprocess import Preprocessing, Resizer, find_preprocessing

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

#: How far an image's outputs may be off in a batch, as a part of the output's range.
BATCH_TOLERANCE = 1e-4


def write_prepared(source: Path, folder: Path, config: PipelineConfig) -> tuple[Cut, str]:
    """Writes a model's frozen form, cut where that is possible, as a SavedModel.

    Args:
        source: The SavedModel folder.
        folder: An empty folder.
        config: The model's parameters, where they are known.

    Returns:
        What is left to do outside, and in a sentence why.

    Raises:
        ModelFormatError: TensorFlow can't open or freeze it.
    """
    import tensorflow as tf

    part = _freeze(source)
    cut, note = WHOLE, _why_whole(part, config)
    if note:
        function = part.function()
    else:
        part = replace(part, ends={name: part.ends[name] for name in (RAW_BOXES, RAW_SCORES)})
        network, before, resized = _split_at_network(part, config.resizer)
        cut, note = Cut(before, config.postprocessing), f"cut at {RAW_BOXES} and {RAW_SCORES}"
        note += f"; {resized}"
        freed = before and _with_free_batch(network, before)
        note += "; takes batches" if freed else "; takes one image a call"
        function = freed or network.function()
    # Nothing is trained on it, and gradients of one's own (swish) can't be saved frozen.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(tf.Module(), str(folder), signatures=function, options=options)
    return cut, note


@dataclass(frozen=True)
class _Part:
    """Part of a frozen graph, from some of its tensors to others.

    Attributes:
        graph_def: The whole graph, for building.
        starts: The tensors it begins at.
        ends: The tensors it returns, by output name.
        free_batch: Whether the first dimension of its inputs is free.
    """

    graph_def: Any
    starts: Sequence[tf.Tensor]
    ends: Mapping[str, tf.Tensor]
    free_batch: bool = False

    def function(self) -> Any:
        """It as a function of TensorFlow, from its starts to a dictionary.

        Raises:
            ValueError: Shapes in it do not allow a free batch.
        """
        import tensorflow as tf

        # In the place of the starts the function's arguments will stand.
        starts = {start.name for start in self.starts}
        behind = _behind(self.ends.values(), past=starts) - starts
        kept = {name.partition(":")[0] for name in behind}
        part = tf.compat.v1.GraphDef(
            node=[node for node in self.graph_def.node if node.name in kept],
            library=self.graph_def.library,
            versions=self.graph_def.versions,
        )
        for node in part.node:
            # Nothing in a detector has effects that others would wait for.
            inputs = [name for name in node.input if not name.startswith("^")]
            del node.input[:]
            node.input.extend(inputs)
            node.attr.pop("_class", None)  # Wishes to be placed beside nodes that are left out.
        shapes = self._reshapes(part) if self.free_batch else {}
        for node in part.node:
            if node.name in shapes:
                node.input[1] = f"{node.name}/shape_of_any_batch"

        values = {f"{name}/shape_of_any_batch:0": shape for name, shape in shapes.items()}
        used = {name if ":" in name else f"{name}:0" for node in part.node for name in node.input}
        wanted = {name: port.name for name, port in self.ends.items() if port.name not in starts}

        def run(*given: tf.Tensor) -> dict[str, tf.Tensor]:
            by_name = {start.name: one for start, one in zip(self.starts, given, strict=True)}
            found = tf.graph_util.import_graph_def(
                part,
                input_map={name: tf.constant(value) for name, value in values.items()}
                | {name: one for name, one in by_name.items() if name in used},
                return_elements=list(wanted.values()),
                name="",
            )
            by_name |= dict(zip(wanted.values(), found, strict=True))
            return {name: by_name[port.name] for name, port in self.ends.items()}

        first = [None] if self.free_batch else [1]
        specs = [
            tf.TensorSpec([*first, *start.shape[1:]], start.dtype, f"input_tensor{i or ''}")
            for i, start in enumerate(self.starts)
        ]
        return tf.function(run, autograph=False).get_concrete_function(*specs)

    def _reshapes(self, part: Any) -> dict[str, list[int]]:
        """The shapes that end a batch of one in their first dimension, with that dimension free."""
        # Built with inputs of fixed size, a graph knows most of its shapes.
        graph = replace(self, free_batch=False).function().graph
        varying = {port.name for port in graph.inputs}
        found = {}
        for op in graph.get_operations():
            if any(port.name in varying for port in op.inputs):
                varying |= {port.name for port in op.outputs}
            if op.type == "Reshape" and op.inputs[0].name in varying:
                sizes = op.outputs[0].shape.as_list()
                if sizes and sizes[0] == 1 and None not in sizes:
                    found[op.name] = [-1, *sizes[1:]]
        return found


def _freeze(source: Path) -> _Part:
    """The whole graph, its variables constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2_as_graph,
    )

    try:
        model = tf.saved_model.load(str(source))
        signature = model.signatures["serving_default"]
        # Loops stay functions: taken apart, they are slower and no converter knows them.
        frozen, graph_def = convert_variables_to_constants_v2_as_graph(
            signature, lower_control_flow=False
        )
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        raise ModelFormatError(f"{source} can't be frozen by TensorFlow: {error}") from None
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
    # A dictionary's values are flattened in the order of its keys.
    names = sorted(signature.structured_outputs)
    ends = zip(names, (port.name for port in frozen.outputs), strict=True)
    return _Part(
        graph_def,
        [graph.get_tensor_by_name(frozen.inputs[0].name)],
        {name: graph.get_tensor_by_name(end) for name, end in ends},
    )


def _why_whole(part: _Part, config: PipelineConfig) -> str:
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
    part: _Part, resizer: Resizer | None
) -> tuple[_Part, Preprocessing | None, str]:
    """What follows the resizing of the image, what to do before it, and in a sentence why."""
    import tensorflow as tf

    if resizer is None:
        return part, None, "how it resizes is not known"
    entrance = _entrance(part, resizer.size)
    if entrance is None:
        return part, None, "nothing in it is an image of the network's size"
    front = replace(part, ends={"image": entrance}).function()
    before, note = find_preprocessing(
        resizer, lambda image: front(tf.constant(image[None]))["image"].numpy()[0]
    )
    # What the graph says of its own sizes may be less.
    entrance.set_shape([1, *resizer.size, 3])
    return replace(part, starts=[entrance]) if before else part, before, note


def _entrance(part: _Part, size: tuple[int, int]) -> tf.Tensor | None:
    """The last tensor that is an image of this size and that all of the network depends on."""
    wanted = _behind(part.ends.values())
    for op in reversed(part.starts[0].graph.get_operations()):
        for port in op.outputs:
            if (
                port.name in wanted
                and op.type != "Const"
                and port.dtype.name == "float32"
                and port.shape.rank is not None
                and port.shape.is_compatible_with([1, *size, 3])
                and part.starts[0].name not in _behind(part.ends.values(), past={port.name})
            ):
                return port
    return None


def _behind(ports: Iterable[tf.Tensor], past: Set[str] = frozenset()) -> set[str]:
    """Names of all tensors that some depend on, by ways that do not lead past others."""
    seen = set(past)
    waiting = list(ports)
    while waiting:
        port = waiting.pop()
        if port.name not in seen:
            seen.add(port.name)
            waiting += port.op.inputs
    return seen


def _with_free_batch(network: _Part, before: Preprocessing) -> Any:
    """The network as a function of any number of images, or None where each must come alone.

    An export of batch 1 has that 1 in the shapes that its heads are reshaped to, and decodes boxes
    in ways that know of one image. So the network up to the heads is freed of that 1, and what
    follows is mapped over the images. Whether nothing else holds them together, images in a batch
    tell: each must come out as it does alone.
    """
    import tensorflow as tf

    heads = {name: _head(port) for name, port in network.ends.items()}
    body = replace(network, ends=heads, free_batch=True)
    tail = replace(network, starts=list(heads.values())).function()

    def run(images: tf.Tensor) -> dict[str, tf.Tensor]:
        def decode(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            found = tail(*(feature[tf.newaxis] for feature in features.values()))
            return {name: value[0] for name, value in found.items()}

        found: dict[str, tf.Tensor] = tf.vectorized_map(
            decode, body_function(images), fallback_to_while_loop=False
        )
        return found

    rng = np.random.default_rng(0)
    images = [before(rng.integers(0, 256, (90 + 10 * i, 120, 3), dtype=np.uint8)) for i in range(3)]
    shape = [None, *before.resizer.size, 3]
    try:
        body_function = body.function()
        freed = tf.function(run, autograph=False).get_concrete_function(
            tf.TensorSpec(shape, tf.float32, "input_tensor")
        )
        together = freed(tf.constant(np.stack(images)))
    except (ValueError, tf.errors.OpError):
        return None
    one = network.function()
    for i, image in enumerate(images):
        for name, value in one(tf.constant(image[None])).items():
            expected, got = value.numpy()[0], together[name].numpy()
            if got.shape != (len(images), *expected.shape):
                return None
            if np.abs(got[i] - expected).max() > BATCH_TOLERANCE * max(1.0, np.ptp(expected)):
                return None
    return freed


def _head(end: tf.Tensor) -> tf.Tensor:
    """Where an output's feature maps are joined: the last such place before it, or itself."""
    waiting, seen = [end], set()
    while waiting:
        port = waiting.pop(0)
        if port.op.type == "ConcatV2" and _constant(port.op.inputs[-1]) == 1 == port.shape[0]:
            return port
        if port.name not in seen:
            seen.add(port.name)
            waiting += port.op.inputs
    return end
