"""Operations of an OpenVINO graph put in other words: what is slow, and what is computed wrongly.

Each says the same as before, exactly; only how OpenVINO comes to the result is another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo.errors import ModelFormatError

if TYPE_CHECKING:
    import openvino as ov

# A TopK over fewer values is not worth splitting.
_LARGE = 10_000

# Rows of a split TopK hold more values than a processor's longest vector.
_SHORTEST_ROW = 17


def rewrite_all(model: ov.Model, kind: str, rewrite: Callable[[Any], bool]) -> int:
    """Rewrites operations of a kind wherever they stand, in branches and loops too.

    Args:
        model: Changed in place.
        kind: The operations' type.
        rewrite: Puts another in the place of one; says whether it did.

    Returns:
        How many were rewritten.
    """
    count = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() == kind:
            count += rewrite(node)
        for body in bodies(node):
            count += rewrite_all(body, kind, rewrite)
    if count:
        model.validate_nodes_and_infer_types()
    return count


def bodies(node: Any) -> list[ov.Model]:
    """The graphs within an operation: both branches of a condition, what a loop repeats."""
    kind = node.get_type_name()
    if kind == "If":
        return [node.get_function(branch) for branch in (0, 1)]
    return [node.get_function()] if kind in ("Loop", "TensorIterator") else []


def flatten_gathers(model: ov.Model) -> int:
    """Lets no Gather have batch dimensions; flat indices say the same.

    OpenVINO's CPU plugin (seen in 2024.6, 2025.4 and 2026.4.1) reads wrong values, or beyond the
    tensor, where such a Gather picks rows of at most one vector's length, as boxes are.

    Returns:
        How many were flattened; the graph is changed in place.

    Raises:
        ModelFormatError: One has an axis or batch dimensions that are not known before it runs.
    """
    return rewrite_all(model, "Gather", _flatten_gather)


def _flatten_gather(node: Any) -> bool:
    batch_dims = node.get_attributes().get("batch_dims", 0)
    if batch_dims == 0:
        return False
    data, indices = node.input_value(0), node.input_value(1)
    axis = constant(node.input_value(2))
    ranks = [port.get_partial_shape().rank for port in (data, indices)]
    if axis is None or any(rank.is_dynamic for rank in ranks):
        raise ModelFormatError(
            f"{node.get_friendly_name()} gathers along batch dimensions by an axis or of tensors "
            "that are not known before it runs, which OpenVINO computes wrongly; run it with "
            "--runtime tensorflow or frozen"
        )
    data_rank, indices_rank = (rank.get_length() for rank in ranks)
    if batch_dims < 0:
        batch_dims += indices_rank
    node.output(0).replace(gather_rows(data, indices, int(axis) % data_rank, batch_dims))
    return True


def gather_rows(data: Any, indices: Any, axis: int, batch_dims: int) -> ov.Output:
    """What `Gather` gives with batch dimensions, by one without any.

    With data [B..., P..., N, R...] and indices [B..., J...], row j of each of the B x P blocks is
    row j + N * block of all of them put together. Negative indices count from a block's end; those
    out of range give zeros.

    Args:
        data: What is gathered from, of known rank.
        indices: Where, of known rank.
        axis: The axis of N, at least `batch_dims`.
        batch_dims: How many dimensions B stands for.
    """
    from openvino import Type
    from openvino import opset11 as ops

    def part(sizes: Any, start: int, stop: int) -> list[Any]:
        """Some of a shape's sizes, none of them where there are none."""
        bounds = (ops.constant(np.array([n], dtype=np.int64)) for n in (start, stop, 1))
        return [ops.slice(sizes, *bounds)] if start < stop else []

    def ones(count: int) -> list[Any]:
        return [ops.constant(np.ones(count, dtype=np.int64))] if count else []

    nothing = ops.constant(np.int64(0))
    if indices.get_element_type() not in (Type.i32, Type.i64):
        indices = ops.convert(indices, "i64").output(0)
    kind = indices.get_element_type().to_string()
    data_rank = data.get_partial_shape().rank.get_length()
    indices_rank = indices.get_partial_shape().rank.get_length()
    sizes, picked = ops.shape_of(data), ops.shape_of(indices)
    blocks, rest = part(sizes, 0, axis), part(sizes, axis + 1, data_rank)
    batch, each = part(picked, 0, batch_dims), part(picked, batch_dims, indices_rank)
    count = ops.reduce_prod(blocks[0], nothing, False)
    length = ops.squeeze(part(sizes, axis, axis + 1)[0], nothing)
    rows = ops.unsqueeze(ops.multiply(count, length), nothing)
    # Indices [B..., P of 1..., J...] beside the start of each block [B..., P..., J of 1...].
    shape = ops.concat([*batch, *ones(axis - batch_dims), *each], 0)
    wanted = ops.reshape(indices, shape, False)
    starts = ops.multiply(ops.range(nothing, count, ops.constant(np.int64(1)), "i64"), length)
    shape = ops.concat([*blocks, *ones(indices_rank - batch_dims)], 0)
    starts = ops.reshape(ops.convert(starts, kind), shape, False)
    zero, length = ops.convert(nothing, kind), ops.convert(length, kind)
    negative = ops.less(wanted, zero)
    inside = ops.logical_and(
        ops.greater_equal(wanted, ops.negative(length)), ops.less(wanted, length)
    )
    flat = ops.add(ops.select(negative, ops.add(wanted, length), wanted), starts)
    flat = ops.select(inside, flat, ops.convert(rows, kind))
    data = ops.reshape(data, ops.concat([rows, *rest], 0), False)
    return ops.gather(data, flat, nothing).output(0)


