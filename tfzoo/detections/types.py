"""`Detections`: what one image holds, as parallel arrays in pixels of the original image."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from tfzoo.detecting import DEFAULT, DrawOptions, MinScore
from tfzoo.detections.drawing import draw, encode_png
from tfzoo.detections.labels import COCO, category_ids, category_name, scores_by_id
from tfzoo.detections.masks import encode, paste
from tfzoo.images.image import Image

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunInfo:
    """What produced a result.

    Attributes:
        model: Id of the model (or the path it was opened from).
        runtime: Runtime and its version, such as `tensorflow 2.20.0`.
        device: The device really used, such as `cpu` or `gpu:0`.
        precision: How the network's numbers are held: `float32` or `int8`.
    """

    model: str
    runtime: str
    device: str
    precision: str = "float32"


@dataclass(frozen=True, eq=False)
class Detection:
    """One detection, as iterating over `Detections` gives it.

    Attributes:
        box: float32 [4], x0, y0, x1, y1 in pixels of the original image.
        score: 0 to 1.
        class_id: The category's id (COCO's own, 1 to 90, unless the model has its own labels).
        category: The category's name.
        keypoints: float32 [K, 2], x, y in pixels, or None where the object has none.
        keypoint_scores: float32 [K], or None.
    """

    box: NDArray[np.float32]
    score: float
    class_id: int
    category: str
    keypoints: NDArray[np.float32] | None = None
    keypoint_scores: NDArray[np.float32] | None = None

    def __eq__(self, other: object) -> bool:
        """Whether all is the same, number by number."""
        if not isinstance(other, Detection):
            return NotImplemented
        return _same_fields(self, other)


@dataclass(frozen=True, eq=False)
class Detections:
    """The detections of one image, best score first.

    Attributes:
        boxes: float32 [N, 4], x0, y0, x1, y1 in pixels of the original image.
        scores: float32 [N], 0 to 1, descending.
        class_ids: int32 [N], COCO category ids 1 to 90 (gaps stay gaps), or a model's own ids.
        image_size: Height and width of the original image in pixels.
        keypoints: float32 [N, K, 2], x, y in pixels. None for models without.
        keypoint_scores: float32 [N, K]; NaN in the rows of objects that have no keypoints (all
            but persons). None for models without.
        masks: float32 [N, h, w], 0 to 1, relative to each box, as the model gives them; `mask`
            pastes one into the image. None without.
        labels: Category names by id.
        run: What produced the result.
        image: uint8 [H, W, 3] RGB, kept for pictures where a single image was asked for.

    Raises:
        ValueError: An array's shape or dtype does not fit, or the scores are not descending.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int32]
    image_size: tuple[int, int]
    keypoints: NDArray[np.float32] | None = None
    keypoint_scores: NDArray[np.float32] | None = None
    masks: NDArray[np.float32] | None = None
    labels: Mapping[int, str] = field(default_factory=lambda: COCO, repr=False)
    run: RunInfo | None = None
    image: Image | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        count = len(self.scores)
        _check("boxes", self.boxes, np.float32, (count, 4))
        _check("scores", self.scores, np.float32, (count,))
        _check("class_ids", self.class_ids, np.int32, (count,))
        if (self.keypoints is None) != (self.keypoint_scores is None):
            raise ValueError("keypoints and keypoint_scores come together or not at all")
        if self.keypoints is not None and self.keypoint_scores is not None:
            points = self.keypoints.shape[1] if self.keypoints.ndim == 3 else -1
            _check("keypoints", self.keypoints, np.float32, (count, points, 2))
            _check("keypoint_scores", self.keypoint_scores, np.float32, (count, points))
        if self.masks is not None:
            _check("masks", self.masks, np.float32, (count, *self.masks.shape[1:3]))
        if np.any(self.scores[1:] > self.scores[:-1]):
            raise ValueError("scores must be descending")

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        return (self._one(row) for row in range(len(self)))

    def _one(self, row: int) -> Detection:
        keypoints = None if self.keypoints is None else self.keypoints[row]
        keypoint_scores = None if self.keypoint_scores is None else self.keypoint_scores[row]
        if keypoint_scores is not None and np.isnan(keypoint_scores).all():
            keypoints = keypoint_scores = None
        return Detection(
            self.boxes[row],
            float(self.scores[row]),
            int(self.class_ids[row]),
            category_name(self.labels, int(self.class_ids[row])),
            keypoints,
            keypoint_scores,
        )

    @overload
    def __getitem__(self, rows: int | Integral) -> Detection: ...

    @overload
    def __getitem__(
        self, rows: NDArray[np.bool_] | NDArray[np.intp] | Sequence[int] | Sequence[bool] | slice
    ) -> Detections: ...

    def __getitem__(self, rows: Any) -> Detection | Detections:
        """One detection by its number, or the rows of a mask, an index array or a slice.

        Args:
            rows: A whole number (-1 is the last); or bool [N], whole numbers (array or list) or a
                slice, which must leave the scores descending.

        Raises:
            IndexError: There is no such row.
            TypeError: It is none of these.
        """
        if not isinstance(rows, slice):
            chosen = np.asarray(rows)
            if chosen.size == 0 and not isinstance(rows, np.ndarray):
                chosen = chosen.astype(np.intp)  # An empty list says nothing of its type.
            if chosen.dtype.kind not in "iub" or chosen.ndim > 1:
                raise TypeError(
                    f"detections are chosen by a number, a slice, a mask or whole numbers, not by "
                    f"{rows!r}; those of a category: found.of(['person'])"
                )
            if chosen.ndim == 0 and chosen.dtype.kind != "b":
                if not -len(self) <= int(chosen) < len(self):
                    raise IndexError(
                        f"there is no detection {int(chosen)}: {len(self)} were found, from 0"
                    )
                return self._one(int(chosen))
            if chosen.dtype.kind == "b" and chosen.shape != (len(self),):
                raise IndexError(
                    f"a mask of the shape {list(chosen.shape)} chooses among {len(self)} "
                    f"detections; expected [{len(self)}]"
                )
            rows = chosen
        return replace(
            self,
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            class_ids=self.class_ids[rows],
            keypoints=None if self.keypoints is None else self.keypoints[rows],
            keypoint_scores=None if self.keypoint_scores is None else self.keypoint_scores[rows],
            masks=None if self.masks is None else self.masks[rows],
        )

    @property
    def names(self) -> list[str]:
        """The category name of each detection."""
        return [category_name(self.labels, int(class_id)) for class_id in self.class_ids]

    def above(self, score: MinScore) -> Detections:
        """The detections with at least this score (0 to 1).

        Args:
            score: Of all, or by category, such as `{"person": 0.6, "default": 0.3}`; 0 of what is
                not named, where there is no `default`.

        Raises:
            UsageError: The model knows no such category; names the closest.
        """
        if not isinstance(score, Mapping):
            return self[self.scores >= score]
        by_id = scores_by_id(score, self._known())
        default = by_id.get(DEFAULT, 0.0)
        least = [by_id.get(str(class_id), default) for class_id in self.class_ids.tolist()]
        return self[self.scores >= np.array(least, dtype=np.float64)]

    def _known(self) -> dict[int, str]:
        """The labels, with the classes that the model finds although its labels leave them out."""
        return {int(c): f"class {c}" for c in self.class_ids} | dict(self.labels)

    def __eq__(self, other: object) -> bool:
        """Whether all is the same, number by number, what produced it and the kept image too."""
        if not isinstance(other, Detections):
            return NotImplemented
        return _same_fields(self, other)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the labels as a plain dictionary, which a read-only view is not."""
        return {**self.__dict__, "labels": dict(self.labels)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As before it was pickled; COCO's labels are the same again, not a copy for each."""
        labels = state["labels"]
        self.__dict__.update(state, labels=COCO if labels == COCO else labels)

    def of(self, classes: int | str | Collection[int | str]) -> Detections:
        """The detections of these categories, by id or name (in any letter case).

        Raises:
            UsageError: The model knows no such category; names the closest.
        """
        wanted = [classes] if isinstance(classes, str | int | Integral) else classes
        return self[np.isin(self.class_ids, category_ids(wanted, self._known()))]

    def mask(self, index: int) -> NDArray[np.bool_]:
        """One detection's mask, bool [H, W] at the size of the original image.

        Raises:
            ValueError: The model gives no masks.
        """
        if self.masks is None:
            raise ValueError("these detections have no masks; the model gives none")
        return paste(self.masks[index], self.boxes[index], self.image_size)

    def to_pandas(self) -> pd.DataFrame:
        """A row a detection: category_id, category, score, x0, y0, x1, y1 (pixels)."""
        import pandas as pd

        return pd.DataFrame(
            {
                "category_id": self.class_ids,
                "category": pd.Series(self.names, dtype=str),
                "score": self.scores,
                **{name: self.boxes[:, i] for i, name in enumerate(("x0", "y0", "x1", "y1"))},
            }
        )

    def to_coco(self, image_id: int | str) -> list[dict[str, Any]]:
        """COCO result rows: image_id, category_id, bbox [x, y, width, height] in pixels, score.

        Objects with keypoints add `keypoints` [x, y, score, ...]; mask models add `segmentation`
        (RLE).
        See https://cocodataset.org/#format-results.
        """
        rows = []
        for i, found in enumerate(self):
            x0, y0, x1, y1 = (float(value) for value in found.box)
            row: dict[str, Any] = {
                "image_id": image_id,
                "category_id": found.class_id,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "score": found.score,
            }
            if found.keypoints is not None and found.keypoint_scores is not None:
                triples = np.column_stack([found.keypoints, found.keypoint_scores])
                row["keypoints"] = [float(value) for value in triples.ravel()]
            if self.masks is not None:
                row["segmentation"] = encode(self.mask(i))
            rows.append(row)
        return rows

    def to_supervision(self) -> Any:
        """As `supervision.Detections` (masks pasted: bool [N, H, W])."""
        import supervision as sv

        masks = None
        if self.masks is not None:
            masks = np.zeros((len(self), *self.image_size), dtype=bool)
            for i in range(len(self)):
                masks[i] = self.mask(i)
        return sv.Detections(
            xyxy=self.boxes,
            mask=masks,
            confidence=self.scores,
            class_id=self.class_ids.astype(int),
            data={"class_name": np.array(self.names, dtype=object)},
        )

    def draw(self, image: Image | None = None, options: DrawOptions | None = None) -> Image:
        """The image with its detections drawn: uint8 [H, W, 3] RGB, a copy.

        Args:
            image: uint8 [H, W, 3] RGB of `image_size`; the kept image if left out.
            options: Width of lines, names, scores.

        Raises:
            ValueError: No image was given and none was kept.
        """
        if image is None:
            image = self.image
        if image is None:
            raise ValueError("no image was kept with these detections; pass one: draw(image)")
        return draw(image, self, options)

    def _repr_png_(self) -> bytes | None:
        """The picture that Jupyter shows."""
        if self.image is None:
            return None
        return encode_png(self.above(0.3).draw())

    def __repr__(self) -> str:
        height, width = self.image_size
        shown = ", ".join(f"{d.category} {d.score:.2f}" for d in self[:5])
        more = f", ... {len(self) - 5} more" if len(self) > 5 else ""
        return f"<{len(self)} detections in {width}x{height}: {shown}{more}>"


def _same_fields(one: Any, other: Any) -> bool:
    return all(_alike(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


def _alike(one: Any, other: Any) -> bool:
    """Whether two values of a field are the same: of arrays type, shape and numbers, NaN too."""
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        arrays = isinstance(one, np.ndarray) or isinstance(other, np.ndarray)
        return not arrays and bool(one == other)
    numbers = one.dtype.kind == "f"
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=numbers)


def _check(name: str, array: NDArray[Any], dtype: type, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"{name}: expected {np.dtype(dtype).name} {list(shape)}, "
            f"got {array.dtype.name} {list(array.shape)}"
        )
