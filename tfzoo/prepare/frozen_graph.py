"""A model's frozen form, and the surgery on its graph: ends cut off, the batch freed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo.errors import ModelFormatError
from tfzoo.images.image import Image
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.pipeline_config import PipelineConfig
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, NmsNode, RawOutput, why_whole
from tfzoo.prepare.preprocess import Preprocessing, Resizer, find_preprocessing

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

# Operations that are told the shape of their result, and which of their inputs tells it.
_SHAPED = {"Reshape": 1, "Conv2DBackpropInput": 0}

#: What a network takes: images, and each one's height, width and channels without the padding.
_ARGUMENTS = ("input_tensor", "true_image_shape")

#: How far an image's outputs may be off in a batch, as a part of the output's range.
BATCH_TOLERANCE = 1e-4


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
    freed = before and _with_free_batch(network, before, loops)
    note += "; takes batches" if freed else "; takes one image a call"
    # Nothing is trained on it, and gradients of one's own (swish) can't be saved frozen.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(
        tf.Module(), str(folder), signatures=freed or network.function(), options=options
    )
    return Cut(before, after, true_shapes=len(network.starts) > 1), note


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
        shapes = self._shapes_of_one() if self.free_batch else {}
        for node in part.node:
            if node.name in shapes:
                node.input[_SHAPED[node.op]] = f"{node.name}/shape_of_any_batch"

        used = {name if ":" in name else f"{name}:0" for node in part.node for name in node.input}
        wanted = {name: port.name for name, port in self.ends.items() if port.name not in starts}

        def run(*given: tf.Tensor) -> dict[str, tf.Tensor]:
            by_name = {start.name: one for start, one in zip(self.starts, given, strict=True)}
            size = tf.shape(given[0])[0]
            values = {
                f"{name}/shape_of_any_batch:0": tf.stack([size, *rest])
                for name, rest in shapes.items()
            }
            found = tf.graph_util.import_graph_def(
                part,
                input_map=values | {name: one for name, one in by_name.items() if name in used},
                return_elements=list(wanted.values()),
                name="",
            )
            by_name |= dict(zip(wanted.values(), found, strict=True))
            return {name: by_name[port.name] for name, port in self.ends.items()}

        specs = _specs(self.starts, None if self.free_batch else 1)
        return tf.function(run, autograph=False).get_concrete_function(*specs)

    def _shapes_of_one(self) -> dict[str, list[int]]:
        """The operations that are told a shape whose first dimension is a batch of one: the rest.

        Those are changes of shape, and transposed convolutions.
        """
        # Built with inputs of fixed size, a graph knows most of its shapes.
        graph = replace(self, free_batch=False).function().graph
        varying = {port.name for port in graph.inputs}
        found = {}
        for op in graph.get_operations():
            if any(port.name in varying for port in op.inputs):
                varying |= {port.name for port in op.outputs}
                sizes = op.outputs[0].shape.as_list() if op.type in _SHAPED else []
                if sizes and sizes[0] == 1 and None not in sizes:
                    found[op.name] = sizes[1:]
        return found


def _specs(starts: Sequence[tf.Tensor], size: int | None) -> list[tf.TensorSpec]:
    """What a function takes that begins at some tensors, in batches of a size (None: of any)."""
    import tensorflow as tf

    names = [*_ARGUMENTS, *(f"feature_{i}" for i in range(len(starts)))]
    return [
        tf.TensorSpec([size, *start.shape[1:]], start.dtype, name)
        for start, name in zip(starts, names, strict=False)
    ]


def _freeze(source: Path) -> _Part:
    """The whole graph, its variables constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2_as_graph,
    )

    try:
        model = tf.saved_model.load(str(source))
        signature = model.signatures["serving_default"]
        with _quiet_stderr():
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


def _entrance(part: _Part, size: tuple[int, int]) -> list[tf.Tensor]:
    """Where the network begins: what all ends depend on the image by.

    That is the last tensor that is an image of the network's size, and where boxes are told in
    parts of the image in the graph, the last that is the shape of what it fills. Empty if there is
    no such tensor.
    """
    import tensorflow as tf

    wanted = _behind(part.ends.values())
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
            if part.starts[0].name not in _behind(part.ends.values(), past):
                return starts
    return []


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


def _with_free_batch(network: _Part, before: Preprocessing, loops: bool) -> Any:
    """The network as a function of any number of images, or None where each must come alone.

    What follows the convolutions of an export of batch 1 knows of one image only, in many ways. So
    it is mapped over the images: all at once, or where something in it can't be vectorised (the
    search for keypoints of those that are persons), one after the other. The convolutions are
    freed of the 1 in the shapes among them. Whether nothing else holds the images together, a
    batch tells: each must come out as it does alone.
    """
    import tensorflow as tf

    features = _last_convolutions(network)
    shapes = network.starts[1:]
    ends = {feature.name: feature for feature in features}
    try:
        body = replace(network, starts=network.starts[:1], ends=ends, free_batch=True).function()
        tail = replace(network, starts=[*features, *shapes]).function()
    except ValueError:  # Such as a second stage, whose convolutions run over proposals.
        return None
    found = {
        name: tf.TensorSpec(value.shape[1:], value.dtype)
        for name, value in tail.structured_outputs.items()
    }

    def decode(values: list[tf.Tensor]) -> dict[str, tf.Tensor]:
        return {n: v[0] for n, v in tail(*(value[tf.newaxis] for value in values)).items()}

    ways: list[Any] = [partial(tf.vectorized_map, fallback_to_while_loop=False)]
    if loops:
        ways.append(partial(tf.map_fn, fn_output_signature=found))
    for way in ways:

        def run(images: tf.Tensor, *true_shapes: tf.Tensor, way: Any = way) -> Any:
            return way(decode, [*body(images).values(), *true_shapes])

        try:
            with _silence():
                freed = tf.function(run, autograph=False).get_concrete_function(
                    *_specs(network.starts, None)
                )
            if _same_in_a_batch(network.function(), freed, before, bool(shapes)):
                return freed
        except (ValueError, TypeError, tf.errors.OpError):
            continue
    return None


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps TensorFlow from telling at length of what it can't vectorise."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _same_in_a_batch(one: Any, many: Any, before: Preprocessing, true_shapes: bool) -> bool:
    """Whether images in a batch come out as each does alone."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (90 + 10 * i, 120, 3), dtype=np.uint8) for i in range(3)]
    given = [np.stack([before(picture) for picture in pictures])]
    if true_shapes:
        given.append(np.stack([before.true_shape(picture) for picture in pictures]))
    together = many(*map(tf.constant, given))
    for i in range(len(pictures)):
        for name, value in one(*(tf.constant(values[i : i + 1]) for values in given)).items():
            expected, got = value.numpy()[0], together[name].numpy()
            if got.shape != (len(pictures), *expected.shape):
                return False
            if np.abs(got[i] - expected).max() > BATCH_TOLERANCE * max(1.0, np.ptp(expected)):
                return False
    return True


def _last_convolutions(network: _Part) -> list[tf.Tensor]:
    """The outputs of the convolutions that nothing but decoding follows."""
    seen = {start.name for start in network.starts}
    waiting = list(network.ends.values())
    found = {}
    while waiting:
        port = waiting.pop()
        if port.name in seen:
            continue
        seen.add(port.name)
        if port.op.type in ("Conv2D", "DepthwiseConv2dNative"):
            found[port.name] = port
        else:
            waiting += port.op.inputs
    return list(found.values())
