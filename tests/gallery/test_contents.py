"""What is kept of each detection is what the parts hold, as near as the page can show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.gallery.conftest import SIZE, found
from tests.helpers.made_runs import RUN, made_up, write_run
from tfzoo.batch.parts import Columns, Parts
from tfzoo.batch.rows import ImageResult
from tfzoo.detections.types import Detections
from tfzoo.gallery.contents import MASK_SIDE, SCORE_STEPS, STEPS, Contents


def contents_of(out: Path) -> Contents:
    contents = Contents(Parts(out / "parts", 1, Columns(), RUN))
    list(contents.pictures())
    return contents


def test_boxes_scores_and_categories_come_back(tmp_path: Path) -> None:
    all_found = [made_up(seed, count, (90, 160)) for seed, count in enumerate((3, 0, 5, 1))]
    results = [ImageResult(i, f"{i}", f"/{i}", one) for i, one in enumerate(all_found)]
    contents = contents_of(write_run(tmp_path / "out", results, part=2))
    assert contents.column("found", "<u4").tolist() == [3, 0, 5, 1]
    boxes = contents.column("box", "<u2").reshape(-1, 4) / STEPS * [160, 90, 160, 90]
    assert np.abs(boxes - np.concatenate([one.boxes for one in all_found])).max() < 0.01
    scores = contents.column("score", "<u2") / SCORE_STEPS
    assert np.abs(scores - np.concatenate([one.scores for one in all_found])).max() < 0.0001
    ids = list(contents.categories)
    kept = [ids[place] for place in contents.column("category", "<u2")]
    assert kept == np.concatenate([one.class_ids for one in all_found]).tolist()


def test_keypoints_come_back_also_where_a_part_has_none(tmp_path: Path) -> None:
    points = np.zeros((1, 17, 2), np.float32)
    points[0, 3] = (20, 30)
    scores = np.full((1, 17), 0.5, np.float32)
    nobody = found((18, 0.4))
    person = found((1, 0.9))
    with_points = replace(person, keypoints=points, keypoint_scores=scores)
    results = [ImageResult(1, "a", "/a", nobody), ImageResult(2, "b", "/b", with_points)]
    contents = contents_of(write_run(tmp_path / "out", results, Columns(keypoints=True), part=1))
    kept = contents.column("keypoints", "<u2").reshape(2, 17, 2)
    assert np.allclose(kept[1, 3] / STEPS * [80, 60], [20, 30], atol=0.01)
    assert contents.column("keypoint_scores", "<u1").reshape(2, 17).tolist() == [
        [0] * 17,
        [128] * 17,
    ]


def test_masks_come_back_as_bits_of_their_box(tmp_path: Path) -> None:
    one = found((1, 0.9))
    masks = np.zeros((1, 33, 33), np.float32)
    masks[:, :, :16] = 1
    masked = Detections(one.boxes, one.scores, one.class_ids, SIZE, masks=masks)
    results = [ImageResult(1, "a", "/a", masked)]
    contents = contents_of(write_run(tmp_path / "out", results, Columns(masks=True)))
    bits = np.unpackbits(contents.column("masks", "<u1")).reshape(MASK_SIDE, MASK_SIDE)
    assert bits[2:-2, 2:13].all()
    assert not bits[:, 19:].any()
