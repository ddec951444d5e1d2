"""What came of each image, as rows of the tables that parts hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.batch.parts import Columns
from tfzoo.detections.masks import encode
from tfzoo.detections.types import Detections
from tfzoo.outside import keyed, printable, public

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ImageResult:
    """What came of one image or frame.

    Attributes:
        file_name: The name its results go by.
        path: Where it lies.
        found: Its detections, or None where it failed.
        error: Why it failed, or None.
        frame: Number of the frame from 0, for a video.
        timestamp_s: Its time from the start in seconds, for a video.
    """

    image_id: int
    file_name: str
    path: str
    found: Detections | None = None
    error: str | None = None
    frame: int | None = None
    timestamp_s: float | None = None


def detection_rows(results: Sequence[ImageResult], columns: Columns) -> pa.Table:
    """A table of a row a detection, in the order of the results."""
    import pyarrow as pa

    found = [(result, result.found) for result in results if result.found is not None]
    counts = [len(detections) for _, detections in found]
    boxes = np.concatenate([d.boxes for _, d in found]) if found else np.zeros((0, 4), np.float32)

    def repeated(values: list[Any]) -> list[Any]:
        return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]

    values: dict[str, Any] = {
        "image_id": repeated([result.image_id for result, _ in found]),
        "file_name": repeated([printable(result.file_name) for result, _ in found]),
        "category_id": _joined([d.class_ids for _, d in found]),
        "category": [name for _, d in found for name in d.names],
        "score": _joined([d.scores for _, d in found]),
        **{name: boxes[:, i] for i, name in enumerate(("x0", "y0", "x1", "y1"))},
    }
    if columns.keypoints:
        values["keypoints"] = [row for _, d in found for row in _keypoints(d)]
    if columns.masks:
        values["segmentation"] = [row for _, d in found for row in _segmentation(d)]
    if columns.video:
        values["frame"] = repeated([result.frame for result, _ in found])
        values["timestamp_s"] = repeated([result.timestamp_s for result, _ in found])
    return pa.Table.from_pydict(values, schema=columns.detections())


def _joined(arrays: list[NDArray[Any]]) -> NDArray[Any] | list[Any]:
    return np.concatenate(arrays) if arrays else []


def _keypoints(found: Detections) -> list[list[float] | None]:
    """Per detection x, y, score of each keypoint; None where it has none."""
    if found.keypoints is None or found.keypoint_scores is None:
        return [None] * len(found)
    triples = np.concatenate([found.keypoints, found.keypoint_scores[:, :, None]], axis=2)
    return [
        None if np.isnan(row[:, 2]).all() else np.nan_to_num(row).ravel().tolist()
        for row in triples
    ]


def _segmentation(found: Detections) -> list[dict[str, Any] | None]:
    """Per detection COCO's run lengths of its mask; None where it has none."""
    if found.masks is None:
        return [None] * len(found)
    return [encode(found.mask(i)) for i in range(len(found))]


def image_rows(results: Sequence[ImageResult], columns: Columns) -> pa.Table:
    """A table of a row an image, in the order of the results."""
    import pyarrow as pa

    rows = [
        {
            "image_id": result.image_id,
            "file_name": printable(result.file_name),
            "path": printable(keyed(result.path)),
            **_sizes(result.found),
            "error": None if result.error is None else printable(public(result.error)),
            "frame": result.frame,
            "timestamp_s": result.timestamp_s,
        }
        for result in results
    ]
    return pa.Table.from_pylist(rows, schema=columns.images())


def _sizes(found: Detections | None) -> dict[str, int | None]:
    if found is None:
        return {"width": None, "height": None, "detections": None}
    height, width = found.image_size
    return {"width": width, "height": height, "detections": len(found)}
