"""What a reader of the chart can change: from where to where."""

import pytest

from tfzoo.report.chart import draw_chart
from tfzoo.report.chart_states import top_latency


@pytest.mark.parametrize(
    ("slowest", "top"), [(None, 10), (0.0, 10), (9.9, 10), (10.0, 20), (996, 1000), (1000, 1100)]
)
def test_a_sliders_end_is_a_round_number_past_the_slowest(slowest: float | None, top: int) -> None:
    assert top_latency([{"fps": 3.0}, {"reported_latency_ms": slowest}]) == top


def test_a_latency_can_be_chosen_from_a_millisecond_to_past_the_slowest_in_whole_ones() -> None:
    inputs = {
        parameter["bind"]["name"]: parameter
        for parameter in draw_chart().to_dict()["params"]
        if isinstance(parameter.get("bind"), dict) and "name" in parameter["bind"]
    }
    slider = inputs["Latency at most, ms"]
    ends = {key: slider["bind"][key] for key in ("min", "max", "step")}
    assert ends == {"min": 1, "max": slider["value"], "step": 1}
