"""A model's frozen form: its graph frozen, its ends cut off where they may be, written."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfzoo.errors import ModelFormatError
from tfzoo.images.image import Image
from tfzoo.prepare.cut import Cut, takes_more
from tfzoo.prepare.decoder import past_decoder
from tfzoo.prepare.free_batch import with_free_batch
from tfzoo.prepare.graph_part import Part, behind
from tfzoo.prepare.limits import (
    DETECTIONS,
    NmsNode,
    RawOutput,
    Tail,
    find_postprocessing,
    why_whole,
)
from tfzoo.prepare.pipeline_config import PipelineConfig
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, Floats, PostProcessing
from tfzoo.prepare.preprocess import (
    Preprocessing,
    Resizer,
    find_preprocessing,
    least_side,
)
from tfzoo.runtimes.runtime import quiet_stderr, reason_of
from tfzoo.runtimes.tensorflow import load_export, quiet_absl

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
    network, cut, note = cut_network(source, config)
    freed = cut.before and with_free_batch(network, cut.before, loops)
    note += "; takes batches" if freed else "; takes one image a call"
    save_function(freed or network.function(), folder)
    return cut, note


def cut_network(source: Path, config: PipelineConfig) -> tuple[Part, Cut, str]:
    """A model's graph frozen, its ends cut off where they may be.

    Args:
        source: The SavedModel folder.
        config: The model's parameters, where they are known.

    Returns:
        What is left of the graph, what is left to do outside, and in a sentence why.

    Raises:
        ModelFormatError: TensorFlow can't open or freeze it.
    """
    part = freeze(source)
    after, note = _find_postprocessing(part, config.postprocessing)
    if after is not None:
        part = replace(part, ends={name: part.ends[name] for name in (RAW_BOXES, RAW_SCORES)})
    resizer, min_side = config.resizer or config.unpadded, least_side(source)
    network, before, resized = _split_at_network(part, resizer, min_side)
    return network, Cut(before, after, true_shapes=len(network.starts) > 1), f"{note}; {resized}"


def save_function(function: Any, folder: Path) -> None:
    """Writes a frozen function as a SavedModel."""
    import tensorflow as tf

    # Nothing is trained on it, and gradients of one's own (swish) can't be saved frozen.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with quiet_absl():
        tf.saved_model.save(tf.Module(), str(folder), signatures=function, options=options)


def freeze(source: Path) -> Part:
    """The whole graph, its variables constants; from its pixels on where it decodes images."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2_as_graph,
    )

    try:
        model = load_export(source)
        signature = model.signatures["serving_default"]
        with quiet_stderr():
            # Loops stay functions: taken apart, they are slower and no converter knows them.
            frozen, graph_def = convert_variables_to_constants_v2_as_graph(
                signature, lower_control_flow=False
            )
    except Exception as error:  # A cut file raises nearly anything.
        raise ModelFormatError(
            f"{source} can't be frozen by TensorFlow: {reason_of(error)}"
        ) from None
    if any(node.op == "Enter" for node in graph_def.node):
        # Parts of such a graph can't be taken without what orders the nodes of its loops.
        raise ModelFormatError(
            f"{source} has loops as TensorFlow 1 writes them (Enter, Exit), of which no frozen "
            "form is made; run it with --runtime tensorflow or openvino"
        )
    if len(frozen.inputs) > 1:
        raise takes_more(source, [port.name.partition(":")[0] for port in frozen.inputs])
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
    # A dictionary's values are flattened in the order of its keys.
    names = sorted(signature.structured_outputs)
    ends = zip(names, (port.name for port in frozen.outputs), strict=True)
    part = Part(
        graph_def,
        [graph.get_tensor_by_name(frozen.inputs[0].name)],
        {name: graph.get_tensor_by_name(end) for name, end in ends},
    )
    return past_decoder(part, source) if part.starts[0].dtype == tf.string else part


def _find_postprocessing(
    part: Part, known: PostProcessing | None
) -> tuple[PostProcessing | None, str]:
    """What to do after a graph that is cut before its NMS; None where it can't be, and why not."""
    outputs, nodes = _raw_outputs(part), _nms_nodes(part)
    reason = why_whole(outputs, nodes, known)
    after = None
    if known is not None and not reason:
        counted = partial(_count, part)
        after, reason = find_postprocessing(outputs, nodes, known, _tail(part), counted)
    return after, reason or f"cut at {RAW_BOXES} and {RAW_SCORES}"


def _tail(part: Part) -> Tail:
    """What a graph does with its raw outputs, apart from its network."""
    import tensorflow as tf

    wanted = [*DETECTIONS, RAW_BOXES, RAW_SCORES]
    roots = [_trace(part.ends[name])[0] for name in (RAW_BOXES, RAW_SCORES)]
    ends = {name: part.ends[name] for name in wanted}
    end = replace(part, starts=[*part.starts, *roots], ends=ends).function()
    dtype = part.starts[0].dtype

    def run(image: Image, boxes: Floats, scores: Floats) -> dict[str, Floats]:
        try:
            found = end(tf.cast(image[None], dtype), tf.constant(boxes), tf.constant(scores))
        except tf.errors.OpError as error:
            raise ModelFormatError(error.message) from None
        return {name: value.numpy() for name, value in found.items()}

    return run


