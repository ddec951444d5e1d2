"""What an interval of a difference shows, and how many images would show more."""

import pytest

from tfzoo.accuracy.bootstrap import Interval
from tfzoo.comparison.verdict import images_needed, judge, shown_worse


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.003, 0.003, "no difference"),
        (0.001, 0.002, "no difference"),
        (-0.002, -0.001, "no difference"),
        (0.001, 0.0031, "better"),
        (-0.0031, -0.001, "worse"),
        (-0.0031, 0.0, "undecided"),
        (0.0, 0.0031, "undecided"),
        (-0.1, 0.2, "undecided"),
    ],
)
def test_a_verdict_is_on_what_the_whole_interval_says(
    low: float, high: float, verdict: str
) -> None:
    assert judge(Interval(low, high), 0.003) == verdict


def test_without_an_interval_nothing_is_shown() -> None:
    assert judge(None, 0.003) == "undecided"
    assert not shown_worse(None, 0)


def test_so_many_images_would_decide_as_narrow_the_interval_to_what_is_sought() -> None:
    # Half as wide as 2, its middle 1 from 0: four times the images.
    assert images_needed(Interval(-0.01, 0.03), 0.003, 100) == 400
    # The middle is 0: what is sought is within the margin, a third of the half-width.
    assert images_needed(Interval(-0.009, 0.009), 0.003, 100) == 900
    # With no margin and no difference, no number shows either.
    assert images_needed(Interval(-0.01, 0.01), 0.0, 100) is None
    assert images_needed(Interval(-1e-9, 0.02), 0.003, 100) == 101


def test_worse_by_more_than_so_many_points_is_shown_by_the_upper_end() -> None:
    assert shown_worse(Interval(-0.02, -0.0051), 0.5)
    assert not shown_worse(Interval(-0.02, -0.005), 0.5)
    assert shown_worse(Interval(-0.02, -0.0001), 0)
    assert not shown_worse(Interval(-0.02, 0.0), 0)
