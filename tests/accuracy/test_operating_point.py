"""Thresholds by what they miss: the bound holds in simulations, and what can't be shown is told."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from typer.testing import CliRunner

from tests.helpers.coco_data import write
from tfzoo.accuracy.evaluate import evaluate_predictions
from tfzoo.accuracy.operating_point import highest_threshold, images_needed, p_value
from tfzoo.accuracy.settings import PredictionSettings
from tfzoo.cli.main import app
from tfzoo.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::tfzoo.accuracy.evaluate.AccuracyWarning")


def drawn(rng: np.random.Generator, images: int) -> tuple[Any, Any]:
    """Scores of objects [images, 4] and whether each is there: those of an image go together."""
    ease = rng.beta(4, 1.2, (images, 1))
    scores = np.clip(ease + rng.normal(0, 0.05, (images, 4)), 0, 1)
    return scores, rng.random((images, 4)) < rng.choice([0.3, 1.0], (images, 1))


def missed_at(scores: Any, there: Any, threshold: float) -> float:
    """Mean share of the objects of an image that are missed."""
    counts = there.sum(axis=1)
    lost = ((scores < threshold) & there).sum(axis=1)
    return float((lost[counts > 0] / counts[counts > 0]).mean())


def test_a_threshold_keeps_what_it_says_95_times_in_100_and_is_no_lower_than_it_must_be() -> None:
    rng = np.random.default_rng(3)
    everything = drawn(rng, 30_000)
    broken = found = 0
    reached = []
    for _ in range(200):
        scores, there = drawn(rng, 300)
        counts = there.sum(axis=1)
        images = int((counts > 0).sum())
        weights = np.broadcast_to(1 / np.maximum(counts, 1)[:, None] / images, there.shape)
        threshold, _ = highest_threshold(scores[there], weights[there], images, 0.2)
        if threshold is not None:
            found += 1
            reached.append(missed_at(*everything, threshold))
            broken += reached[-1] > 0.2
    assert found == 200
    # 10 in 200 are allowed for; the bound is known to be on the safe side.
    assert broken <= 10
    assert np.mean(reached) > 0.12


def test_the_p_value_is_the_lesser_of_hoeffdings_and_bentkus() -> None:
    for mean, images, share in [(0.02, 300, 0.05), (0.1, 50, 0.2), (0.049, 900, 0.05)]:
        entropy = mean * math.log(mean / share) + (1 - mean) * math.log((1 - mean) / (1 - share))
        bentkus = math.e * binom.cdf(math.ceil(images * mean), images, share)
        expected = min(math.exp(-images * entropy), bentkus, 1.0)
        assert p_value(mean, images, share) == pytest.approx(expected, rel=1e-9)
    assert p_value(0.0, 10, 0.05) == pytest.approx(0.95**10)
    assert p_value(0.3, 100, 0.05) == 1
    assert p_value(1.0, 100, 0.05) == 1
    assert p_value(0.0, 0, 0.05) == 1


def test_with_nothing_missed_59_images_show_5_percent() -> None:
    # 0.95 ** 59 is the first below 0.05.
    assert images_needed(0.0, 0.05) == 59
    assert images_needed(0.05, 0.05) is None
    assert images_needed(0.0499999999, 0.05) is None
    enough = images_needed(0.03, 0.05)
    assert enough is not None
    assert p_value(0.03, enough, 0.05) <= 0.05 < p_value(0.03, enough - 1, 0.05)


def test_equal_scores_are_kept_together_and_the_highest_threshold_is_taken() -> None:
    scores = np.array([0.9] * 60 + [0.8] * 40)
    assert highest_threshold(scores, np.full(100, 0.01), 100, 0.05) == (0.8, pytest.approx(0))
    assert highest_threshold(scores, np.full(100, 0.01), 100, 0.6)[0] == 0.9
    assert highest_threshold(scores[:0], scores[:0], 100, 0.5) == (None, 1.0)


def scored(images: int, lost: int, folder: Path) -> dict[str, Any]:
    """A results file of one dog an image, of which some are found by nothing, and a cat."""
    box = [10, 10, 20, 20]
    categories = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
    annotations = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": box, "area": 400, "iscrowd": 0}
        for i in range(1, images + 1)
    ]
    annotations.append({**annotations[0], "id": images + 1, "category_id": 2})
    rows = [
        {"image_id": i, "category_id": 1, "bbox": box, "score": 0.5 + 0.4 * (i % 2)}
        for i in range(1 + lost, images + 1)
    ]
    rows.append({"image_id": 1, "category_id": 2, "bbox": box, "score": 0.7})
    rows.append({"image_id": 1, "category_id": 2, "bbox": [90, 90, 5, 5], "score": 0.01})
    rows += [{**row, "bbox": [60, 60, 9, 9], "score": 0.6} for row in rows[:10]]
    truth = {
        "images": [{"id": i, "width": 100, "height": 100} for i in range(1, images + 1)],
        "annotations": annotations,
        "categories": categories,
    }
    return {
        "predictions": write(folder / "rows.json", rows),
        "annotations": write(folder / "truth.json", truth),
    }


def test_thresholds_of_all_and_of_each_category_are_told(tmp_path: Path) -> None:
    files = scored(200, 0, tmp_path)
    measured = evaluate_predictions(**files, misses_at_most="5%", by_class=True, resamples=0)
    all_of_them, dog, cat = measured.operating_points
    assert (all_of_them.category, dog.category, cat.category) == (None, "dog", "cat")
    assert (all_of_them.threshold, all_of_them.missed) == (0.5, pytest.approx(0))
    assert (all_of_them.images, all_of_them.objects) == (200, 201)
    assert all_of_them.false_per_image == 0.05
    assert dog.threshold == 0.5
    assert (cat.threshold, cat.images_needed) == (None, 59)
    assert "can't be shown by 1 images; it takes about 59" in cat.reason
    told = json.loads(json.dumps(measured.to_json()))["operating_points"]
    assert told[0]["threshold"] == 0.5 and told[0]["confidence"] == 0.95


def test_a_threshold_is_shown_rounded_down(tmp_path: Path) -> None:
    files = scored(200, 0, tmp_path)
    rows = [
        row | {"score": row["score"] + 0.00009}
        for row in json.loads(files["predictions"].read_text())
    ]
    write(files["predictions"], rows)
    (point,) = evaluate_predictions(**files, misses_at_most=0.05, resamples=0).operating_points
    assert point.threshold == pytest.approx(0.50009)
    assert point.shown_threshold == "0.5000"


def test_what_misses_more_with_every_detection_is_refused(tmp_path: Path) -> None:
    files = scored(100, 30, tmp_path)
    (point,) = evaluate_predictions(**files, misses_at_most=0.05, resamples=0).operating_points
    assert (point.threshold, point.images_needed) == (None, None)
    assert point.missed == pytest.approx(0.295)
    assert "no number of images would show" in point.reason


def test_the_command_prints_them(tmp_path: Path) -> None:
    files = scored(200, 0, tmp_path)
    arguments = ["evaluate", "--misses-at-most", "5%", "--by-class"]
    for name, path in files.items():
        arguments += [f"--{name}", str(path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "keep scores from 0.5000: with 95 % confidence at most 5 %" in done.output
    told = {line.split()[0]: line.split()[1:] for line in done.output.splitlines() if line.strip()}
    assert told["dog"] == ["0.5000", "0.0", "0.05", "200"]
    assert told["cat"] == ["-", "0.0", "-", "1", "59"]
    assert "operating_points" in CliRunner().invoke(app, [*arguments, "--json"]).output


@pytest.mark.parametrize("senseless", ["0", "100%", "much", "-5%", 1.0, "nan"])
def test_shares_without_sense_are_refused(senseless: Any) -> None:
    with pytest.raises(UsageError, match="expected a share such as 5%"):
        PredictionSettings("rows.json", "truth.json", misses_at_most=senseless)


def test_categories_without_a_share_are_refused() -> None:
    with pytest.raises(UsageError, match="--by-class goes with --misses-at-most"):
        PredictionSettings("rows.json", "truth.json", by_class=True)
    assert PredictionSettings("r", "t", misses_at_most="2.5 %").misses_at_most == 0.025
