"""Annotation and result files with anything wrong in them: right numbers, or a clear error."""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.coco_data import random_data
from tests.helpers.limits import no_longer_than
from tfzoo.accuracy.evaluate import evaluate_predictions
from tfzoo.accuracy.truth import KINDS
from tfzoo.errors import TfzooError

MUTATIONS = int(os.environ.get("MUTATIONS", "300"))

pytestmark = [
    pytest.mark.filterwarnings("ignore::tfzoo.accuracy.evaluate.AccuracyWarning"),
    # Said by pycocotools of numpy 2 at each mask it decodes.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

TRUTH, ROWS = random_data(40, images=6, categories=2)
for odd, annotation in enumerate(TRUTH["annotations"]):
    x, y, width, height = annotation["bbox"]
    if odd % 3 == 0:
        annotation["segmentation"] = [[x, y, x + width, y, x + width, y + height]]
    if odd % 3 == 1:
        annotation["segmentation"] = {"size": [120, 160], "counts": [9000, 1000, 9200]}

#: What stands where something else should.
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 1.5, -0.0, 1e-300, 1e300, 2**31, 2**63, 10**30, 10**400),
    *(float("nan"), float("inf"), float("-inf")),
    *("", "x", "1", "12.5", " 7 ", "-3", "1e999", "NaN", "0001", "person", "0001.jpg", "\ud800"),
    *("\0", "PPPPPP", "~~~~zz", "9" * 5000, "ü" * 300),
    *([], {}, [[]], [0], [1, 2, 3, 4], [[1, 2]], [[1, 2, 3, 4, 5, 6]], [[1e9] * 6], ["1"] * 4),
    *({"size": [120, 160], "counts": [19200]}, {"size": [120, 160], "counts": "abc"}),
    *({"size": [1, 1], "counts": [-1, 2]}, {"id": 1}, [{"id": 1}], [None]),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values in a tree, its root's left out."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:40])
        if isinstance(value, list)
        else ()
    )
    found = [path] if path else []
    for key, below in inner:
        found += places(below, (*path, key))
    return found


PLACES = {"truth": places(TRUTH), "rows": places(ROWS)}


@st.composite
def mutated(draw: st.DrawFn, what: str) -> bytes:
    """A file of which some values, or some bytes, are others."""
    value = copy.deepcopy(TRUTH if what == "truth" else ROWS)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PLACES[what]))
        above = value
        try:
            for key in path[:-1]:
                above = above[key]
            how = draw(st.sampled_from(["replace", "replace", "text", "remove", "double"]))
            if how == "replace":
                above[path[-1]] = draw(st.sampled_from(ODD))
            elif how == "text":
                above[path[-1]] = str(above[path[-1]])
            elif how == "remove":
                del above[path[-1]]
            else:
                above.append(above[path[-1]])
        except (LookupError, TypeError, AttributeError):
            # An earlier slip took the place away.
            continue
    data = bytearray(json.dumps(value).encode())
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(data) - 1))
        piece = draw(st.sampled_from([b"", b"[" * 2000, b"\xff", b"1e999", b"NaN", b"}", b"-"]))
        data[at : at + draw(st.integers(0, 8))] = piece
    return bytes(data)


@pytest.mark.parametrize("what", ["truth", "rows"])
def test_a_mutated_file_is_scored_or_refused_in_words(what: str, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    truth, rows = tmp_path / "truth.json", tmp_path / "rows.json"
    truth.write_text(json.dumps(TRUTH))
    rows.write_text(json.dumps(ROWS))

    @settings(
        max_examples=MUTATIONS // 3, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(mutated(what), st.sampled_from(KINDS))
    def check(data: bytes, kind: Any) -> None:
        (truth if what == "truth" else rows).write_bytes(data)
        with no_longer_than(5):
            try:
                measured = evaluate_predictions(rows, truth, kind, resamples=0)
            except TfzooError as error:
                assert len(str(error)) < 5000
                str(error).encode()
                outcomes["refused"] += 1
            else:
                json.dumps(measured.to_json(), allow_nan=False).encode()
                outcomes["scored"] += 1

    check()
    assert outcomes["scored"] > MUTATIONS / 30
    assert outcomes["refused"] > MUTATIONS / 30
