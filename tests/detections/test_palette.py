"""Colours of categories: stable, told apart, and readable beneath a text."""

from __future__ import annotations

import pytest

from tfzoo.detections.labels import COCO
from tfzoo.detections.palette import as_hex, color_of, luminance, readable_on


def test_no_two_of_cocos_categories_have_one_colour() -> None:
    colors = [color_of(id_) for id_ in COCO]
    closest = min(
        max(abs(a - b) for a, b in zip(one, other, strict=True))
        for i, one in enumerate(colors)
        for other in colors[:i]
    )
    assert closest >= 8


def test_neighbouring_ids_lie_far_apart() -> None:
    for id_ in range(200):
        one, other = color_of(id_), color_of(id_ + 1)
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 100


@pytest.mark.parametrize("id_", range(0, 1000, 7))
def test_text_on_any_colour_contrasts_as_wcag_asks(id_: int) -> None:
    lights = sorted([luminance(color_of(id_)), luminance(readable_on(color_of(id_)))])
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5


def test_luminance_is_wcags() -> None:
    assert luminance((255, 255, 255)) == pytest.approx(1)
    assert luminance((0, 0, 0)) == 0
    assert luminance((119, 119, 119)) == pytest.approx(0.184, abs=0.001)


def test_colours_are_written_as_pages_write_them() -> None:
    assert as_hex((255, 0, 171)) == "#ff00ab"
