"""Pictures of detections: supervision's annotators, and labels that do not cover each other."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tfzoo.detecting import DrawOptions
from tfzoo.detections.labels import KEYPOINTS, SKELETON
from tfzoo.detections.palette import color_of, readable_on
from tfzoo.detections.placing import places
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


def draw(image: Image, detections: Drawable, options: DrawOptions | None = None) -> Image:
    """Draws masks, boxes with label and score, and skeletons on a copy of an image.

    A class always has the same colour, whatever else is in the picture. Lines and letters grow
    with the image, and never get too small to read. No label covers another: one for which there
    is no room at its box is left out, the worst first.

    Args:
        image: uint8 [H, W, 3] RGB.
        detections: In pixels of that image.
        options: How.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        ValueError: The image is of another size than the one detected.
    """
    import supervision as sv

    options = options or DrawOptions()
    height, width = image.shape[:2]
    if (height, width) != tuple(detections.image_size):
        raise ValueError(
            f"the image is {width}x{height}, but the detections are of an image of "
            f"{detections.image_size[1]}x{detections.image_size[0]}; draw them on that one"
        )
    picture = np.ascontiguousarray(image[:, :, ::-1])
    if not len(detections):
        return np.ascontiguousarray(picture[:, :, ::-1])
    thickness = options.line_width or max(1, round(min(height, width) / 300))
    # Worst first, so that the best lie on top.
    rows = np.arange(len(detections))[::-1]
    # A box ends where its last pixel ends; a line there would lie outside the image.
    boxes = np.minimum(detections.boxes, [width - 1, height - 1, width - 1, height - 1])
    found = sv.Detections(xyxy=boxes[rows], class_id=detections.class_ids[rows].astype(int))
    colors = sv.ColorPalette([sv.Color(*color_of(int(i))) for i in detections.class_ids[rows]])
    by_row = {"color": colors, "color_lookup": sv.ColorLookup.INDEX}
    if detections.masks is not None:
        for place, row in enumerate(rows):
            # One at a time: a hundred masks of a large image would fill the memory.
            annotator = sv.MaskAnnotator(color=colors.by_idx(place), opacity=0.4)
            one = found[place : place + 1]
            one.mask = detections.mask(int(row))[None]
            picture = annotator.annotate(picture, one)
    picture = sv.BoxAnnotator(thickness=thickness, **by_row).annotate(picture, found)
    if detections.keypoints is not None:
        for row in rows:
            picture = _draw_skeleton(picture, detections, int(row), thickness)
    texts = _texts(detections, options)
    if any(texts):
        _draw_labels(picture, boxes, texts, [int(id_) for id_ in detections.class_ids])
    return np.ascontiguousarray(picture[:, :, ::-1])


def _texts(detections: Drawable, options: DrawOptions) -> list[str]:
    """The label of each detection; empty where neither name nor score is asked for."""
    names = [in_one_line(name) if options.draw_names else "" for name in detections.names]
    scores = [f"{score:.2f}" if options.draw_scores else "" for score in detections.scores]
    return [f"{name} {score}".strip() for name, score in zip(names, scores, strict=True)]


def _draw_labels(
    picture: Image, boxes: NDArray[np.float32], texts: list[str], class_ids: list[int]
) -> None:
    """Draws a label at each box, best first, on a BGR picture."""
    import cv2

    height, width = picture.shape[:2]
    scale = max(0.4, min(height, width) / 1000)
    stroke, padding = max(1, round(1.5 * scale)), max(2, round(6 * scale))
    font = cv2.FONT_HERSHEY_SIMPLEX
    letters = [cv2.getTextSize(text, font, scale, stroke)[0] for text in texts]
    sizes = [(w + 2 * padding, h + 2 * padding) for w, h in letters]
    found = places(boxes, sizes, (height, width))
    for place, size, text, class_id in zip(found, sizes, texts, class_ids, strict=True):
        if place is None:
            continue
        color = color_of(class_id)
        end = (place[0] + size[0] - 1, place[1] + size[1] - 1)
        cv2.rectangle(picture, place, end, color[::-1], cv2.FILLED)
        start = (place[0] + padding, place[1] + size[1] - padding)
        cv2.putText(
            picture, text, start, font, scale, readable_on(color)[::-1], stroke, cv2.LINE_AA
        )


def _draw_skeleton(picture: Image, detections: Drawable, row: int, thickness: int) -> Image:
    """One object's keypoints, joined where they are COCO's, on a BGR picture."""
    import supervision as sv

    if detections.keypoints is None or detections.keypoint_scores is None:
        return picture
    points = detections.keypoints[row]
    # Objects without keypoints have NaN scores, which no comparison holds for.
    seen = detections.keypoint_scores[row] >= MIN_KEYPOINT_SCORE
    color = sv.Color(*color_of(int(detections.class_ids[row])))
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


def encode_png(image: Image) -> bytes:
    """PNG bytes of a picture, uint8 [H, W, 3] RGB."""
    import cv2

    return cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
