"""What a run's sealed parts say, brought into the few bytes that a page can hold of each box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.batch.parts import Parts
from tfzoo.batch.pictures import box_mask

if TYPE_CHECKING:
    import pyarrow as pa

#: Boxes and keypoints are in steps of the image's sides; scores in steps of a ten-thousandth.
STEPS = 65_535
SCORE_STEPS = 10_000

#: A mask is kept as so many bits a side, spread over its box: about what the models give.
MASK_SIDE = 32


@dataclass(frozen=True)
class Picture:
    """One image of a run, or one frame of a video.

    Attributes:
        index: Its number among them, from 0.
        name: The name its results go by, with its place in a video.
        path: Where it, or its video, lies, or the address.
        frame: Its number in the video, from 0; None of an image.
        width: In pixels; 0 where it failed.
        height: In pixels; 0 where it failed.
        found: How many detections it has.
        error: Why it failed, or None.
    """

    index: int
    name: str
    path: str
    frame: int | None
    width: int
    height: int
    found: int
    error: str | None


@dataclass
class Contents:
    """What was found in the images of a run, as columns; filled while `pictures` is walked.

    Attributes:
        parts: The run's.
        categories: Names of the categories that were found, by id, in the order of first sight.
        frames: How many of the pictures are frames of videos.
    """

    parts: Parts
    categories: dict[int, str] = field(default_factory=dict)
    frames: int = 0
    _columns: dict[str, list[NDArray[Any]]] = field(default_factory=dict)

    def pictures(self) -> Iterator[Picture]:
        """The images in the order of the run; one part's rows in memory, and all columns."""
        index = 0
        for number in self.parts.sealed():
            detections, images = self.parts.read(number)
            rows = [
                Picture(
                    index + i,
                    _name(row),
                    row["path"],
                    row.get("frame"),
                    row["width"] or 0,
                    row["height"] or 0,
                    row["detections"] or 0,
                    row["error"],
                )
                for i, row in enumerate(images.to_pylist())
            ]
            index += len(rows)
            self.frames += sum(row.frame is not None for row in rows)
            self._add(detections, rows)
            yield from rows

    def column(self, name: str, kind: str) -> NDArray[Any]:
        """A column over all images or detections: `width`, `height`, `found`, `category`, ...

        Args:
            name: Its name; `keypoints` and `masks` are empty where the model has none.
            kind: Its type in the page, as numpy writes it: little-endian, such as `<u2`.
        """
        arrays = self._columns.get(name, [])
        if name.startswith("keypoint") and arrays:
            # A part in which no object has any says nothing of how many there are.
            points = max(array.shape[1] for array in arrays)
            arrays = [np.resize(a, (len(a), points, *a.shape[2:])) for a in arrays]
        flat = [np.zeros(0), *(array.reshape(-1) for array in arrays)]
        return np.concatenate(flat).astype(kind)

    def _add(self, detections: pa.Table, rows: Sequence[Picture]) -> None:
        counts = np.array([row.found for row in rows], dtype=np.int64)
        sizes = np.array([[row.width, row.height] for row in rows], dtype=np.int64).reshape(-1, 2)
        self._append("found", counts)
        self._append("width", sizes[:, 0])
        self._append("height", sizes[:, 1])
        sides = np.maximum(np.repeat(sizes, counts, axis=0), 1)
        ids = detections["category_id"].to_numpy()
        names = detections["category"].to_pylist()
        for found, name in dict.fromkeys(zip(ids.tolist(), names, strict=True)):
            self.categories.setdefault(found, name)
        places = {found: place for place, found in enumerate(self.categories)}
        self._append("category", np.array([places[found] for found in ids.tolist()], np.int64))
        self._append("score", np.rint(detections["score"].to_numpy() * SCORE_STEPS))
        boxes = np.stack([detections[n].to_numpy() for n in ("x0", "y0", "x1", "y1")], axis=1)
        self._append("box", _steps(boxes.reshape(-1, 2, 2), sides[:, None]))
        if "keypoints" in detections.column_names:
            self._add_keypoints(detections["keypoints"].to_pylist(), sides)
        if "segmentation" in detections.column_names:
            masks = [_mask(row) for row in detections.to_pylist()]
            self._append("masks", np.array(masks, np.uint8))

    def _add_keypoints(self, rows: list[list[float] | None], sides: NDArray[Any]) -> None:
        points = max((len(row) for row in rows if row), default=0) // 3
        triples = np.array([row or [0.0] * 3 * points for row in rows], dtype=np.float64)
        triples = triples.reshape(len(rows), points, 3)
        self._append("keypoints", _steps(triples[:, :, :2], sides[:, None]))
        self._append("keypoint_scores", np.rint(255 * triples[:, :, 2]))

    def _append(self, name: str, values: NDArray[Any]) -> None:
        self._columns.setdefault(name, []).append(values)


def _name(row: dict[str, Any]) -> str:
    name: str = row["file_name"]
    if row.get("frame") is None:
        return name
    return f"{name} frame {row['frame']} ({row['timestamp_s']:.2f} s)"


def _steps(places: NDArray[Any], sides: NDArray[Any]) -> NDArray[Any]:
    """Places in pixels, [N, K, 2], in steps of the image's sides."""
    return np.asarray(np.rint(np.clip(places / sides, 0, 1) * STEPS))


def _mask(row: dict[str, Any]) -> NDArray[np.uint8]:
    """The bits of a row's mask, spread over its box: uint8 [MASK_SIDE * MASK_SIDE / 8]."""
    if row["segmentation"] is None:
        return np.zeros(MASK_SIDE * MASK_SIDE // 8, np.uint8)
    return np.packbits(box_mask(row, MASK_SIDE) > 0.5)
