"""A model's form for OpenVINO, and the surgery on its graph: what changes the speed, no result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo.images.image import Image
from tfzoo.prepare.cut import Cut, takes_more
from tfzoo.prepare.decoder import decodes_images
from tfzoo.prepare.frozen_graph import freeze, save_function
from tfzoo.prepare.limits import (
    DETECTIONS,
    NmsNode,
    RawOutput,
    Tail,
    find_postprocessing,
    why_whole,
)
from tfzoo.prepare.openvino_rewrites import (
    bodies,
    constant,
    flatten_gathers,
    keep_odd_sixths,
    split_large_topk,
    unsqueeze_scalars,
)
from tfzoo.prepare.pipeline_config import PipelineConfig
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, Floats, PostProcessing
from tfzoo.prepare.preprocess import (
    Preprocessing,
    Resizer,
    find_preprocessing,
    least_side,
)
from tfzoo.runtimes.openvino import options, read_model, save_compiled

if TYPE_CHECKING:
    import openvino as ov

# Operations that only rearrange their first input.
_REARRANGE = {
    "Gather",
    "Reshape",
    "Result",
    "Slice",
    "Split",
    "Squeeze",
    "StridedSlice",
    "Transpose",
    "Unsqueeze",
    "VariadicSplit",
}

# Those that may leave out some of it.
_CHOICES = {"Gather", "Slice", "Split", "StridedSlice", "VariadicSplit"}


def write_prepared(source: Path, folder: Path, config: PipelineConfig) -> tuple[Cut, str]:
    """Converts a model, cut where that is possible, and compiles it for this processor.

    Writes `model.xml` and `model.bin` (OpenVINO's IR, the weights kept in single precision) and
    `model.blob` (compiled).

    Args:
        source: The SavedModel folder.
        folder: An empty folder.
        config: The model's parameters, where they are known.

    Returns:
        What is left to do outside, and in a sentence why.

    Raises:
        ModelFormatError: OpenVINO can't read it, or it takes more than an image.
    """
    import openvino as ov

    core = ov.Core()
    model = _read(core, source)
    if len(model.inputs) > 1:
        raise takes_more(source, [min(port.get_names(), default="") for port in model.inputs])
    # One image a request: where the batch is free, so would be the size of all that follows.
    if model.inputs[0].get_partial_shape()[0].is_dynamic:
        model.reshape({0: ov.PartialShape([1, *model.inputs[0].get_partial_shape()[1:]])})
    unsqueeze_scalars(model)
    keep_odd_sixths(model)
    flattened = flatten_gathers(model)
    raw, after, note = cut_before_nms(model, config.postprocessing)
    resizer, min_side = config.resizer or config.unpadded, least_side(source)
    model, before, resized = split_at_network(raw or model, resizer, min_side)
    note += f"; {resized}"
    cut = Cut(before, after, true_shapes=before is not None and len(model.inputs) > 1)
    if raw is None and (split := split_large_topk(model)):
        note += f"; {split} large TopK done in two steps"
    if flattened:
        note += f"; {flattened} Gather with batch dimensions flattened"
    save_compiled(core, model, folder)
    return cut, note


def _read(core: ov.Core, source: Path) -> ov.Model:
    """A SavedModel's graph; from its pixels on where it decodes images."""
    if not decodes_images(source):
        return read_model(core, source)
    function = freeze(source).function()
    with TemporaryDirectory(prefix="tfzoo-pixels-") as folder:
        save_function(function, Path(folder))
        return read_model(core, Path(folder))


def cut_before_nms(
    model: ov.Model, known: PostProcessing | None
) -> tuple[ov.Model | None, PostProcessing | None, str]:
    """The part of a graph that gives its raw outputs, where the rest can be done outside.

    Args:
        model: The whole graph.
        known: Its post-processing as its config has it; what the graph itself says counts.

    Returns:
        The cut graph and what to do after it, or None for both, and in a sentence where it is cut
        or why it is not.
    """
    import openvino as ov

    outputs, nodes = _raw_outputs(model), _nms_nodes(model)
    reason = why_whole(outputs, nodes, known)
    after = None
    if known is not None and not reason:
        after, reason = find_postprocessing(outputs, nodes, known, _tail(model))
    if after is None:
        return None, None, reason
    raw = [port for port in model.outputs if port.get_names() & {RAW_BOXES, RAW_SCORES}]
    cut = ov.Model(raw, model.get_parameters(), "cut")
    return cut, after, f"cut at {RAW_BOXES} and {RAW_SCORES}"


def _tail(model: ov.Model) -> Tail:
    """What a graph does with its raw outputs, compiled apart from its network."""
    import openvino as ov
    from openvino import opset11 as ops

    end = model.clone()
    ports = {name: port for port in end.outputs for name in port.get_names()}
    roots = [_trace(ports[name])[0] for name in (RAW_BOXES, RAW_SCORES)]
    made = []
    for root in roots:
        made.append(ops.parameter(root.get_partial_shape(), np.float32))
        _put(made[-1], root)
    wanted = [*DETECTIONS, RAW_BOXES, RAW_SCORES]
    compiled = ov.Core().compile_model(
        ov.Model([ports[name] for name in wanted], [*end.get_parameters(), *made], "tail"),
        "CPU",
        options(throughput=False),
    )
    dtype = end.inputs[0].get_element_type().to_dtype()

    def run(image: Image, boxes: Floats, scores: Floats) -> Mapping[str, Floats]:
        found = compiled([image[None].astype(dtype), boxes, scores])
        return {name: found[i] for i, name in enumerate(wanted)}

    return run


def split_at_network(
    model: ov.Model, resizer: Resizer | None, min_side: int = 0
) -> tuple[ov.Model, Preprocessing | None, str]:
    """The part of a graph that follows the resizing of its image, where that can be done outside.

    Args:
        model: As `cut_before_nms` leaves it, or whole; changed in place.
        resizer: As the model's config has it.
        min_side: Height and width in pixels that the network's input must have at least.

    Returns:
        The graph from there on (the whole one if it can't be split), what to do before it, and in
        a sentence why. It takes an image, and where boxes are told in parts of the image in the
        graph, the shape of what that fills.
    """
    import openvino as ov
    from openvino import opset11 as ops

    if not any(size.is_dynamic for size in model.inputs[0].get_partial_shape()):
        return model, None, "it takes images of the network's size"
    if resizer is None:
        return model, None, "how it resizes is not known"
    found = _entrance(model, resizer.input_size)
    if found is None:
        return model, None, "nothing in it is an image of the network's size"
    entrance, channels_first, shape = found
    # The reader may have moved the change to channels first before the end of the resizing.
    image = ops.transpose(entrance, [0, 2, 3, 1]).output(0) if channels_first else entrance
    front = ov.Core().compile_model(
        ov.Model([image], model.get_parameters(), "front"),
        "CPU",
        options(throughput=False),
    )
    dtype = model.inputs[0].get_element_type().to_dtype()
    before, note = find_preprocessing(
        resizer, lambda picture: front([picture[None].astype(dtype)])[0][0], min_side
    )
    if before is None:
        return model, None, note
    sizes = [-1 if size is None else size for size in resizer.input_size]
    parameter = ops.parameter([1, *sizes, 3], np.float32, name="network_input")
    parameter.output(0).set_names({"network_input"})
    start = ops.transpose(parameter, [0, 3, 1, 2]) if channels_first else parameter
    _put(start, entrance)
    parameters = [parameter]
    if shape is not None:
        parameters.append(ops.parameter([1, 3], np.int32, name="true_image_shape"))
        parameters[1].output(0).set_names({"true_image_shape"})
        _put(parameters[1], shape)
    return ov.Model(model.outputs, parameters, "network"), before, note


def _put(node: Any, port: ov.Output) -> None:
    """Lets all that takes one tensor take another."""
    for consumer in port.get_target_inputs():
        consumer.replace_source_output(node.output(0))


def _entrance(
    model: ov.Model, size: tuple[int | None, int | None]
) -> tuple[ov.Output, bool, ov.Output | None] | None:
    """Where the network begins: what all outputs depend on the image by.

    Returns:
        The last tensor that is an image of the network's size, whether its channels come first,
        and where it takes that too, the last that is the shape of what it fills.
    """
    import openvino as ov

    source = _identity(model.get_parameters()[0].output(0))
    known = [-1 if side is None else side for side in size]
    layouts = [ov.PartialShape([1, *known, 3]), ov.PartialShape([1, 3, *known])]
    ports = [
        port
        for node in reversed(model.get_ordered_ops())
        if node.get_type_name() != "Constant"
        for port in node.outputs()
        if port.get_partial_shape().rank.is_static
    ]
    images = [
        port
        for port in ports
        if port.get_element_type() == ov.Type.f32
        and any(port.get_partial_shape().compatible(layout) for layout in layouts)
        # Of any size, maps of features are too.
        and (None not in size or any(port.get_partial_shape()[axis] == 3 for axis in (1, 3)))
    ]
    shapes = [
        port
        for port in ports
        if port.get_element_type() == ov.Type.i32
        and port.get_partial_shape() == ov.PartialShape([1, 3])
    ]
    for image in images:
        for shape in (None, *shapes):
            past = [image] if shape is None else [image, shape]
            if not _depends(model.outputs, source, past):
                last = image.get_partial_shape().compatible(layouts[0])
                return (
                    image,
                    not last or (None in size and image.get_partial_shape()[3] != 3),
                    shape,
                )
    return None


def _depends(outputs: list[ov.Output], source: str, past: list[ov.Output]) -> bool:
    """Whether outputs depend on a tensor by any way that does not lead through others."""
    seen = {_identity(port) for port in past}
    waiting = list(outputs)
    while waiting:
        port = waiting.pop()
        if _identity(port) in seen:
            continue
        seen.add(_identity(port))
        if _identity(port) == source:
            return True
        waiting += port.get_node().input_values()
    return False


def _raw_outputs(model: ov.Model) -> dict[str, RawOutput]:
    found = {}
    for port in model.outputs:
        root, choice = _trace(port)
        for name in port.get_names():
            found[name] = RawOutput(_identity(root), _sizes(port), _sizes(root), choice)
    return found


def _nms_nodes(model: ov.Model, inside: bool = False) -> list[NmsNode]:
    """All NMS nodes of a graph; `inside` of a loop, what they work on is not followed."""
    found = []
    for op in model.get_ops():
        for body in bodies(op):
            found += _nms_nodes(body, inside=True)
        if op.get_type_name() == "NonMaxSuppression":
            boxes, scores, *limits = op.input_values()
            root = None if inside else _name_of_root(boxes)
            rest = (_most(limits[0], root), *map(constant, limits[1:]))
            found.append(NmsNode(root, None if inside else _name_of_root(scores), *rest))
    return found


def _most(port: ov.Output, boxes: str | None) -> Any:
    """How many boxes an NMS gives at most: a constant, or that or all boxes there are."""
    node = port.get_node()
    if node.get_type_name() == "Convert":
        return _most(node.input_value(0), boxes)
    if node.get_type_name() != "Minimum":
        return constant(port)
    sides = [side for side in node.input_values() if not _counts(side, boxes)]
    return _most(sides[0], boxes) if len(sides) == 1 else constant(port)


def _counts(port: ov.Output, boxes: str | None) -> bool:
    """Whether a number is one of the sizes of a tensor that holds the boxes (None: of any)."""
    node = port.get_node()
    while node.get_type_name() in (*_REARRANGE, "Convert"):
        node = node.input_value(0).get_node()
    if node.get_type_name() != "ShapeOf":
        return False
    return boxes is None or _name_of_root(node.input_value(0)) == boxes


def _sizes(port: ov.Output) -> tuple[int | None, ...] | None:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return None
    return tuple(None if size.is_dynamic else size.get_length() for size in shape)


def _trace(port: ov.Output) -> tuple[ov.Output, bool]:
    """Where a tensor comes from, past operations that only rearrange it.

    Returns:
        That, and whether one of the operations may have chosen out of it.
    """
    choice = False
    while True:
        node = port.get_node()
        kind = node.get_type_name()
        if kind not in _REARRANGE:
            return port, choice
        # A choice that depends on the image is more than a rearrangement.
        if kind == "Gather" and constant(node.input_value(1)) is None:
            return port, choice
        choice = choice or kind in _CHOICES
        port = node.input_value(0)


def _name_of_root(port: ov.Output) -> str:
    return _identity(_trace(port)[0])


def _identity(port: ov.Output) -> str:
    # `get_name` is unique within a graph, and two handles of one output do not compare equal.
    return f"{port.get_node().get_name()}:{port.get_index()}"