def _count(part: Part, image: Image) -> int:
    """How many anchors a graph has for an image."""
    import tensorflow as tf

    run = replace(part, ends={RAW_BOXES: part.ends[RAW_BOXES]}).function()
    return int(run(tf.cast(image[None], part.starts[0].dtype))[RAW_BOXES].shape[1])


def _raw_outputs(part: Part) -> dict[str, RawOutput]:
    found = {}
    for name, port in part.ends.items():
        root, choice = _trace(port)
        found[name] = RawOutput(root.name, _sizes(port), _sizes(root), choice)
    return found


def _nms_nodes(part: Part) -> list[NmsNode]:
    """All NMS nodes of a graph; within a loop, what they work on is not followed."""
    nodes = _operations(part.starts[0].graph)
    numbers = _numbers(part, [op.inputs[2] for op in nodes])
    found = []
    for op in nodes:
        boxes, scores, most, *limits = op.inputs
        roots = _trace(boxes)[0].name, _trace(scores)[0].name
        count = numbers.get(most.name, _most(most, roots[0]))
        found.append(NmsNode(*roots, count, *map(_constant, limits)))
    for op in _operations_of_functions(part):
        found.append(NmsNode(None, None, _most(op.inputs[2], None), *map(_constant, op.inputs[3:])))
    return found


def _operations(graph: tf.Graph) -> list[tf.Operation]:
    return [op for op in graph.get_operations() if op.type == "NonMaxSuppressionV5"]


def _operations_of_functions(part: Part) -> list[tf.Operation]:
    """The NMS nodes in what a graph calls: loops, for all that is known here."""
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    found = []
    for function in part.graph_def.library.function:
        if any(node.op == "NonMaxSuppressionV5" for node in function.node_def):
            with part.starts[0].graph.as_default():
                found += _operations(function_def_to_graph(function))
    return found


def _numbers(part: Part, ports: list[tf.Tensor]) -> dict[str, Any]:
    """The values of numbers that do not depend on the image, by the tensors' names."""
    import tensorflow as tf

    start = part.starts[0]
    fixed = {str(i): port for i, port in enumerate(ports) if start.name not in behind([port])}
    if not fixed:
        return {}
    sizes = [1 if size is None else size for size in start.shape]
    found = replace(part, ends=fixed).function()(tf.zeros(sizes, start.dtype))
    return {port.name: found[i].numpy() for i, port in fixed.items()}


def _most(port: tf.Tensor, boxes: str | None) -> Any:
    """How many boxes an NMS gives at most: a constant, or that or all boxes there are."""
    if port.op.type != "Minimum":
        return _constant(port)
    sides = [side for side in port.op.inputs if not _counts(side, boxes)]
    return _most(sides[0], boxes) if len(sides) == 1 else None


def _counts(port: tf.Tensor, boxes: str | None) -> bool:
    """Whether a number is one of the sizes of a tensor that holds the boxes (None: of any)."""
    while port.op.type in _REARRANGE:
        port = port.op.inputs[_REARRANGE[port.op.type]]
    if port.op.type != "Shape":
        return False
    return boxes is None or bool(_trace(port.op.inputs[0])[0].name == boxes)


def _sizes(port: tf.Tensor) -> tuple[int | None, ...] | None:
    return None if port.shape.rank is None else tuple(port.shape.as_list())


def _trace(port: tf.Tensor) -> tuple[tf.Tensor, bool]:
    """Where a tensor comes from, past operations that only rearrange it.

    Returns:
        That, and whether one of the operations may have chosen out of it.
    """
    choice = False
    while port.op.type in _REARRANGE:
        # A choice that depends on the image is more than a rearrangement.
        if port.op.type == "GatherV2" and _constant(port.op.inputs[1]) is None:
            break
        choices = port.op.type in ("GatherV2", "Slice", "StridedSlice")
        choice = choice or choices or len(port.op.outputs) > 1
        port = port.op.inputs[_REARRANGE[port.op.type]]
    return port, choice


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
    part: Part, resizer: Resizer | None, min_side: int
) -> tuple[Part, Preprocessing | None, str]:
    """What follows the resizing of the image, what to do before it, and in a sentence why."""
    import tensorflow as tf

    if part.starts[0].shape.is_fully_defined():
        return part, None, "it takes images of the network's size"
    if resizer is None:
        return part, None, "how it resizes is not known"
    starts = _entrance(part, resizer.input_size)
    if not starts:
        return part, None, "nothing in it is an image of the network's size"
    front = replace(part, ends={"image": starts[0]}).function()
    dtype = part.starts[0].dtype

    def graph(image: Image) -> Any:
        return front(tf.cast(image[None], dtype))["image"].numpy()[0]

    before, note = find_preprocessing(resizer, graph, min_side)
    # What the graph says of its own sizes may be less.
    starts[0].set_shape([1, *resizer.input_size, 3])
    return replace(part, starts=starts) if before else part, before, note


def _entrance(part: Part, size: tuple[int | None, int | None]) -> list[tf.Tensor]:
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
        if port.dtype == tf.float32
        and port.shape.is_compatible_with([1, *size, 3])
        # Of any size, maps of features are too.
        and (None not in size or port.shape[3] == 3)
    ]
    shapes = [port for port in ports if port.dtype == tf.int32 and port.shape == [1, 3]]
    for image in images:
        for starts in ([image], *([image, shape] for shape in shapes)):
            past = {start.name for start in starts}
            if part.starts[0].name not in behind(part.ends.values(), past):
                return starts
    return []
