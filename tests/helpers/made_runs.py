"""Runs of `detect` that nothing was detected for: their rows are made up, their files are real."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tfzoo.batch.inputs import Input, write_inputs
from tfzoo.batch.job import INPUTS, PARTS
from tfzoo.batch.journal import Journal
from tfzoo.batch.parts import Columns, Parts, Position
from tfzoo.batch.rows import ImageResult, detection_rows, image_rows
from tfzoo.detections.labels import COCO
from tfzoo.detections.types import Detections

RUN = "0123456789ab"


def made_up(seed: int, count: int, size: tuple[int, int]) -> Detections:
    """Detections of any of COCO's categories anywhere in an image of a height and width."""
    draw = random.Random(seed)
    boxes = []
    for _ in range(count):
        x0, y0 = draw.uniform(0, 0.8 * size[1]), draw.uniform(0, 0.8 * size[0])
        x1, y1 = draw.uniform(x0 + 2, size[1]), draw.uniform(y0 + 2, size[0])
        boxes.append([x0, y0, x1, y1])
    ids = [draw.choice(list(COCO)) for _ in range(count)]
    scores = sorted((draw.uniform(0.3, 1) for _ in range(count)), reverse=True)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(ids, np.int32),
        size,
    )


def write_run(
    out: Path, results: Sequence[ImageResult], columns: Columns | None = None, part: int = 256
) -> Path:
    """Writes a finished run of results into a folder."""
    columns = columns or Columns()
    out.mkdir(parents=True)
    files = [Input(result.path, result.file_name) for result in results]
    write_inputs(out / INPUTS, files, part, RUN, pictures=False)
    parts = Parts(out / PARTS, part, columns, RUN)
    parts.create()
    for number, first in enumerate(range(0, len(results), part)):
        some = results[first : first + part]
        following = Position(first + len(some))
        parts.write(number, detection_rows(some, columns), image_rows(some, columns), following)
    # Too long for a phone's line, with nothing in it to break it at.
    model = f"/models/{'made_up_' * 8}"
    settings = {"model": model, "runtime": "none", "min_score": 0.3, "columns": asdict(columns)}
    Journal(settings, len(results), 0, 0, run=RUN).write(out)
    return out
