"""Pictures: what is drawn, where, and in which colour."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tfzoo.detecting import DrawOptions
from tfzoo.detections.drawing import draw, encode_png
from tfzoo.detections.palette import color_of
from tfzoo.detections.types import Detections
from tfzoo.errors import UsageError
from tfzoo.images.image import Image

GRAY = 90


def canvas(height: int, width: int) -> Image:
    return np.full((height, width, 3), GRAY, np.uint8)


def found(
    boxes: list[list[float]], class_ids: list[int], size: tuple[int, int], **more: Any
) -> Detections:
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        scores,
        np.array(class_ids, np.int32),
        size,
        **more,
    )


def changed(picture: Image) -> NDArray[np.bool_]:
    """Where a picture differs from the canvas: bool [H, W]."""
    differing: NDArray[np.bool_] = (picture != GRAY).any(axis=2)
    return differing


def test_nothing_found_is_the_image_itself_in_a_copy() -> None:
    image = canvas(40, 50)
    picture = draw(image, found([], [], (40, 50)))
    assert np.array_equal(picture, image)
    assert picture is not image


def test_the_image_given_stays_as_it_was() -> None:
    image = canvas(100, 200)
    picture = draw(image, found([[50, 50, 150, 90]], [1], (100, 200)))
    assert (image == GRAY).all()
    assert changed(picture).any()


def test_box_is_drawn_along_its_edges_and_not_inside() -> None:
    # Corners of the box, its middle, and the far corner of the image; the label is above.
    marks = changed(draw(canvas(300, 300), found([[50, 100, 250, 250]], [1], (300, 300))))
    assert marks[100:251, 50].all() and marks[100:251, 250].all()
    assert marks[100, 50:251].all() and marks[250, 50:251].all()
    assert not marks[105:245, 55:245].any()
    assert marks[80:100, 50:60].any()
    assert not marks[255:].any()


def test_box_on_the_border_is_drawn_inside_the_image() -> None:
    marks = changed(draw(canvas(200, 300), found([[0, 0, 300, 200]], [1], (200, 300))))
    assert marks[:, 0].all() and marks[:, -1].all() and marks[-1].all()


@pytest.mark.parametrize("box", [[100, 0, 200, 60], [180, 150, 200, 200]], ids=["top", "right"])
def test_label_of_a_box_at_the_border_stays_in_the_image(box: list[float]) -> None:
    # The same label in the middle of a picture, and at the border, covers as much.
    def label_area(place: list[float]) -> int:
        picture = draw(canvas(200, 200), found([place], [28], (200, 200)))
        color = picture[int(place[3]) - 3, int(place[0])]
        assert not (color == GRAY).all()
        return int((picture == color).all(axis=2).sum())

    width, height = box[2] - box[0], box[3] - box[1]
    middle = [60, 80, 60 + width, 80 + height]
    assert label_area(box) > 0.85 * label_area(middle)


def edge_color(picture: Image, x: int, y: int) -> tuple[int, ...]:
    return tuple(picture[y, x])


def test_a_class_has_one_colour_whatever_else_is_found() -> None:
    alone = draw(canvas(300, 300), found([[50, 100, 250, 250]], [18], (300, 300)))
    among = draw(
        canvas(300, 300),
        found(
            [[5, 270, 20, 290], [50, 100, 250, 250], [270, 270, 290, 290]], [1, 18, 44], (300,) * 2
        ),
    )
    assert edge_color(alone, 50, 200) == edge_color(among, 50, 200)
    other = draw(canvas(300, 300), found([[50, 100, 250, 250]], [1], (300, 300)))
    assert edge_color(alone, 50, 200) != edge_color(other, 50, 200)


def test_colours_are_rgb() -> None:
    picture = draw(canvas(300, 300), found([[50, 100, 250, 250]], [1], (300, 300)))
    assert edge_color(picture, 50, 200) == color_of(1)
    assert len(set(color_of(1))) == 3


def test_mask_tints_its_pixels_and_no_others() -> None:
    mask = np.zeros((1, 33, 33), np.float32)
    mask[:, :, :16] = 1
    picture = draw(canvas(300, 300), found([[50, 100, 250, 250]], [1], (300, 300), masks=mask))
    marks = changed(picture)
    assert marks[110:240, 60:140].all()
    assert not marks[110:240, 160:240].any()
    # Tinted, not covered: between the image and the class's colour.
    assert GRAY < picture[200, 100, 0] < 255


def skeleton(scores: NDArray[np.float32]) -> Image:
    points = np.zeros((1, 17, 2), np.float32)
    points[0, 5], points[0, 6] = (100, 150), (200, 150)  # The shoulders.
    points[0, 11], points[0, 12] = (100, 230), (200, 230)  # The hips.
    return draw(
        canvas(300, 300),
        found(
            [[50, 100, 250, 250]],
            [1],
            (300, 300),
            keypoints=points,
            keypoint_scores=scores[None].astype(np.float32),
        ),
    )


def test_skeleton_joins_the_keypoints_that_were_seen() -> None:
    scores = np.zeros(17, np.float32)
    scores[[5, 6, 11, 12]] = 0.9
    marks = changed(skeleton(scores))
    assert marks[150, 100:201].all() and marks[230, 100:201].all()
    assert marks[150:231, 100].all() and marks[150:231, 200].all()
    assert not marks[155:225, 105:195].any()


def test_keypoints_of_low_score_and_their_edges_are_left_out() -> None:
    scores = np.zeros(17, np.float32)
    scores[[5, 6, 11]] = 0.9
    scores[12] = 0.1
    marks = changed(skeleton(scores))
    assert marks[150, 100:201].all()
    assert not marks[160:240, 190:210].any()


def test_object_without_keypoints_has_no_skeleton() -> None:
    marks = changed(skeleton(np.full(17, np.nan, np.float32)))
    assert not marks[105:245, 55:245].any()


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (150, 200), (200, 6000), (4000, 6000)])
def test_any_size_can_be_drawn(size: tuple[int, int]) -> None:
    height, width = size
    box = [0.1 * width, 0.1 * height, 0.9 * width, 0.9 * height]
    masks = np.ones((1, 33, 33), np.float32)
    picture = draw(canvas(*size), found([box], [1], size, masks=masks))
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8
    assert changed(picture).any()


def test_lines_grow_with_the_image() -> None:
    def line_width(height: int, width: int) -> int:
        box = [0.3 * width, 0.3 * height, 0.7 * width, 0.7 * height]
        marks = changed(draw(canvas(height, width), found([box], [1], (height, width))))
        return int(marks[height // 2, : width // 2].sum())

    assert line_width(150, 200) == 1
    assert 9 <= line_width(3000, 4000) <= 11


def drawn_with(**options: Any) -> NDArray[np.bool_]:
    one = found([[50, 100, 250, 250]], [28], (300, 300))
    return changed(draw(canvas(300, 300), one, DrawOptions(**options)))


def test_lines_are_as_wide_as_asked_for() -> None:
    assert drawn_with(line_width=9)[180, :150].sum() == pytest.approx(9, abs=2)
    with pytest.raises(UsageError, match="line_width is 0"):
        DrawOptions(line_width=0)


def test_names_and_scores_are_left_out_where_asked_for() -> None:
    def label_area(**options: Any) -> int:
        return int(drawn_with(**options)[:98].sum())

    both, name, score = label_area(), label_area(draw_scores=False), label_area(draw_names=False)
    assert both > name > score > 0
    assert label_area(draw_names=False, draw_scores=False) == 0


def test_labels_of_boxes_on_one_another_are_all_to_be_read() -> None:
    # Two of a category, so that letters alone tell the labels apart from each other.
    one = [100.0, 100.0, 350.0, 350.0]
    alone = draw(canvas(400, 400), found([one], [1], (400, 400)))
    picture = draw(canvas(400, 400), found([one, one], [1, 18], (400, 400)))
    above = (slice(60, 98), slice(100, 350))
    # The best keeps its place, and the other lies elsewhere, in its own colour.
    assert np.array_equal(picture[above], alone[above])
    assert (picture[104:350, 104:345] == color_of(18)).all(axis=2).sum() > 150


def test_image_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"200x100.*300x300"):
        draw(canvas(100, 200), found([[50, 50, 150, 90]], [1], (300, 300)))


def test_png_holds_the_picture() -> None:
    import io

    from PIL import Image as pillow

    picture = draw(canvas(30, 40), found([[5, 5, 30, 20]], [1], (30, 40)))
    assert np.array_equal(np.asarray(pillow.open(io.BytesIO(encode_png(picture)))), picture)
