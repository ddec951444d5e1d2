"""Pictures of detections, drawn by supervision's annotators."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tfzoo.detections.labels import KEYPOINTS, SKELETON
from tfzoo.images.image import Image
from tfzoo.outside import in_one_line

#: Keypoints below this score are not drawn, as in the Object Detection API's own notebooks.
MIN_KEYPOINT_SCORE = 0.3


class Drawable(Protocol):
    """What is drawn: `tfzoo.Detections`, which knows how to draw itself, and so lies above."""

    @property
    def boxes(self) -> NDArray[np.float32]: ...

    @property
    def scores(self) -> NDArray[np.float32]: ...

    @property
    def class_ids(self) -> NDArray[np.int32]: ...

    @property
    def image_size(self) -> tuple[int, int]: ...

    @property
    def keypoints(self) -> NDArray[np.float32] | None: ...

    @property
    def keypoint_scores(self) -> NDArray[np.float32] | None: ...

    @property
    def masks(self) -> NDArray[np.float32] | None: ...

    @property
    def names(self) -> list[str]: ...

    def mask(self, index: int, /) -> NDArray[np.bool_]: ...

    def __len__(self) -> int: ...


def draw(image: Image, detections: Drawable) -> Image:
    """Draws masks, boxes with label and score, and skeletons on a copy of an image.

    A class always has the same colour, whatever else is in the picture. Lines and letters grow
    with the image, and never get too small to read.

    Args:
        image: uint8 [H, W, 3] RGB.
        detections: In pixels of that image.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        ValueError: The image is of another size than the one detected.
    """
    import supervision as sv

    height, width = image.shape[:2]
    if (height, width) != tuple(detections.image_size):
        raise ValueError(
            f"the image is {width}x{height}, but the detections are of an image of "
            f"{detections.image_size[1]}x{detections.image_size[0]}; draw them on that one"
        )
    picture = np.ascontiguousarray(image[:, :, ::-1])
    if not len(detections):
        return np.ascontiguousarray(picture[:, :, ::-1])
    colors = sv.ColorPalette.DEFAULT
    thickness = max(1, round(min(height, width) / 300))
    text_scale = max(0.4, min(height, width) / 1000)
    found = sv.Detections(
        # A box ends where its last pixel ends; a line there would lie outside the image.
        xyxy=np.minimum(detections.boxes, [width - 1, height - 1, width - 1, height - 1]),
        class_id=detections.class_ids.astype(int),
    )
    # Worst first, so that the best lie on top.
    rows = np.arange(len(detections))[::-1]
    found = found[rows]
    labels = [
        f"{in_one_line(name)} {score:.2f}"
        for name, score in zip(detections.names, detections.scores, strict=True)
    ]
    if detections.masks is not None:
        annotator = sv.MaskAnnotator(color=colors, opacity=0.4)
        for place, row in enumerate(rows):
            # One at a time: a hundred masks of a large image would fill the memory.
            one = found[place : place + 1]
            one.mask = detections.mask(int(row))[None]
            picture = annotator.annotate(picture, one)
    picture = sv.BoxAnnotator(color=colors, thickness=thickness).annotate(picture, found)
    if detections.keypoints is not None:
        for row in rows:
            picture = _draw_skeleton(picture, detections, int(row), thickness)
    annotator = sv.LabelAnnotator(
        color=colors,
        text_color=_readable_on(colors),
        text_scale=text_scale,
        text_thickness=max(1, round(1.5 * text_scale)),
        text_padding=max(2, round(6 * text_scale)),
        smart_position=True,
    )
    for place, row in enumerate(rows):
        # One at a time, each is only moved into the picture; together, they would also be spread
        # apart, away from their boxes.
        picture = annotator.annotate(picture, found[place : place + 1], labels=[labels[row]])
    return np.ascontiguousarray(picture[:, :, ::-1])


def _draw_skeleton(picture: Image, detections: Drawable, row: int, thickness: int) -> Image:
    """One object's keypoints, joined where they are COCO's, on a BGR picture."""
    import supervision as sv

    if detections.keypoints is None or detections.keypoint_scores is None:
        return picture
    points = detections.keypoints[row]
    # Objects without keypoints have NaN scores, which no comparison holds for.
    seen = detections.keypoint_scores[row] >= MIN_KEYPOINT_SCORE
    color = sv.ColorPalette.DEFAULT.by_idx(int(detections.class_ids[row]))
    if len(points) == len(KEYPOINTS):
        # supervision counts keypoints from 1.
        edges = [(a + 1, b + 1) for a, b in SKELETON if seen[a] and seen[b]]
        if edges:
            annotator = sv.EdgeAnnotator(color=color, thickness=thickness, edges=edges)
            picture = annotator.annotate(picture, sv.KeyPoints(xy=points[None]))
    if seen.any():
        dots = sv.KeyPoints(xy=points[seen][None])
        for radius, fill in ((thickness + 1, color), (max(1, thickness - 1), sv.Color.WHITE)):
            picture = sv.VertexAnnotator(color=fill, radius=radius).annotate(picture, dots)
    return picture


def _readable_on(colors: Any) -> Any:
    """For each background colour black or white, whichever contrasts more.

    Relative luminance by ITU-R BT.709, without gamma: enough to tell light from dark.
    """
    import supervision as sv

    light = [0.2126 * c.r + 0.7152 * c.g + 0.0722 * c.b > 140 for c in colors.colors]
    return sv.ColorPalette([sv.Color.BLACK if is_light else sv.Color.WHITE for is_light in light])


def encode_png(image: Image) -> bytes:
    """PNG bytes of a picture, uint8 [H, W, 3] RGB."""
    import cv2

    return cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
