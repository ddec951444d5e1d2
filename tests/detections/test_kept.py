"""What is kept of what was found: by score, by category, by number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfzoo.detecting import DetectOptions, least_score, read_min_score
from tfzoo.detections.kept import by_id, keep
from tfzoo.detections.labels import COCO
from tfzoo.detections.types import Detections
from tfzoo.errors import UsageError


@pytest.fixture
def found() -> Detections:
    """Persons (1), dogs (18) and a class (99) that the labels have not, in turn."""
    scores = np.linspace(0.95, 0.1, 18, dtype=np.float32)
    ids = np.array([1, 18, 99] * 6, dtype=np.int32)
    return Detections(np.zeros((18, 4), np.float32), scores, ids, (10, 10))


def kept(found: Detections, **options: Any) -> list[tuple[int, float]]:
    chosen = keep(found, by_id(DetectOptions(**options), COCO))
    ids, scores = chosen.class_ids.tolist(), chosen.scores.tolist()
    return list(zip(ids, scores, strict=True))


@pytest.mark.parametrize(
    ("scores", "least"),
    [
        ({"Person": 0.6, "18": 0.2}, {1: 0.6, 18: 0.2, 99: 0.3}),
        ({"dog": 0.9, "default": 0.5}, {1: 0.5, 18: 0.9, 99: 0.5}),
        ({18: 1.0, "default": 0.0}, {1: 0.0, 18: 1.0, 99: 0.0}),
    ],
)
def test_each_category_has_its_least_score(
    found: Detections, scores: dict[Any, float], least: dict[int, float]
) -> None:
    expected = [(d.class_id, d.score) for d in found if d.score >= least[d.class_id]]
    assert kept(found, min_score=scores) == expected
    best = [(i, s) for i, s in expected if i != 18][:2]
    assert kept(found, min_score=scores, exclude=["dog"], max_detections=2) == best
    assert least_score(DetectOptions(min_score=scores).min_score) == min(least.values())


def test_above_takes_the_same_and_keeps_what_is_not_named(found: Detections) -> None:
    expected = [d for d in found if d.score >= {1: 0.5, 18: 0.7, 99: 0}[d.class_id]]
    assert list(found.above({"person": 0.5, "dog": 0.7})) == expected
    assert list(found.above({99: 2.0, "default": 0.8})) == [
        d for d in found if d.score >= 0.8 and d.class_id != 99
    ]
    with pytest.raises(UsageError, match="no category of this model is called 'doog'"):
        found.above({"doog": 0.5})


def test_what_is_left_out_is_left_out_of_what_is_asked_for(found: Detections) -> None:
    assert {i for i, _ in kept(found, exclude=["person"])} == {18, 99}
    assert {i for i, _ in kept(found, classes=["dog", 1], exclude=[18])} == {1}
    assert kept(found, classes=["dog"], exclude=["dog"]) == []
    for options in ({"exclude": ["doog"]}, {"min_score": {"doog": 0.5}}):
        with pytest.raises(UsageError, match=r"'doog'. Closest: dog"):
            kept(found, **options)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0.5", 0.5),
        ("1e-1", 0.1),
        ("person=0.6,kite=0.3", {"person": 0.6, "kite": 0.3}),
        (" hot dog = 0.6 , 0.25", {"hot dog": 0.6, "default": 0.25}),
        ("default=0.4", 0.4),
        ("a=b=0.5", {"a=b": 0.5}),
    ],
)
def test_scores_on_the_command_line(text: str, meant: float | Mapping[str, float]) -> None:
    assert read_min_score(text) == meant


@pytest.mark.parametrize(
    ("content", "meant"),
    [
        ("person: 0.61\nhot dog: 1\ndefault: 0.2", {"person": 0.61, "hot dog": 1, "default": 0.2}),
        ('{"person": 0.6, "no": 0.5, "17": 1e-3}', {"person": 0.6, "no": 0.5, "17": 0.001}),
        ("# derived\nno: 0.5\nnull: 0.4", {"no": 0.5, "null": 0.4}),
        ("\ufeffdefault: 0.7", 0.7),
    ],
)  # fmt: skip
def test_scores_in_a_file(content: str, meant: Any, tmp_path: Path) -> None:
    path = tmp_path / "scores=0.5,a.yaml"
    path.write_text(content, encoding="utf-8")
    assert read_min_score(str(path)) == meant


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("high", "'high'"),
        ("person=high", "of 'person' is 'high'"),
        ("person=", "of 'person' is ''"),
        ("nowhere.yaml", "'nowhere.yaml'"),
        ("", "''"),
    ],
)
def test_what_gives_no_scores_is_told_of(text: str, named: str) -> None:
    with pytest.raises(UsageError, match=rf"min_score.*{named}.*expected a score from 0 to 1"):
        read_min_score(text)


@pytest.mark.parametrize("content", ["", "- 0.5", "person", "person: [1]", "a: {b: 1}", "a: null",
                                     "a: [", "\x00", "a: b\n c"])  # fmt: skip
def test_a_file_that_gives_no_scores_is_told_of(content: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"min_score[\s\S]*expected a score from 0 to 1"):
        read_min_score(str(path))


@pytest.mark.parametrize(
    "scores", [{"person": 1.5}, {"person": -0.1}, {"person": "0.5"}, {"a": None}]
)
def test_scores_without_sense_are_refused(scores: Any) -> None:
    with pytest.raises(UsageError, match=r"min_score of .* expected a score from 0 to 1"):
        DetectOptions(min_score=scores)
