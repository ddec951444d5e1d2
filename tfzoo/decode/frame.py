"""What all kinds share: where an image lies in a model's input, and sound `Detections`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.detections.types import Detections
from tfzoo.images.image import Image

#: Outputs of a model by name.
Raw = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Frame:
    """Where an image lies in a model's input.

    Attributes:
        image_size: Height and width of the image in pixels.
        input_size: Height and width of the model's input in pixels.
        content_size: Height and width in the input that the resized image covers.
        offset: Top and left of it in the input.
    """

    image_size: tuple[int, int]
    input_size: tuple[int, int]
    content_size: tuple[int, int]
    offset: tuple[int, int] = (0, 0)

    @classmethod
    def whole(cls, image_size: tuple[int, int]) -> Frame:
        """The image as it is."""
        return cls(image_size, image_size, image_size)

    @classmethod
    def stretched(cls, image_size: tuple[int, int], input_size: tuple[int, int]) -> Frame:
        """The image stretched over the whole input."""
        return cls(image_size, input_size, input_size)

    @classmethod
    def fitted(
        cls, image_size: tuple[int, int], input_size: tuple[int, int], *, centred: bool
    ) -> Frame:
        """The image as large as it fits with its aspect kept, at the top left or centred.

        Centring puts the odd row or column of padding at the bottom or right, as Ultralytics'
        `letterbox` does (utils/augmentations.py, v7.0).
        """
        scale = min(input_size[0] / image_size[0], input_size[1] / image_size[1])
        # A side of a very narrow image would vanish: it keeps a pixel.
        height, width = (max(1, round(side * scale)) for side in image_size)
        offset = (0, 0)
        if centred:
            offset = ((input_size[0] - height) // 2, (input_size[1] - width) // 2)
        return cls(image_size, input_size, (height, width), offset)

    def place(self, image: Image, fill: int) -> Image:
        """The model's input, uint8 [h, w, 3]: the image resized into it, the rest filled."""
        import cv2

        height, width = self.content_size
        if self.content_size != self.image_size:
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        if self.content_size == self.input_size:
            return image
        canvas = np.full((*self.input_size, 3), fill, dtype=np.uint8)
        top, left = self.offset
        canvas[top : top + height, left : left + width] = image
        return canvas

    def to_image(self, points: NDArray[Any]) -> NDArray[np.float32]:
        """Points [..., 2], x, y in pixels of the input, in pixels of the image."""
        scale = np.array(self.image_size[::-1]) / self.content_size[::-1]
        moved: NDArray[np.float64] = (points - np.array(self.offset[::-1])) * scale
        return moved.astype(np.float32)

    def from_normalised(self, points: NDArray[Any]) -> NDArray[np.float32]:
        """Points [..., 2], y, x in parts of the input (0..1), as x, y in pixels of the image."""
        return self.to_image(points[..., ::-1].astype(np.float64) * self.input_size[::-1])


def assemble(
    frame: Frame,
    boxes: NDArray[Any],
    scores: NDArray[Any],
    class_ids: NDArray[Any],
    labels: Mapping[int, str],
    min_score: float,
    *,
    keypoints: NDArray[Any] | None = None,
    keypoint_scores: NDArray[Any] | None = None,
    masks: NDArray[Any] | None = None,
) -> Detections:
    """Makes `Detections` of rows in any order.

    Boxes are clipped to the image, as the Object Detection API does in its graphs. Boxes with a
    mask stay as they are: the mask spans the whole box, so that a clipped one would squeeze it.
    Rows are dropped whose score or box holds a number that is none, or whose box ends before it
    starts; all others stay, flat boxes too, so that what is evaluated is what the model returned.

    Args:
        frame: Where the image lay in the input.
        boxes: [N, 4], x0, y0, x1, y1 in pixels of the image.
        scores: [N], 0 to 1.
        class_ids: [N], whole numbers.
        labels: Category names by id.
        min_score: Rows below it are dropped.
        keypoints: [N, K, 2], x, y in pixels of the image. Rows whose scores are all 0 have none.
        keypoint_scores: [N, K].
        masks: [N, h, w], relative to each box.

    Returns:
        Detections, best score first; equal scores keep their order.
    """
    height, width = frame.image_size
    boxes = boxes.astype(np.float32)
    scores = scores.astype(np.float32)
    sound = np.isfinite(scores) & np.isfinite(boxes).all(axis=1)
    boxes = np.where(sound[:, None], boxes, np.float32(0))
    within = np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float32))
    sound &= (within[:, 2] >= within[:, 0]) & (within[:, 3] >= within[:, 1])
    kept = np.flatnonzero(sound & (scores >= min_score))
    rows = kept[np.argsort(-scores[kept], kind="stable")]
    if keypoints is not None and keypoint_scores is not None:
        keypoints = keypoints[rows].astype(np.float32)
        keypoint_scores = keypoint_scores[rows].astype(np.float32)
        without = ~(keypoint_scores != 0).any(axis=1)
        keypoints[without] = 0
        keypoint_scores[without] = np.nan
    return Detections(
        (within if masks is None else boxes)[rows],
        scores[rows],
        class_ids[rows].round().astype(np.int32),
        frame.image_size,
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
        masks=None if masks is None else masks[rows].astype(np.float32),
        labels=labels,
    )
