"""The paired interval: it is of the same images for both, and holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.coco_data import as_truth, of_images, random_data, weaker
from tfzoo.accuracy.bootstrap import Matches, average_precision, draw, interval, matches_of
from tfzoo.accuracy.metrics import run_evaluation
from tfzoo.comparison.paired import FEWEST_IMAGES, paired_differences

NAMES = [f"category {i}" for i in range(1, 5)]


def two_sides(seed: int, images: int, areas: bool = False) -> list[dict[str, list[Matches]]]:
    truth, rows = random_data(seed, images=images, drawn=False)
    sides = []
    for found in (rows, weaker(rows, seed)):
        evaluation = run_evaluation(as_truth(truth), found, "box")
        labels = evaluation.params.areaRngLbl if areas else ["all"]
        sides.append({area: matches_of(evaluation, area) for area in labels})
    return sides


def test_figures_are_the_evaluations_own_overall_by_class_and_by_size() -> None:
    truth, rows = random_data(21, images=60, drawn=False)
    other = weaker(rows, 21)
    first, second = (run_evaluation(as_truth(truth), found, "box") for found in (rows, other))
    of_a, of_b = (
        {area: matches_of(one, area) for area in one.params.areaRngLbl} for one in (first, second)
    )
    found = paired_differences(of_a, of_b, NAMES, draw(60, 20, 0), 0.003)
    sizes = [found.per_size[size] for size in ("small", "medium", "large")]
    for place, one in ((0, found.overall), *zip((3, 4, 5), sizes, strict=True)):
        assert one.a == pytest.approx(first.stats[place])
        assert one.b == pytest.approx(second.stats[place])
        assert one.difference == pytest.approx(second.stats[place] - first.stats[place])
        # Three large objects are in too few images for an interval.
        assert (one.low is None) == (one.images < FEWEST_IMAGES)
    assert found.overall.low is not None and found.per_size["large"].low is None
    for k, name in enumerate(NAMES):
        precision = second.eval["precision"][:, :, k, 0, -1].mean()
        assert found.per_class[name].b == pytest.approx(precision)
        objects = sum(a["category_id"] == k + 1 and not a["iscrowd"] for a in truth["annotations"])
        assert found.per_class[name].objects == objects
    assert found.to_json()["per_size"]["small"]["a"] == found.per_size["small"].a


def test_an_image_counts_for_both_sides_as_often_as_it_was_drawn() -> None:
    a, b = two_sides(22, 80)
    drawn = draw(80, 50, 3)
    found = paired_differences(a, b, NAMES, drawn, 0.003).overall
    ones = np.ones((1, 80), dtype=int)
    differences = average_precision(b["all"], drawn) - average_precision(a["all"], drawn)
    (measured,) = average_precision(b["all"], ones) - average_precision(a["all"], ones)
    reach = 1.96 * differences.std(ddof=1)
    assert (found.low, found.high) == pytest.approx((measured - reach, measured + reach))
    alone = [interval(side["all"], drawn) for side in (a, b)]
    assert alone[0] is not None and alone[1] is not None
    unpaired = np.hypot(*(one.high - one.low for one in alone if one))
    # What is hard for both leaves the difference.
    assert 2 * reach < 0.6 * unpaired


def test_the_paired_interval_holds_the_truth_about_95_times_in_100() -> None:
    # The truth is the difference on all of many images; a comparison sees 80 of them.
    (a, b), images, size, trials = two_sides(23, 600), 600, 80, 50
    ones = np.ones((1, images), dtype=int)
    (true,) = average_precision(b["all"], ones) - average_precision(a["all"], ones)
    rng = np.random.default_rng(24)
    held = 0
    for trial in range(trials):
        chosen = rng.choice(images, size, replace=False)
        sides = [{"all": of_images(side["all"], chosen)} for side in (a, b)]
        found = paired_differences(sides[0], sides[1], NAMES, draw(size, 30, trial), 0.003).overall
        assert found.low is not None and found.high is not None
        held += found.low <= true <= found.high
    # 95 % of 50 is 47.5; by chance alone it is 42 or more in 999 of 1000 runs.
    assert 42 <= held <= 50
    assert true < -0.005


def test_few_images_have_no_interval_but_for_one_and_the_same() -> None:
    a, b = two_sides(25, FEWEST_IMAGES + 2)
    # Two of the images hold nothing: of them ten do, or one fewer.
    enough = paired_differences(a, b, NAMES, draw(12, 20, 0), 0.003)
    assert enough.overall.images == FEWEST_IMAGES and enough.overall.low is not None
    chosen = np.arange(FEWEST_IMAGES + 1)
    few = [{"all": of_images(side["all"], chosen)} for side in (a, b)]
    drawn = draw(len(chosen), 20, 0)
    found = paired_differences(few[0], few[1], NAMES, drawn, 0.003).overall
    assert (found.images, found.low, found.verdict) == (FEWEST_IMAGES - 1, None, "undecided")
    same = paired_differences(few[0], few[0], NAMES, drawn, 0.003, same=True).overall
    assert (same.low, same.high, same.verdict) == (0, 0, "no difference")


def test_where_nothing_is_to_be_found_there_is_no_figure() -> None:
    nothing = Matches(
        np.array([0]),
        np.zeros((10, 1), bool),
        np.zeros((10, 1), bool),
        np.zeros(30, dtype=int),
        np.ones(1),
    )
    found = paired_differences({"all": [nothing]}, {"all": [nothing]}, ["a"], draw(30, 5, 0), 0.003)
    assert (found.overall.a, found.overall.difference, found.overall.images) == (None, None, 0)
    assert found.per_class["a"].verdict == "undecided" and found.more_images is None
