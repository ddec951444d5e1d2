"""Surgery on OpenVINO graphs leaves every result as it was."""

import numpy as np
import pytest

from tfzoo.prepare import openvino_graph

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
    assert openvino_graph.split_large_topk(split) == 1
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
    assert openvino_graph.split_large_topk(split) == 1
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
    assert openvino_graph.split_large_topk(model) == 0
    assert len(model.get_ops()) == before