def split_large_topk(model: ov.Model) -> int:
    """Lets each TopK over very many values look at the best rows of them only.

    CenterNet picks 100 peaks out of 1.5 million values, which OpenVINO sorts whole. Laid out in
    rows, the best k values lie in the k rows with the best maxima; of equal values the first
    counts, as before, since the rows keep their order. So this is exact.

    Returns:
        How many were split; the graph is changed in place.
    """
    return rewrite_all(model, "TopK", _split_topk)


def _split_topk(node: Any) -> bool:
    from openvino import opset11 as ops

    values = node.input_value(0)
    attributes = node.get_attributes()
    count = constant(node.input_value(1))
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
    lengths = [n for n in range(_SHORTEST_ROW, size // k + 1) if size % n == 0]
    if not lengths:
        return False
    length = min(lengths, key=lambda n: abs(np.log(n / wanted)))

    def integers(*numbers: int) -> Any:
        return ops.constant(np.array(numbers, dtype=np.int32))

    def best(data: Any, sort: str, mode: str = "max") -> Any:
        number = np.array(k, dtype=np.int32)
        return ops.topk(data, ops.constant(number), len(leading), mode, sort, "i32", stable=True)

    def pick(data: Any, rows: Any) -> Any:
        return gather_rows(data.output(0), rows.output(0), len(leading), len(leading))

    rows = ops.reshape(values, integers(*leading, size // length, length), False)
    maxima = ops.reduce_max(rows, integers(len(leading) + 1), False)
    chosen = best(best(maxima, "value").output(1), "value", "min")  # In their order.
    candidates = ops.reshape(pick(rows, chosen), integers(*leading, k * length), False)
    found = best(candidates, "value")
    position = found.output(1)
    row = pick(chosen, ops.divide(position, integers(length)))
    flat = ops.add(ops.multiply(row, integers(length)), ops.floor_mod(position, integers(length)))
    node.output(0).replace(found.output(0))
    node.output(1).replace(ops.convert(flat, attributes["index_element_type"]).output(0))
    return True


def constant(port: ov.Output) -> Any:
    """The only value of a constant (of an array of one), else an array; None if not constant."""
    node = port.get_node()
    while node.get_type_name() in ("Squeeze", "Unsqueeze", "Reshape", "Convert"):
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    data = node.get_data()
    return data.ravel()[0] if data.size == 1 else data


def unsqueeze_scalars(model: ov.Model) -> int:
    """Lets each StridedSlice that only gives a single number dimensions be a Reshape.

    OpenVINO's CPU plugin (seen in 2026.4.1) returns what happens to lie in memory where such a
    one is an output: the number of detections of some exports.

    Returns:
        How many were replaced; the graph is changed in place.
    """
    return rewrite_all(model, "StridedSlice", _unsqueeze_scalar)


def _unsqueeze_scalar(node: Any) -> bool:
    from openvino import opset11 as ops

    rank = node.input_value(0).get_partial_shape().rank
    target = node.output(0).get_partial_shape()
    if rank.is_dynamic or rank.get_length() > 0 or target.is_dynamic or target.rank == 0:
        return False
    shape = ops.constant(np.ones(target.rank.get_length(), dtype=np.int64))
    node.output(0).replace(ops.reshape(node.input_value(0), shape, False).output(0))
    return True
