"""A forecast follows what was counted, learns from what was timed, and says how unsure it is."""

import math
from dataclasses import replace

import pytest

from benchmarks.forecast import from_one, from_the_others, recorded, told
from tfzoo.report.forecast import FIXED, MACTS, Latency, Timed, forecast_latencies, leave_one_out
from tfzoo.zoo.manifest import find_model
from tfzoo.zoo.schema import ModelSpec

D0, D1 = find_model("efficientdet d0"), find_model("efficientdet d1")
MOBILENET = find_model("ssd_mobilenet_v2_320x320_coco17_tpu-8")
CENTERNET = find_model("centernet_resnet101_v1_fpn_512x512_coco17_tpu-8")
FASTER = find_model("faster_rcnn_resnet50_v1_640x640_coco17_tpu-8")
ALL = [D0, D1, MOBILENET, CENTERNET, FASTER]


def work(spec: ModelSpec) -> float:
    assert spec.operations is not None
    return spec.operations.gmacs + MACTS * spec.operations.macts + FIXED


def forecast(timed: list[Timed], spec: ModelSpec) -> Latency:
    return forecast_latencies(timed, [spec])[0]


def width(latency: Latency) -> float:
    return math.log(latency.high_ms / latency.low_ms)


def test_from_one_model_a_forecast_is_its_time_by_the_ratio_of_their_work() -> None:
    found = forecast([Timed(D0, 50.0)], CENTERNET)
    assert found.ms == pytest.approx(50 * work(CENTERNET) / work(D0), rel=0.001)
    # The interval is one of ratios: as far up as down.
    assert found.high_ms / found.ms == pytest.approx(found.ms / found.low_ms)
    # Two departures of 0.32 each, 0.15 and 0.2 and 0.2 put together.
    assert width(found) == pytest.approx(
        2 * 1.96 * math.sqrt(2 * (0.15**2 + 0.2**2 + 0.2**2)), 0.01
    )


def test_a_machine_of_twice_the_time_is_forecast_twice_the_time() -> None:
    slow = forecast([Timed(D0, 100.0), Timed(FASTER, 1000.0)], CENTERNET)
    fast = forecast([Timed(D0, 50.0), Timed(FASTER, 500.0)], CENTERNET)
    assert slow.ms == pytest.approx(2 * fast.ms, rel=0.002)
    assert width(slow) == pytest.approx(width(fast))


def test_where_all_keep_to_what_was_counted_each_is_forecast_to_be_what_it_is() -> None:
    timed = [Timed(spec, 7 * work(spec)) for spec in ALL]
    for one, latency in zip(timed, leave_one_out(timed), strict=True):
        assert latency.ms == pytest.approx(one.ms, rel=0.01)
        assert latency.holds(one.ms)


def test_a_model_tells_most_of_its_own_family_and_backbone() -> None:
    usual = [Timed(spec, 5 * work(spec)) for spec in (MOBILENET, CENTERNET, FASTER)]
    slow = [*usual, Timed(D0, 2 * 5 * work(D0))]
    usual.append(Timed(D0, 5 * work(D0)))
    kin = forecast(slow, D1).ms / forecast(usual, D1).ms
    other = (
        forecast(slow, replace(CENTERNET, id="other")).ms
        / forecast(usual, replace(CENTERNET, id="other")).ms
    )
    assert 1 < other < kin < 2
    assert width(forecast(usual[:3], D1)) > width(forecast(usual, D1))


def test_more_models_narrow_an_interval() -> None:
    timed = [Timed(spec, 5 * work(spec)) for spec in (MOBILENET, FASTER, D0)]
    widths = [width(forecast(timed[:count], CENTERNET)) for count in (1, 2, 3)]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 3


def test_models_that_scatter_more_than_was_assumed_widen_the_interval() -> None:
    paces = (1.0, 6.0, 1.0, 6.0)
    timed = [
        Timed(spec, pace * work(spec))
        for spec, pace in zip((D0, MOBILENET, D1, FASTER), paces, strict=True)
    ]
    calm = [Timed(one.spec, 2.0 * work(one.spec)) for one in timed]
    assert width(forecast(timed, CENTERNET)) > 1.2 * width(forecast(calm, CENTERNET))
    # Of three, their scatter says nothing yet.
    assert width(forecast(timed[:3], CENTERNET)) == pytest.approx(
        width(forecast(calm[:3], CENTERNET))
    )


def test_an_interval_holds_its_ends_and_nothing_beyond() -> None:
    latency = Latency(20, 10, 40)
    assert [latency.holds(ms) for ms in (9.9, 10, 20, 40, 40.1)] == [False, True, True, True, False]


def test_the_errors_on_recorded_times_are_those_that_the_documents_name() -> None:
    sets = recorded().values()
    others = [pair for timed in sets for pair in from_the_others(timed)]
    alone = [pair for timed in sets for pair in from_one(timed)]
    assert (len(others), len(alone)) == (20, 82)
    assert told(others) == (
        "off by a factor of 1.16 in the median, 1.74 at most; 20 of 20 within the 95 % interval"
    )
    assert told(alone) == (
        "off by a factor of 1.31 in the median, 2.30 at most; 80 of 82 within the 95 % interval"
    )
    (held_out,) = recorded("held out").values()
    assert told(from_the_others(held_out)) == (
        "off by a factor of 1.32 in the median, 1.48 at most; 5 of 5 within the 95 % interval"
    )
    for pairs in (others, alone):
        # Not by intervals that hold anything.
        assert max(width(found) for _, found in pairs) < 2 * math.log(3)
