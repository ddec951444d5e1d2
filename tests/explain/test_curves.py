"""Curves are pycocotools' own, and the best score is the one that no other beats."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.coco_data import as_truth, random_data
from tfzoo.accuracy.bootstrap import Matches, matches_of
from tfzoo.accuracy.metrics import run_evaluation
from tfzoo.accuracy.truth import Kind
from tfzoo.explain.curves import SCORES, precision_by_recall, score_curve


@pytest.mark.parametrize("kind", ["box", "keypoints", "masks"])
def test_precision_by_recall_is_pycocotools_own(kind: Kind) -> None:
    truth, rows = random_data(71, images=40)
    truth["categories"].append({"id": 9, "name": "never", "keypoints": list(map(str, range(17)))})
    evaluation = run_evaluation(as_truth(truth), rows, kind, "pycocotools")
    expected = evaluation.eval["precision"][:, :, :, 0, -1]
    matches = matches_of(evaluation)
    for k, one in enumerate(matches):
        curves = np.nan_to_num(precision_by_recall(one), nan=-1)
        assert curves == pytest.approx(expected[:, :, k], abs=1e-12)
    assert (expected[:, :, -1] == -1).all() and (expected > 0).any()


def test_the_best_score_is_the_one_that_no_other_beats() -> None:
    truth, rows = random_data(72, images=40, drawn=False)
    matches = matches_of(run_evaluation(as_truth(truth), rows, "box"))
    for chosen in ([one] for one in matches), [matches]:
        for some in chosen:
            curve = score_curve(some)
            objects = sum(one.objects.sum() for one in some)

            def f1(score: float, some: list[Matches] = some, objects: int = objects) -> float:
                kept = [(one.scores >= score) & ~one.ignored[0] for one in some]
                found = sum(
                    (one.positive[0] & few).sum() for one, few in zip(some, kept, strict=True)
                )
                return float(2 * found / (sum(few.sum() for few in kept) + objects))

            assert curve.best_score is not None
            assert f1(curve.best_score) == pytest.approx(curve.best_f1)
            scores = np.unique(np.concatenate([one.scores for one in some]))
            assert max(map(f1, scores.tolist())) == pytest.approx(curve.best_f1)
            for place in (0, 30, 60, 100):
                assert curve.f1[place] == pytest.approx(f1(float(SCORES[place])))
                lost = 2 * curve.precision[place] * curve.recall[place]
                both = curve.precision[place] + curve.recall[place]
                assert curve.f1[place] == pytest.approx(lost / both if both else 0)


def test_where_nothing_is_found_there_is_no_best_score() -> None:
    wrong = Matches(
        np.array([0]),
        np.zeros((10, 1), bool),
        np.zeros((10, 1), bool),
        np.array([2]),
        np.array([0.5]),
    )
    curve = score_curve([wrong])
    assert (curve.best_score, curve.best_f1) == (None, 0.0)
    assert curve.precision[[0, 50, 51]].tolist() == [0, 0, 1] and not curve.recall.any()
