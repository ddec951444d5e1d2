"""What a model's network costs, whatever runs it: its parameters, and the operations of one image.

Both are counted of the export's own graph, once, and kept in the cache. A multiply-add is two
floating-point operations (FLOPs). docs/accuracy.md says what counts and what does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo import records
from tfzoo.errors import ModelFormatError
from tfzoo.files import write_whole
from tfzoo.images.image import Image
from tfzoo.prepare.frozen_graph import freeze
from tfzoo.prepare.graph_part import Part, behind
from tfzoo.runtimes.runtime import reason_of
from tfzoo.runtimes.tensorflow import load_export
from tfzoo.store.derived import derived
from tfzoo.store.models import StoredModel

if TYPE_CHECKING:
    import tensorflow as tf

#: Raised whenever what is counted changes.
_FORMAT = 1
_RECORD = "cost.json"

#: A shape, None for sizes that are not known.
Sizes = Sequence[int | None]

#: TensorFlow's operations that multiply and add: convolutions and products of matrices.
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput")
_PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
#: What multiplies and adds too, and is not counted: a graph that has one is left blank.
_UNCOUNTED = ("Einsum", "Conv3D", "Conv3DBackpropInputV2", "SparseTensorDenseMatMul", "XlaConvV2")
_ONNX_UNCOUNTED = ("Einsum", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul")
#: What else has weights, where they are constants of the graph.
_WEIGHED = (*_CONVOLUTIONS, *_PRODUCTS, "BiasAdd", "FusedBatchNorm", "FusedBatchNormV3")
#: What hands a constant on as it is.
_PASSES = ("Identity", "ReadVariableOp", "StopGradient")
#: ONNX's operations, likewise; the last multiplies and adds nothing that is counted.
_ONNX_WEIGHED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization")


@dataclass(frozen=True)
class GraphCost:
    """What was counted; None where it can't be told.

    Attributes:
        parameters: Number of weights, those of normalisations included.
        gflops: FLOPs of one image, in 10^9: twice the multiply-adds.
    """

    parameters: int | None = None
    gflops: float | None = None


def cost_of(model: StoredModel, image: Image) -> GraphCost:
    """What a model's network costs, counted where it was not yet.

    Args:
        model: From the store.
        image: uint8 [height, width, 3]; what is detected, whose size counts where the network's
            own depends on it.

    Raises:
        ModelFormatError: Its graph can't be read or run.
        StoreError: What was counted can't be kept.
    """
    height, width = image.shape[:2]

    def build(folder: Path) -> None:
        write_whole(folder / _RECORD, json.dumps(asdict(counted(model.path, image))))

    key = f"cost-{_FORMAT}-{height}x{width}"
    folder = derived(model.id, model.digest, key, build, sound=_sound)
    return records.read(folder / _RECORD, GraphCost)


def _sound(folder: Path) -> bool:
    try:
        records.read(folder / _RECORD, GraphCost)
    except (OSError, ValueError):
        return False
    return True


def counted(path: Path, image: Image) -> GraphCost:
    """Counts the graph of a SavedModel folder or an `.onnx` file.

    Raises:
        ModelFormatError: It can't be read or run.
    """
    try:
        return _of_savedmodel(path, image) if path.is_dir() else _of_onnx(path, image)
    except ModelFormatError:
        raise
    except Exception as error:  # The libraries share none.
        raise ModelFormatError(f"{path} can't be counted: {reason_of(error)}") from None


def _of_savedmodel(path: Path, image: Image) -> GraphCost:
    import tensorflow as tf

    with tf.device("/CPU:0"):
        model = load_export(path)  # Held, so that freezing does not load it again.
        part = freeze(path)
        variables = model.signatures["serving_default"].variables
        parameters = sum(one.shape.num_elements() for one in variables if one.dtype.is_floating)
        return GraphCost(parameters or _constants(part), _gflops(part, image))


def _constants(part: Part) -> int:
    """Weights of a graph that was exported without variables: constants, each counted once."""
    found: dict[str, int] = {}
    for op in _operations(part):
        for port in op.inputs if op.type in _WEIGHED else ():
            while port.op.type in _PASSES:
                port = port.op.inputs[0]
            if port.op.type == "Const" and port.dtype.is_floating:
                found[port.name] = port.shape.num_elements()
    return sum(found.values())


def _operations(part: Part) -> list[tf.Operation]:
    """The operations that a graph's outputs depend on, those in its loops left out."""
    names = {name.partition(":")[0] for name in behind(part.ends.values())}
    graph = next(iter(part.ends.values())).graph
    return [op for op in graph.get_operations() if op.name in names]


