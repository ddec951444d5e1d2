"""Verdicts: agreement has to be shown, so has a difference, and all else is undecided."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfzoo.report.verdicts import (
    MARGIN,
    AccuracyVerdict,
    judge_accuracy,
    judge_speed,
    timing_noise,
)
from tfzoo.zoo.manifest import load_manifest
from tfzoo.zoo.schema import Figure

PAGE = (Figure(metric="box_map", value=20.2, source="tf2_zoo"),)
BOTH = (*PAGE, Figure(metric="box_map", value=22.2, source="tf2_config"))


def whole(measured: float, figures: tuple[Figure, ...] = PAGE) -> AccuracyVerdict:
    return judge_accuracy(measured, figures, interval=(19.0, 23.0), images=5000, whole=True)


def few(
    middle: float, half: float, images: int = 500, figures: tuple[Figure, ...] = PAGE
) -> AccuracyVerdict:
    interval = middle - half, middle + half
    return judge_accuracy(middle, figures, interval=interval, images=images, whole=False)


@pytest.mark.parametrize("measured", [20.2, 20.5, 19.9, 20.2 - 0.1 - 0.2])
def test_the_same_images_reproduce_a_figure_up_to_the_margin_itself(measured: float) -> None:
    assert whole(measured) == AccuracyVerdict("reproduced")


@pytest.mark.parametrize("measured", [20.501, 19.899, 22.2, 0.0])
def test_the_same_images_differ_beyond_it_whatever_the_interval_holds(measured: float) -> None:
    assert whole(measured) == AccuracyVerdict("differs")


def test_a_known_erratum_counts_and_is_named() -> None:
    assert whole(22.1, BOTH) == AccuracyVerdict("reproduced", agrees_with="tf2_config")
    assert whole(20.1, BOTH) == AccuracyVerdict("reproduced")
    assert whole(21.2, BOTH) == AccuracyVerdict("differs")
    # A figure that both print is the one shown.
    twice = (*PAGE, Figure(metric="box_map", value=20.3, source="tf2_config"))
    assert whole(20.4, twice) == AccuracyVerdict("reproduced")


def test_fewer_images_never_reproduce_but_can_differ() -> None:
    assert few(20.2, 0.01).verdict == "undecided"
    assert few(20.2, 2.0).verdict == "undecided"
    assert few(23.2, 2.6) == AccuracyVerdict("differs")
    assert few(17.2, 2.6) == AccuracyVerdict("differs")
    # Down to the end of the margin is not beyond it.
    assert few(23.2, 2.7).verdict == "undecided"
    # Beyond one figure, but not beyond the other.
    assert few(22.2, 1.0, figures=BOTH).verdict == "undecided"
    assert few(25.2, 1.0, figures=BOTH).verdict == "differs"


def test_an_undecided_one_tells_how_many_images_would_decide_it() -> None:
    # 1.7 beyond the margin: a half-width of 3.4 must halve, which takes four times as many.
    assert few(22.2, 3.4) == AccuracyVerdict("undecided", images_needed=2000)
    assert few(22.2, 3.41).images_needed == math.ceil(500 * (3.41 / 1.7) ** 2) == 2012
    # Of the nearer figure, that takes more.
    assert few(25.2, 4.0, figures=BOTH).images_needed == math.ceil(500 * (4.0 / 2.7) ** 2)
    for middle in (20.2, 20.5, 20.5 + 1e-300, 20.51):
        assert few(middle, 3.4).images_needed == 5000
    assert judge_accuracy(25, PAGE, interval=None, images=500, whole=False) == AccuracyVerdict(
        "undecided", images_needed=5000
    )
    # Right at the end of the margin no number of images but all of them decides.
    small = (Figure(metric="box_map", value=0.3, source="tf2_zoo"),)
    assert few(0.6, 0.2, figures=small).images_needed == 5000
    held_out = judge_accuracy(
        20.0, PAGE, interval=(18, 22), images=20, whole=False, whole_images=60
    )
    assert held_out.images_needed == 60


@given(st.floats(0, 100), st.floats(0.001, 50), st.integers(1, 4999))
def test_so_many_images_as_are_said_to_decide_are_more_and_would(
    middle: float, half: float, images: int
) -> None:
    judged = few(middle, half, images)
    if judged.verdict == "differs":
        assert abs(middle - 20.2) - half > MARGIN
        return
    assert judged.images_needed is not None and images <= judged.images_needed <= 5000
    if judged.images_needed < 5000:
        narrowed = half * math.sqrt(images / (judged.images_needed + 1))
        assert few(middle, narrowed, judged.images_needed + 1).verdict == "differs"


def test_other_releases_are_no_errata_of_one_another() -> None:
    manifest = load_manifest(())
    (figure,) = manifest.published(manifest.find("yolov5s"), "box_map")
    assert (figure.value, figure.source) == (37.4, "yolov5_v7")
    ssd = manifest.find("ssd_mobilenet_v2_320x320_coco17_tpu-8")
    assert manifest.published(ssd, "box_map") == BOTH
    for spec in manifest.models:
        published = manifest.published(spec, "box_map")
        assert (published[0].value if published else None) == spec.box_map


#: Nine others that take ten times as long, with little spread.
OTHERS = [10 * math.exp(0.01 * i) for i in range(-4, 5)]


def test_a_time_is_judged_by_the_other_models_and_with_their_spread() -> None:
    judged = judge_speed(10.5, 0.0, OTHERS)
    # The deviations' median is 0.02: of each of nine the distance from the middle one.
    error = 1.2533 * 1.4826 * 0.02 / 3
    assert judged.factor == pytest.approx(10)
    assert judged.departure == pytest.approx(1.05)
    assert judged.low == pytest.approx(1.05 * math.exp(-1.96 * error))
    assert judged.high == pytest.approx(1.05 * math.exp(1.96 * error))
    assert judged.verdict == "reproduced"
    # One that departs among the others moves nothing much.
    assert judge_speed(10.5, 0.0, [*OTHERS[:-1], 400.0]).departure == pytest.approx(1.05)


@pytest.mark.parametrize(
    ("ratio", "noise", "verdict"),
    [
        (12.0, 0.0, "reproduced"),
        (8.2, 0.0, "reproduced"),
        (12.4, 0.05, "undecided"),
        (13.0, 0.05, "undecided"),
        (14.0, 0.05, "differs"),
        (7.0, 0.05, "differs"),
        # Agreement must be shown: a noisy time shows nothing.
        (10.0, 0.2, "undecided"),
        (100.0, 0.2, "differs"),
    ],
)
def test_a_time_is_reproduced_within_80_to_125_percent_and_differs_outside(
    ratio: float, noise: float, verdict: str
) -> None:
    assert judge_speed(ratio, noise, OTHERS).verdict == verdict


def test_the_limits_themselves_count_as_agreement() -> None:
    assert judge_speed(12.5, 0.0, [10.0] * 3).verdict == "reproduced"
    assert judge_speed(8.0, 0.0, [10.0] * 3).verdict == "reproduced"
    assert judge_speed(12.51, 0.0, [10.0] * 3).verdict == "differs"


def test_what_nothing_can_be_judged_by_is_undecided_with_the_reason() -> None:
    judged = judge_speed(10.0, 0.0, [10.0, 10.0])
    assert (judged.verdict, judged.factor, judged.low) == ("undecided", None, None)
    assert judged.reason == "fewer than 3 other models were timed alike to judge by"
    judged = judge_speed(10.0, None, OTHERS)
    assert (judged.verdict, judged.low) == ("undecided", None)
    assert judged.departure == pytest.approx(1)
    assert judged.reason == "timed too few times to know its noise"


def test_a_models_own_noise_is_that_of_its_single_calls() -> None:
    assert timing_noise(100, 100 * math.exp(0.1645), 30) == pytest.approx(0.1)
    assert timing_noise(100, 100, 2) == 0
    for unknown in ((None, 110, 30), (100, None, 30), (100, 110, None), (100, 100, 1)):
        assert timing_noise(*unknown) is None
