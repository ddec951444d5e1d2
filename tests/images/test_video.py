"""Frames of videos, with number and time."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.helpers.films import FRAMES, RATE, film, matroska
from tfzoo.errors import ImageError
from tfzoo.images.video import opens_as_video, read_frames, video_info


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


def test_frames_at_any_times_are_all_of_a_video(tmp_path: Path) -> None:
    times_ms = [0, 33, 66, 400, 433, 1433, 1466]
    path = str(matroska(tmp_path / "vfr.mkv", times_ms, 1500))
    assert video_info(path).frames == 38  # What it would have at a constant rate.
    times = [frame.timestamp_s for frame in read_frames(path)]
    assert times == pytest.approx([t / 1000 for t in times_ms], abs=0.002)


@pytest.mark.parametrize(("lasts_ms", "whole"), [(1900, True), (2000, True), (2700, False)])
def test_a_video_is_whole_where_its_last_frame_may_reach_the_end(
    lasts_ms: int, whole: bool, tmp_path: Path
) -> None:
    """Its longest frame lasts 0.5 s, and the last begins at 1 s."""
    path = str(matroska(tmp_path / "a.mkv", [0, 40, 500, 1000], lasts_ms))
    if whole:
        assert len(list(read_frames(path))) == 4
    else:
        with pytest.raises(ImageError, match=r"ends after 4 of the 6[78] frames"):
            list(read_frames(path))


def test_the_rest_of_a_whole_video_is_whole(tmp_path: Path) -> None:
    path = str(matroska(tmp_path / "a.mkv", [0, 500, 1000, 1040, 1080], 1120))
    assert [frame.index for frame in read_frames(path, first=3)] == [3, 4]


def test_a_video_held_on_its_side_comes_upright(tmp_path: Path) -> None:
    data = bytearray(film(tmp_path / "a.mp4", 2).read_bytes())
    matrix = data.find(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "a.mp4").write_bytes(data)
    (frame, _) = read_frames(str(tmp_path / "a.mp4"))
    assert frame.image.shape == (128, 96, 3)
    assert frame.image[10, 40].argmax() == 0  # The person lay at 10, 55 from its left and top.


def test_what_opens_as_a_video_is_one(tmp_path: Path) -> None:
    assert opens_as_video(str(film(tmp_path / "a.mp4", 2).rename(tmp_path / "a")))
    (tmp_path / "text").write_text("no video " * 1000)
    assert not opens_as_video(str(tmp_path / "text"))
    assert not opens_as_video(str(tmp_path / "a\udce9"))
