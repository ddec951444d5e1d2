"""Surgery on graphs that OpenVINO has read: what changes the speed and no result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo.postprocess import PostProcessing
from tfzoo.preprocess import Preprocessing, Resizer, find_preprocessing

if TYPE_CHECKING:
    import openvino as ov

_BOXES, _SCORES = "raw_detection_boxes", "raw_detection_scores"

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

# A TopK over fewer values is not worth splitting.
_LARGE = 10_000


def cut_before_nms(
    model: ov.Model, parameters: PostProcessing | None
) -> tuple[ov.Model | None, str]:
    """The part of a graph that gives its raw outputs, where the rest can be done outside.

    Returns:
        The cut graph or None, and in a sentence where it is cut or why it is not.
    """
    import openvino as ov

    reason = why_whole(model, parameters)
    if reason:
        return None, reason
    raw = [port for port in model.outputs if port.get_names() & {_BOXES, _SCORES}]
    return ov.Model(raw, model.get_parameters(), "cut"), f"cut at {_BOXES} and {_SCORES}"


def split_at_network(
    model: ov.Model, resizer: Resizer | None
) -> tuple[ov.Model, Preprocessing | None, str]:
    """The part of a graph that follows the resizing of its image, where that can be done outside.

    Args:
        model: As `cut_before_nms` leaves it; changed in place.
        resizer: As the model's config has it.

    Returns:
        The graph from there on (the whole one if it can't be split), what to do before it, and in
        a sentence why.
    """
    import openvino as ov
    from openvino import opset11 as ops

    if resizer is None:
        return model, None, "how it resizes is not known"
    found = _entrance(model, resizer.size)
    if found is None:
        return model, None, "nothing in it is an image of the network's size"
    entrance, channels_first = found
    # The reader may have moved the change to channels first before the end of the resizing.
    image = ops.transpose(entrance, [0, 2, 3, 1]).output(0) if channels_first else entrance
    front = ov.Core().compile_model(
        ov.Model([image], model.get_parameters(), "front"),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    before, note = find_preprocessing(resizer, lambda picture: front([picture[None]])[0][0])
    if before is None:
        return model, None, note
    parameter = ops.parameter([1, *resizer.size, 3], np.float32, name="network_input")
    parameter.output(0).set_names({"network_input"})
    start = ops.transpose(parameter, [0, 3, 1, 2]) if channels_first else parameter
    for consumer in entrance.get_target_inputs():
        consumer.replace_source_output(start.output(0))
    return ov.Model(model.outputs, [parameter], "network"), before, note


def _entrance(model: ov.Model, size: tuple[int, int]) -> tuple[ov.Output, bool] | None:
    """The last tensor that is an image of this size and that all of the network depends on.

    Returns:
        The tensor, and whether its channels come first.
    """
    import openvino as ov

    source = _identity(model.get_parameters()[0].output(0))
    layouts = [ov.PartialShape([1, *size, 3]), ov.PartialShape([1, 3, *size])]
    for node in reversed(model.get_ordered_ops()):
        for port in node.outputs():
            shape = port.get_partial_shape()
            if (
                node.get_type_name() != "Constant"
                and port.get_element_type() == ov.Type.f32
                and shape.rank.is_static
                and any(shape.compatible(layout) for layout in layouts)
                and not _depends(model.outputs, source, past=port)
            ):
                return port, not shape.compatible(layouts[0])
    return None


def _depends(outputs: list[ov.Output], source: tuple[str, int], past: ov.Output) -> bool:
    """Whether outputs depend on a tensor by any way that does not lead through another."""
    seen = {_identity(past)}
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


def split_large_topk(model: ov.Model) -> int:
    """Lets each TopK over very many values look at the best rows of them only.

    CenterNet picks 100 peaks out of 1.5 million values, which OpenVINO sorts whole. Laid out in
    rows, the best k values lie in the k rows with the best maxima; of equal values the first
    counts, as before, since the rows keep their order. So this is exact.

    Returns:
        How many were split; the graph is changed in place.
    """
    split = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() == "TopK" and _split_topk(node):
            split += 1
    if split:
        model.validate_nodes_and_infer_types()
    return split


def _split_topk(node: Any) -> bool:
    from openvino import opset11 as ops

    values = node.input_value(0)
    attributes = node.get_attributes()
    count = _constant(node.input_value(1))
    shape = values.get_partial_shape()
    if count is None or shape.is_dynamic or attributes["mode"] != "max":
        return False
    *leading, size = shape.to_shape()
    axis = attributes["axis"] % (len(leading) + 1)
    if attributes["sort"] != "value" or axis != len(leading) or size < _LARGE:
        return False
    k = int(count)
    # Rows so long that choosing the rows and choosing within them cost the same.
    wanted = (size / k) ** 0.5
    lengths = [n for n in range(2, size // k + 1) if size % n == 0]
    if not lengths:
        return False
    length = min(lengths, key=lambda n: abs(np.log(n / wanted)))

    def integers(*numbers: int) -> Any:
        return ops.constant(np.array(numbers, dtype=np.int32))

    def best(data: Any, sort: str, mode: str = "max") -> Any:
        number = np.array(k, dtype=np.int32)
        return ops.topk(data, ops.constant(number), len(leading), mode, sort, "i32", stable=True)

    def pick(data: Any, rows: Any) -> Any:
        return ops.gather(data, rows, integers(len(leading)), batch_dims=len(leading))

    rows = ops.reshape(values, integers(*leading, size // length, length), False)
    maxima = ops.reduce_max(rows, integers(len(leading) + 1), False)
    chosen = best(best(maxima, "value").output(1), "value", "min").output(0)  # In their order.
    candidates = ops.reshape(pick(rows, chosen), integers(*leading, k * length), False)
    found = best(candidates, "value")
    position = found.output(1)
    row = pick(chosen, ops.divide(position, integers(length)))
    flat = ops.add(ops.multiply(row, integers(length)), ops.floor_mod(position, integers(length)))
    node.output(0).replace(found.output(0))
    node.output(1).replace(ops.convert(flat, attributes["index_element_type"]).output(0))
    return True


def why_whole(model: ov.Model, parameters: PostProcessing | None) -> str:
    """Why a graph can't be cut before its NMS; empty where it can.

    A graph is cut only where its NMS nodes, one a class, are seen to work on just what it returns
    as `raw_detection_boxes` and `raw_detection_scores`, with the limits that the parameters say.
    Two-stage models fail here: their NMS works on boxes of each class, which they do not return.
    """
    outputs = {name: port for port in model.outputs for name in port.get_names()}
    if not {_BOXES, _SCORES} <= set(outputs):
        return f"it has no {_BOXES}"
    if parameters is None:
        return "the parameters of its post-processing are not known"
    boxes, scores = _root(outputs[_BOXES]), _root(outputs[_SCORES])
    shapes = [outputs[name].get_partial_shape() for name in (_BOXES, _SCORES)]
    if any(shape.is_dynamic or len(shape) != 3 or shape[0] != 1 for shape in shapes):
        return f"its {_BOXES} have no fixed shape"
    nodes = [op for op in model.get_ops() if op.get_type_name() == "NonMaxSuppression"]
    background = shapes[1].to_shape()[2] - parameters.num_classes
    if background not in (0, 1) or len(nodes) != parameters.num_classes:
        return f"it has {len(nodes)} NMS nodes for {parameters.num_classes} classes"
    for output, root in ((outputs[_BOXES], boxes), (outputs[_SCORES], scores)):
        shape = root.get_partial_shape()
        if shape.is_dynamic or np.prod(shape.to_shape()) != np.prod(output.shape):
            return "its raw outputs are a choice out of more"
    for node in nodes:
        found = [_identity(_root(node.input_value(i))) for i in (0, 1)]
        if found != [_identity(boxes), _identity(scores)]:
            return "its NMS works on other tensors than its raw outputs"
        limits = [_constant(node.input_value(i)) for i in (3, 4)]
        if limits != [
            np.float32(parameters.iou_threshold),
            np.float32(parameters.score_threshold),
        ]:
            return "its NMS has other limits than its pipeline.config"
    return ""


def _root(port: ov.Output) -> ov.Output:
    """Where a tensor comes from, past operations that only rearrange it."""
    while True:
        node = port.get_node()
        kind = node.get_type_name()
        if kind not in _REARRANGE:
            return port
        # A choice that depends on the image is more than a rearrangement.
        if kind == "Gather" and _constant(node.input_value(1)) is None:
            return port
        port = node.input_value(0)


def _identity(port: ov.Output) -> tuple[str, int]:
    # `get_name` is unique within a graph, and two handles of one output do not compare equal.
    return port.get_node().get_name(), port.get_index()


def _constant(port: ov.Output) -> Any:
    """The only value of a constant (of an array of one), else an array; None if not constant."""
    node = port.get_node()
    while node.get_type_name() in ("Squeeze", "Unsqueeze", "Reshape", "Convert"):
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    data = node.get_data()
    return data.ravel()[0] if data.size == 1 else data
