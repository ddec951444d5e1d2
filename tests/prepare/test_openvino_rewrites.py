"""Surgery on OpenVINO graphs leaves every result as it was."""

import numpy as np
import pytest

from tfzoo.errors import ModelFormatError
from tfzoo.prepare import openvino_rewrites

ov = pytest.importorskip("openvino")
ops = pytest.importorskip("openvino.opset11")

SHAPE = (2, 20_000)


def graph(shape: tuple[int, ...], k: int, mode: str = "max", dtype: str = "i32"):
    values = ops.parameter(list(shape), np.float32, name="values")
    best = ops.topk(values, ops.constant(np.int32(k)), len(shape) - 1, mode, "value", dtype, True)
    return ov.Model([best.output(0), best.output(1)], [values], "topk")


def compiled(model):
    found = ov.Core().compile_model(model, "CPU")
    return lambda values: [np.array(part) for part in found([values]).values()]


@pytest.mark.parametrize("steps", [None, 50, 3, 1])
@pytest.mark.parametrize("dtype", ["i32", "i64"])
def test_the_best_of_very_many_are_the_same_in_two_steps(steps: int | None, dtype: str) -> None:
    # With few steps many values are equal: then the first of them count, in both graphs.
    whole, split = graph(SHAPE, 100, dtype=dtype), graph(SHAPE, 100, dtype=dtype)
    assert openvino_rewrites.split_large_topk(split) == 1
    run_whole, run_split = compiled(whole), compiled(split)
    rng = np.random.default_rng(0)
    for _ in range(5):
        values = rng.uniform(0, 1, SHAPE).astype(np.float32)
        if steps is not None:
            values = np.round(values * steps) / steps
        got, expected = run_split(values), run_whole(values)
        for one, other in zip(got, expected, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        order = np.argsort(-values, axis=1, kind="stable")[:, :100]
        np.testing.assert_array_equal(got[1], order)


def test_the_best_within_a_condition_are_found_in_two_steps_too() -> None:
    def model():
        condition = ops.parameter([], np.bool_, name="condition")
        values = ops.parameter(list(SHAPE), np.float32, name="values")
        inner = graph(SHAPE, 100)
        plain = ops.parameter(list(SHAPE), np.float32)
        least = ops.topk(plain, ops.constant(np.int32(100)), 1, "min", "value").output(0)
        other = ov.Model([least], [plain])
        choice = ops.if_op(condition)
        choice.set_then_body(
            ov.Model([inner.outputs[0].get_node().input_value(0)], inner.get_parameters())
        )
        choice.set_else_body(other)
        choice.set_input(values.output(0), inner.get_parameters()[0], plain)
        choice.set_output(choice.get_function(0).results[0], choice.get_function(1).results[0])
        return ov.Model([choice.output(0)], [condition, values])

    whole, split = model(), model()
    assert openvino_rewrites.split_large_topk(split) == 1
    values = np.random.default_rng(0).uniform(0, 1, SHAPE).astype(np.float32)
    for chosen in (True, False):
        got, expected = (
            np.array(ov.Core().compile_model(m, "CPU")([np.array(chosen), values])[0])
            for m in (split, whole)
        )
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("shape", "k", "mode"),
    [
        ((1, 5000), 100, "max"),
        (SHAPE, 100, "min"),
        ((1, 10_007), 100, "max"),
        (SHAPE, 15_000, "max"),
    ],
    ids=["few values", "the least", "a prime number of values", "nearly all of them"],
)
def test_what_gains_nothing_is_left_alone(shape: tuple[int, ...], k: int, mode: str) -> None:
    model = graph(shape, k, mode)
    before = len(model.get_ops())
    assert openvino_rewrites.split_large_topk(model) == 0
    assert len(model.get_ops()) == before


@pytest.mark.parametrize("size", [10_000, 65_536])
@pytest.mark.parametrize("k", [10, 100, 600])
def test_no_row_is_as_short_as_a_vector(size: int, k: int) -> None:
    model = graph((1, size), k)
    if openvino_rewrites.split_large_topk(model):
        rows = [
            node.get_output_shape(0)[-1]
            for node in model.get_ops()
            if node.get_type_name() == "Reshape"
            and node.input_value(0).get_node().get_type_name() == "Parameter"
        ]
        assert rows and all(length > 16 for length in rows)
        values = np.random.default_rng(0).uniform(0, 1, (1, size)).astype(np.float32)
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(compiled(model)(values)[1], order)


def gathered(data: np.ndarray, indices: np.ndarray, axis: int, batch_dims: int) -> np.ndarray:
    """What Gather gives, block by block."""
    if batch_dims == 0:
        return np.take(data, indices, axis)
    return np.stack(
        [
            gathered(part, rows, axis - 1, batch_dims - 1)
            for part, rows in zip(data, indices, strict=True)
        ]
    )


def gather_model(data, indices, axis: int, batch_dims: int, free: bool, dtype=np.int32):
    def sizes(array):
        return ov.PartialShape([-1] * array.ndim) if free else ov.PartialShape(array.shape)

    inputs = [ops.parameter(sizes(data), np.float32), ops.parameter(sizes(indices), dtype)]
    found = ops.gather(*inputs, ops.constant(np.int32(axis)), batch_dims)
    return ov.Model([found.output(0)], inputs)