def _gflops(part: Part, image: Image) -> float | None:
    """FLOPs of one image, by the shapes that its tensors have when the graph runs.

    None where a loop or a branch multiplies matrices, since how often is not known, and where
    something multiplies that is not counted.
    """
    operations = _operations(part)
    if any(op.type in _UNCOUNTED for op in operations) or _inside_functions(part, operations):
        return None
    counting = [op for op in operations if op.type in (*_CONVOLUTIONS, *_PRODUCTS)]
    ports = {port.name: port for op in counting for port in (*op.inputs, *op.outputs)}
    shapes = _shapes(replace(part, ends=ports), image) if ports else {}
    return _rounded(sum(_multiply_adds(op, shapes) for op in counting))


def _rounded(multiply_adds: int) -> float:
    return float(f"{2 * multiply_adds / 1e9:.4g}")


def _inside_functions(part: Part, operations: Iterable[tf.Operation]) -> bool:
    """Whether a function that operations call (a loop's body, say) multiplies matrices."""
    library = {function.signature.name: function for function in part.graph_def.library.function}
    nodes = [op.node_def for op in operations]
    seen: set[str] = set()
    while nodes:
        node = nodes.pop()
        called = {name for value in node.attr.values() if (name := value.func.name) in library}
        for name in called - seen:
            inside = library[name].node_def
            if any(one.op in (*_CONVOLUTIONS, *_PRODUCTS, *_UNCOUNTED) for one in inside):
                return True
            nodes += inside
        seen |= called
    return False


def _shapes(part: Part, image: Image) -> Mapping[str, Sequence[int]]:
    """The shapes of a graph's ends when it detects an image."""
    import tensorflow as tf

    (start,) = part.starts
    sizes = [own or given for own, given in zip(start.shape, (1, *image.shape), strict=True)]
    network = part.function()

    def shapes(given: tf.Tensor) -> dict[str, tf.Tensor]:
        # Of the tensors nothing else leaves the graph, so that each is freed after its use.
        return {name: tf.shape(value) for name, value in network(given).items()}

    picture = tf.constant(np.resize(image, sizes).astype(start.dtype.as_numpy_dtype))
    found = tf.function(shapes, autograph=False)(picture)
    return {name: value.numpy().tolist() for name, value in found.items()}


def _multiply_adds(op: tf.Operation, shapes: Mapping[str, Sequence[int]]) -> int:
    """Multiply-adds of one operation."""
    inputs, out = [shapes[port.name] for port in op.inputs], shapes[op.outputs[0].name]
    if op.type == "Conv2D":
        # Of a filter [height, width, channels in a group, channels out] each output takes a part.
        return prod(out) * prod(inputs[1][:3])
    if op.type == "DepthwiseConv2dNative":
        return prod(out) * prod(inputs[1][:2])
    if op.type == "Conv2DBackpropInput":
        # A transposed convolution: each of its inputs is multiplied with [height, width, out].
        return prod(inputs[2]) * prod(inputs[1][:3])
    transposed = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
    return prod(out) * inputs[0][-2 if transposed else -1]


def _of_onnx(path: Path, image: Image) -> GraphCost:
    """The same of ONNX, by its shape inference; nothing where the library is not installed."""
    if find_spec("onnx") is None:
        return GraphCost()
    import onnx

    model = onnx.load(path, load_external_data=False)
    height, width = image.shape[:2]
    for size, given in zip(
        model.graph.input[0].type.tensor_type.shape.dim, (1, 3, height, width), strict=False
    ):
        size.dim_value = size.dim_value or given
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    weights = {one.name: list(one.dims) for one in graph.initializer}
    shapes: dict[str, Sizes] = dict(weights)
    for info in (*graph.input, *graph.value_info, *graph.output):
        dimensions = info.type.tensor_type.shape.dim
        shapes[info.name] = [size.dim_value or None for size in dimensions]
    weighed = [node for node in graph.node if node.op_type in _ONNX_WEIGHED]
    used = {name for node in weighed for name in node.input if name in weights}
    found = [_onnx_multiply_adds(node, shapes) for node in weighed]
    known = [one for one in found if one is not None]
    whole = len(known) == len(found)
    whole &= all(node.op_type not in _ONNX_UNCOUNTED for node in graph.node)
    return GraphCost(
        sum(prod(weights[name]) for name in used), _rounded(sum(known)) if whole else None
    )


def _onnx_multiply_adds(node: Any, shapes: Mapping[str, Sizes]) -> int | None:
    """Multiply-adds of one node, or None where its shapes are not known."""
    if node.op_type == "BatchNormalization":
        return 0
    first, second = (shapes.get(name, (None,)) for name in node.input[:2])
    out = shapes.get(node.output[0], (None,))
    if node.op_type == "Conv":
        parts = [*out, *second[1:]]
    elif node.op_type == "ConvTranspose":
        parts = [*first, *second[1:]]
    else:
        transposed = any(one.name == "transA" and one.i for one in node.attribute)
        parts = [*out, first[-2 if transposed else -1]]
    return None if None in parts else prod(one for one in parts if one is not None)
