"""The interval: resampling equals evaluating again, and the interval holds the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers.coco_data import Rows, Truth, as_truth, of_images, random_data
from tfzoo.accuracy.bootstrap import Matches, average_precision, interval, matches_of
from tfzoo.accuracy.metrics import run_evaluation, score
from tfzoo.accuracy.truth import Kind


def repeated(truth: Truth, rows: Rows, weights: NDArray[np.integer]) -> tuple[Truth, Rows]:
    """A set that holds each image as often as its weight says, under new ids."""
    images: Rows = []
    annotations: Rows = []
    kept: Rows = []
    for image, weight in zip(truth["images"], weights, strict=True):
        for _ in range(weight):
            images.append({**image, "id": len(images) + 1})
            new = images[-1]["id"]
            for annotation in truth["annotations"]:
                if annotation["image_id"] == image["id"]:
                    number = len(annotations) + 1
                    annotations.append({**annotation, "id": number, "image_id": new})
            kept += [{**row, "image_id": new} for row in rows if row["image_id"] == image["id"]]
    return {**truth, "images": images, "annotations": annotations}, kept


@pytest.mark.parametrize("kind", ["box", "keypoints", "masks"])
def test_weights_equal_evaluating_a_set_of_repeated_images(kind: Kind) -> None:
    truth, rows = random_data(11, images=20)
    # Images tie with themselves when repeated; ties between images would need an order.
    rng = np.random.default_rng(0)
    rows = [{**row, "score": row["score"] + float(rng.uniform(0, 0.01))} for row in rows]
    matches = matches_of(run_evaluation(as_truth(truth), rows, kind))
    drawn = rng.multinomial(20, np.full(20, 1 / 20), 3)
    for weights, precision in zip(drawn, average_precision(matches, drawn), strict=True):
        again, kept = repeated(truth, rows, weights)
        assert precision == pytest.approx(score(as_truth(again), kept, kind).ap, abs=1e-9)


@pytest.mark.parametrize("kind", ["box", "keypoints", "masks"])
def test_matches_give_the_evaluations_own_ap(kind: Kind) -> None:
    truth, rows = random_data(12, images=40)
    for library in ("faster-coco-eval", "pycocotools"):
        evaluation = run_evaluation(as_truth(truth), rows, kind, library)
        (precision,) = average_precision(matches_of(evaluation), np.ones((1, 40), dtype=int))
        assert precision == pytest.approx(evaluation.stats[0], abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "areas"),
    [
        ("box", {"small": 3, "medium": 4, "large": 5}),
        ("keypoints", {"medium": 3, "large": 4}),
        ("masks", {"small": 3, "medium": 4, "large": 5}),
    ],
)
def test_matches_of_a_size_give_the_evaluations_own_ap(kind: Kind, areas: dict[str, int]) -> None:
    truth, rows = random_data(17, images=40)
    evaluation = run_evaluation(as_truth(truth), rows, kind)
    for area, place in areas.items():
        matches = matches_of(evaluation, area)
        (precision,) = average_precision(matches, np.ones((1, 40), dtype=int))
        assert precision == pytest.approx(evaluation.stats[place], abs=1e-12)


def test_detections_past_the_hundredth_of_a_category_count_for_neither() -> None:
    truth, rows = random_data(16, images=6, drawn=False)
    many = [row for row in rows if row["image_id"] == 4 and row["category_id"] == 1][:1]
    # 150 tied misses, best of all, before what is right; then 100 of them are taken.
    rows = [{**many[0], "bbox": [0, 0, 3, 3], "score": 0.999}] * 150 + rows
    evaluation = run_evaluation(as_truth(truth), rows, "box")
    matches = matches_of(evaluation)
    assert (matches[0].images == 3).sum() == 100
    (precision,) = average_precision(matches, np.ones((1, 6), dtype=int))
    assert precision == pytest.approx(evaluation.stats[0], abs=1e-12)


def one_find(objects: NDArray[np.integer]) -> Matches:
    """A category of which one object is found, in the first image."""
    found = np.ones((10, 1), dtype=bool)
    return Matches(np.array([0]), found, ~found, objects, np.ones(1))


def test_the_interval_holds_the_truth_about_95_times_in_100() -> None:
    # The truth is AP on all of many images; a measurement sees 200 of them.
    truth, rows = random_data(13, images=3000, drawn=False)
    evaluation = run_evaluation(as_truth(truth), rows, "box")
    matches = matches_of(evaluation)
    rng = np.random.default_rng(14)
    trials, size = 200, 200
    held = 0
    for _ in range(trials):
        sample = of_images(matches, rng.choice(3000, size, replace=False))
        found = interval(sample, rng.multinomial(size, np.full(size, 1 / size), 50))
        assert found is not None
        held += found.low <= evaluation.stats[0] <= found.high
    # 95 % of 200 is 190; by chance alone it stays within 179 and 198 in 999 of 1000 runs.
    assert 179 <= held <= 198


def test_more_images_make_it_narrower_and_the_same_seed_makes_it_the_same() -> None:
    few, few_rows = random_data(15, images=30, drawn=False)
    many, many_rows = random_data(15, images=480, drawn=False)
    narrow = score(as_truth(many), many_rows, "box").interval
    wide = score(as_truth(few), few_rows, "box").interval
    assert wide is not None and narrow is not None
    # A 16th of the images: about four times as wide.
    assert 2.5 < (wide.high - wide.low) / (narrow.high - narrow.low) < 6
    assert score(as_truth(few), few_rows, "box").interval == wide
    assert score(as_truth(few), few_rows, "box", seed=1).interval != wide
    assert score(as_truth(few), few_rows, "box", resamples=0).interval is None


def test_a_category_that_a_resample_misses_leaves_the_mean() -> None:
    everywhere = Matches(
        np.array([0, 1]),
        np.ones((10, 2), bool),
        np.zeros((10, 2), bool),
        np.array([1, 1]),
        np.ones(2),
    )
    second_only = replace(
        everywhere, positive=np.zeros((10, 2), dtype=bool), objects=np.array([0, 1])
    )
    weights = np.array([[2, 0], [0, 2]])
    precisions = average_precision([everywhere, second_only], weights)
    assert precisions == pytest.approx([1.0, 0.5])
    assert np.isnan(average_precision([second_only], np.array([[1, 0]])))[0]


def test_the_interval_is_the_normal_one_less_the_bootstraps_own_bias() -> None:
    found = one_find(np.array([1]))
    missed = replace(found, positive=np.zeros((10, 1), dtype=bool))
    first = replace(found, objects=np.array([1, 0]))
    second = replace(missed, images=np.array([1]), objects=np.array([0, 1]))
    # AP is 0.5, and 1 and 0 in the resamples: no bias, and a deviation of sqrt(1/2).
    drawn = np.array([[2, 0], [0, 2]])
    assert average_precision([first, second], drawn).tolist() == pytest.approx([1, 0])
    everything = interval([first, second], drawn)
    assert everything is not None and (everything.low, everything.high) == (0, 1)
    # Twice 1 and once 0: a mean of 2/3 is 1/6 too high, so that the middle is 1/3.
    middle, reach = 1 / 3, 1.96 * np.sqrt(1 / 3)
    biased = interval([first, second], np.array([[2, 0], [2, 0], [0, 2]]))
    assert biased is not None and biased.low == 0
    assert biased.high == pytest.approx(min(1, middle + reach), abs=1e-9)
    # Many alike: narrow enough to lie within 0 and 1 on both sides.
    many = interval([first, second], np.array([[1, 1]] * 60 + [[2, 0]]))
    resampled = np.array([0.5] * 60 + [1.0])
    centre, reach = 1 - resampled.mean(), 1.96 * resampled.std(ddof=1)
    assert many is not None
    assert (many.low, many.high) == pytest.approx((centre - reach, centre + reach), abs=1e-9)


def test_two_resamples_with_something_to_find_make_an_interval_and_one_makes_none() -> None:
    found = one_find(np.array([1, 0]))
    assert interval([found], np.array([[0, 2], [2, 0]])) is None
    both = interval([found], np.array([[2, 0], [0, 2], [1, 1]]))
    assert both is not None and (both.low, both.high) == pytest.approx((1, 1))


def test_each_threshold_counts_by_itself() -> None:
    one = one_find(np.array([1]))
    one.positive[[0, 5]] = False
    assert average_precision([one], np.array([[1]])) == pytest.approx([0.8])
