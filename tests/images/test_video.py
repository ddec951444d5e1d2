"""Frames of videos, with number and time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.films import FRAMES, RATE, film
from tfzoo.errors import ImageError
from tfzoo.images.video import read_frames, video_info


def test_frames_come_with_number_and_time_in_rgb(tmp_path: Path) -> None:
    frames = list(read_frames(str(film(tmp_path / "clip.mp4"))))
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert [round(frame.timestamp_s, 2) for frame in frames] == [i / RATE for i in range(FRAMES)]
    assert frames[0].image[40, 10].argmax() == 0  # The person is red.
    assert video_info(str(tmp_path / "clip.mp4")).frames == FRAMES


def test_reading_from_a_frame_on_gives_the_same_frames(tmp_path: Path) -> None:
    path = str(film(tmp_path / "clip.mp4"))
    whole, rest = list(read_frames(path)), list(read_frames(path, first=7))
    assert [frame.index for frame in rest] == list(range(7, FRAMES))
    assert [frame.timestamp_s for frame in rest] == [frame.timestamp_s for frame in whole[7:]]
    assert all((a.image == b.image).all() for a, b in zip(whole[7:], rest, strict=True))


def test_frames_over_the_limit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="128x96 are over the limit of 1000"):
        list(read_frames(str(film(tmp_path / "clip.mp4", 2)), max_pixels=1000))


def test_a_video_of_one_frame_says_so(tmp_path: Path) -> None:
    assert video_info(str(film(tmp_path / "one.mp4", frames=1))).frames == 1
