"""A model's form for OpenVINO, and the surgery on its graph: what changes the speed, no result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo.prepare.cut import WHOLE, Cut
from tfzoo.prepare.pipeline_config import PipelineConfig
from tfzoo.prepare.postprocess import (
    RAW_BOXES,
    RAW_SCORES,
    NmsNode,
    PostProcessing,
    RawOutput,
    why_whole,
)
from tfzoo.prepare.preprocess import Preprocessing, Resizer, find_preprocessing
from tfzoo.runtimes.openvino import COMPILED, options, read_model

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

# A TopK over fewer values is not worth splitting.
_LARGE = 10_000


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
        ModelFormatError: OpenVINO can't read it.
    """
    import openvino as ov

    core = ov.Core()
    model = read_model(core, source)
    raw, note = cut_before_nms(model, config.postprocessing)
    if len(model.inputs) > 1:
        raw, note = None, "it takes more than an image"
    cut = WHOLE
    if raw is not None:
        model, before, resized = split_at_network(raw, config.resizer)
        cut = Cut(before, config.postprocessing)
        note += f"; {resized}"
    elif split := split_large_topk(model):
        note += f"; {split} large TopK done in two steps"
    ov.save_model(model, str(folder / "model.xml"), compress_to_fp16=False)
    compiled = core.compile_model(
        core.read_model(str(folder / "model.xml")), "CPU", options(throughput=False)
    )
    blob = compiled.export_model()
    (folder / COMPILED).write_bytes(blob if isinstance(blob, bytes) else blob.getvalue())
    return cut, note


def cut_before_nms(
    model: ov.Model, parameters: PostProcessing | None
) -> tuple[ov.Model | None, str]:
    """The part of a graph that gives its raw outputs, where the rest can be done outside.

    Returns:
        The cut graph or None, and in a sentence where it is cut or why it is not.
    """
    import openvino as ov

    reason = _why_whole(model, parameters)
    if reason:
        return None, reason
    raw = [port for port in model.outputs if port.get_names() & {RAW_BOXES, RAW_SCORES}]
    return ov.Model(raw, model.get_parameters(), "cut"), f"cut at {RAW_BOXES} and {RAW_SCORES}"


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
        options(throughput=False),
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


def _depends(outputs: list[ov.Output], source: str, past: ov.Output) -> bool:
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
        elif node.get_type_name() == "If":  # Keypoints are looked for where there are persons.
            split += sum(split_large_topk(node.get_function(branch)) for branch in (0, 1))
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


def _why_whole(model: ov.Model, parameters: PostProcessing | None) -> str:
    outputs = {
        name: RawOutput(_identity(_root(port)), _sizes(port), _sizes(_root(port)))
        for port in model.outputs
        for name in port.get_names()
    }
    nodes = [
        NmsNode(
            _identity(_root(op.input_value(0))),
            _identity(_root(op.input_value(1))),
            _constant(op.input_value(3)),
            _constant(op.input_value(4)),
        )
        for op in model.get_ops()
        if op.get_type_name() == "NonMaxSuppression"
    ]
    return why_whole(outputs, nodes, parameters)


def _sizes(port: ov.Output) -> tuple[int, ...] | None:
    shape = port.get_partial_shape()
    return None if shape.is_dynamic else tuple(shape.to_shape())


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


def _identity(port: ov.Output) -> str:
    # `get_name` is unique within a graph, and two handles of one output do not compare equal.
    return f"{port.get_node().get_name()}:{port.get_index()}"


def _constant(port: ov.Output) -> Any:
    """The only value of a constant (of an array of one), else an array; None if not constant."""
    node = port.get_node()
    while node.get_type_name() in ("Squeeze", "Unsqueeze", "Reshape", "Convert"):
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    data = node.get_data()
    return data.ravel()[0] if data.size == 1 else data
