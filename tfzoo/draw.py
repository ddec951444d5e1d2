"""Pictures of detections, drawn by supervision's annotators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tfzoo.detections import Detections, Image


def draw(image: Image, detections: Detections) -> Image:
    """Draws boxes with label and score on a copy of an image.

    Args:
        image: uint8 [H, W, 3] RGB.
        detections: In pixels of that image.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    import supervision as sv

    height, width = image.shape[:2]
    thickness = max(1, round(min(height, width) / 300))
    colors = sv.ColorPalette.DEFAULT
    picture = np.ascontiguousarray(image[:, :, ::-1])
    drawn = detections.to_supervision()
    texts = [f"{found.category} {found.score:.2f}" for found in detections]
    picture = sv.BoxAnnotator(color=colors, thickness=thickness).annotate(picture, drawn)
    picture = sv.LabelAnnotator(
        color=colors, text_scale=max(0.35, min(height, width) / 1200), text_padding=3
    ).annotate(picture, drawn, labels=texts)
    return np.ascontiguousarray(picture[:, :, ::-1])


def encode_png(image: Image) -> bytes:
    """PNG bytes of a picture, uint8 [H, W, 3] RGB."""
    import cv2

    return cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
