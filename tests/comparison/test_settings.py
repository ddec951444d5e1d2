"""What a comparison can be told."""

import pytest

from tfzoo.comparison.settings import CompareSettings
from tfzoo.errors import UsageError


def test_one_value_is_for_both_sides_and_two_are_one_each() -> None:
    both = CompareSettings("a", "b", runtime="openvino")
    assert both.runtime == ("openvino", "openvino") and both.precision == ("float32", "float32")
    each = CompareSettings("a", runtime="tensorflow,openvino", precision=["float32", "int8"])
    assert each.runtime == ("tensorflow", "openvino") and each.precision == ("float32", "int8")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "say what to compare"),
        ({"b": "b", "runtime": "a,b,c"}, "one for both sides, or two"),
        ({"b": "b", "runtime": "a,"}, "one for both sides, or two"),
        ({"b": "b", "precision": "int4"}, "no precision 'int4'"),
        ({"b": "b", "resamples": 1}, "needs 2 or more"),
        ({"b": "b", "margin": -0.1}, "margin is -0.1"),
        ({"b": "b", "evaluator": "official"}, "faster-coco-eval or pycocotools"),
    ],
)
def test_what_makes_no_sense_is_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        CompareSettings("a", **options)  # type: ignore[arg-type]