@pytest.mark.parametrize("free", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize(
    ("data", "indices", "axis", "batch_dims"),
    [
        ((1, 16_384, 2), (1, 100), 1, 1),
        ((3, 50, 4), (3, 100), 1, 1),
        ((3, 50, 4), (3, 7, 2), -2, 1),
        ((3, 50), (3, 20), 1, 1),
        ((2, 3, 5, 4), (2, 3, 6), 2, 2),
        ((2, 3, 5, 4), (2, 6), 2, 1),
        ((2, 3, 5, 4), (2,), 3, 1),
        ((2, 3, 5), (2, 3, 9), 2, -1),
    ],
)
def test_gathers_with_batch_dimensions_are_flattened(
    data, indices, axis, batch_dims, free: bool
) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=data).astype(np.float32)
    # Negative ones count from the end.
    places = rng.integers(-data[axis], data[axis], indices)
    dtype = np.int64 if free else np.int32
    model = gather_model(values, places, axis, batch_dims, free, dtype)
    assert openvino_rewrites.flatten_gathers(model) == 1
    assert openvino_rewrites.flatten_gathers(model) == 0
    got = ov.Core().compile_model(model, "CPU")([values, places.astype(dtype)])[0]
    blocks = batch_dims if batch_dims > 0 else batch_dims + len(indices)
    expected = gathered(values, places, axis % len(data), blocks)
    np.testing.assert_array_equal(got, expected)


def test_an_index_out_of_range_does_not_reach_into_another_block() -> None:
    values = np.arange(1, 13, dtype=np.float32).reshape(2, 3, 2)
    model = gather_model(values, np.zeros((2, 2)), 1, 1, free=False)
    openvino_rewrites.flatten_gathers(model)
    places = np.array([[3, 1], [-4, -3]], np.int32)
    got = ov.Core().compile_model(model, "CPU")([values, places])[0]
    assert got.tolist() == [[[0, 0], [3, 4]], [[0, 0], [7, 8]]]


def test_a_gather_within_a_loop_and_a_condition_is_flattened_too() -> None:
    values = np.random.default_rng(0).normal(size=(1, 300, 2)).astype(np.float32)
    places = np.random.default_rng(1).integers(0, 300, (1, 100)).astype(np.int32)

    def branch():
        return gather_model(values, places, 1, 1, free=False)

    condition = ops.parameter([], np.bool_)
    inputs = [ops.parameter(values.shape, np.float32), ops.parameter(places.shape, np.int32)]
    choice = ops.if_op(condition)
    then, other = branch(), branch()
    choice.set_then_body(then)
    choice.set_else_body(other)
    for i in (0, 1):
        choice.set_input(inputs[i].output(0), then.get_parameters()[i], other.get_parameters()[i])
    choice.set_output(then.results[0], other.results[0])
    # A loop that runs once, on what the condition gives.
    inner = [ops.parameter([1, 100, 2], np.float32), ops.parameter([1, 100], np.int32)]
    again = ops.gather(*inner, ops.constant(np.int32(1)), 1)
    body = ov.Model([again.output(0), ops.constant(np.array(False)).output(0)], inner)
    loop = ops.loop(ops.constant(np.int32(1)), ops.constant(np.array(True)))
    loop.set_function(body)
    loop.set_special_body_ports([-1, 1])
    loop.set_invariant_input(inner[0], choice.output(0))
    rows = ops.floor_mod(inputs[1], ops.constant(np.int32(100)))
    loop.set_invariant_input(inner[1], rows.output(0))
    out = loop.get_iter_value(body.results[0].output(0), -1)
    model = ov.Model([out], [condition, *inputs])
    assert openvino_rewrites.flatten_gathers(model) == 3
    found = ov.Core().compile_model(model, "CPU")([np.array(True), values, places])[0]
    np.testing.assert_array_equal(found[0], values[0][places[0]][places[0] % 100])


def test_a_gather_of_unknown_rank_is_refused() -> None:
    data = ops.parameter(ov.PartialShape.dynamic(), np.float32)
    indices = ops.parameter([1, 2], np.int32)
    found = ops.gather(data, indices, ops.constant(np.int32(1)), 1)
    with pytest.raises(ModelFormatError, match="--runtime tensorflow"):
        openvino_rewrites.flatten_gathers(ov.Model([found.output(0)], [data, indices]))


def test_a_number_made_a_list_of_one_is_itself() -> None:
    rows = ops.parameter([-1, 4], np.float32)
    sizes = ops.shape_of(rows, "i32")
    count = ops.strided_slice(sizes, [0], [1], [1], [0], [0], [], [1])
    number = ops.convert(ops.minimum(count, ops.constant(np.int32(100))), "f32")
    listed = ops.strided_slice(number, [0], [0], [1], [0], [0], [1])
    kept = ops.strided_slice(sizes, [0], [1], [1], [0], [0])
    listed.output(0).set_names({"number"})
    model = ov.Model([listed.output(0), kept.output(0)], [rows])
    assert openvino_rewrites.unsqueeze_scalars(model) == 1
    run = ov.Core().compile_model(model, "CPU")
    assert run.output(0).get_names() == {"number"}
    for size in (3, 50, 200):
        assert run([np.zeros((size, 4), np.float32)])[0].tolist() == [min(size, 100)]
