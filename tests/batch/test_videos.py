"""Videos in a run: a row a frame, an annotated video, and files that end early."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import tfzoo
from tests.helpers import standins
from tests.helpers.films import FRAMES, film, matroska
from tests.helpers.folders import stop_after
from tfzoo.batch import folder
from tfzoo.batch.folder import detect_folder
from tfzoo.detector import Detector
from tfzoo.errors import ImageError, UsageError
from tfzoo.images.video import read_frames


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return tfzoo.load(standins.save_standard(tmp_path_factory.mktemp("m") / "model"), device="cpu")


def test_a_video_gives_a_row_a_frame_and_an_annotated_video(
    detector: Detector, tmp_path: Path
) -> None:
    summary = detect_folder(film(tmp_path / "clip.mp4"), detector, tmp_path / "out")
    assert (summary.images, summary.detections, summary.failed) == (FRAMES, FRAMES, 0)
    rows = pd.read_parquet(tmp_path / "out" / "parts" / "detections")
    assert list(rows.columns)[-2:] == ["frame", "timestamp_s"]
    assert list(rows["frame"]) == list(range(FRAMES))
    assert set(rows["file_name"]) == {"clip.mp4"}
    assert np.abs(rows["x0"] - 2 * rows["frame"]).max() < 3  # Compression blurs the edge.
    images = json.loads((tmp_path / "out" / "images.json").read_text())
    assert images[3] == {
        "image_id": 4, "file_name": "clip.mp4", "width": 128, "height": 96,
        "frame": 3, "timestamp_s": pytest.approx(0.3),
    }  # fmt: skip
    drawn = list(read_frames(str(tmp_path / "out" / "annotated" / "clip.mp4")))
    assert len(drawn) == FRAMES
    plain = list(read_frames(str(tmp_path / "clip.mp4")))
    differences = [
        np.abs(a.image.astype(int) - b.image).max() for a, b in zip(drawn, plain, strict=True)
    ]
    assert min(differences) > 100  # A box in another colour.


@pytest.mark.parametrize("stops", [[6], [10, 13, 20]])
def test_a_run_over_videos_and_images_goes_on_where_it_was_stopped(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: list[int]
) -> None:
    monkeypatch.setattr(folder, "PART_IMAGES", 8)
    cv2.imwrite(str(tmp_path / "a.png"), standins.paint(50, 60, dog=(5, 5, 30, 30))[:, :, ::-1])
    short = film(tmp_path / "short.mp4", 9)
    sources = [tmp_path / "a.png", short, film(tmp_path / "clip.mp4"), tmp_path / "a.png"]
    whole = detect_folder(sources, detector, tmp_path / "whole")
    assert whole.images == 1 + 9 + FRAMES + 1
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            detect_folder(
                sources, detector, tmp_path / "out", resume=True, on_progress=stop_after(stop)
            )
    assert detect_folder(sources, detector, tmp_path / "out", resume=True).resumed == stops[-1]
    for name in ("detections.json", "images.json", "detections.csv", "errors.jsonl"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "whole" / name).read_text()
    videos = sorted(path.name for path in (tmp_path / "out" / "annotated").rglob("*.mp4"))
    assert videos == ["clip.mp4", "short.mp4"]


def test_a_truncated_video_ends_with_what_was_readable(detector: Detector, tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.avi", 60, "MJPG").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    summary = detect_folder(tmp_path / "cut.avi", detector, tmp_path / "out")
    assert summary.failed == 1
    assert 20 < summary.images < 40
    (error,) = map(json.loads, (tmp_path / "out" / "errors.jsonl").read_text().splitlines())
    assert f"ends after {summary.images - 1} of the 60 frames it claims" in error["error"]
    drawn = list(read_frames(str(tmp_path / "out" / "annotated" / "cut.avi.mp4")))
    assert len(drawn) == summary.images - 1


@pytest.mark.parametrize("content", [b"", b"no video", b"\0" * 4000])
def test_what_is_no_video_is_an_error_of_its_own(
    detector: Detector, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(ImageError, match="not a video that can be read"):
        list(read_frames(str(tmp_path / "clip.mp4")))
    summary = detect_folder(tmp_path / "clip.mp4", detector, tmp_path / "out")
    assert (summary.images, summary.failed, summary.exit_code) == (1, 1, 3)


def test_a_video_has_no_ids_in_an_annotation_file(detector: Detector, tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": [{"id": 1, "file_name": "clip.mp4"}]}))
    with pytest.raises(UsageError, match="a video has no image ids"):
        clip = film(tmp_path / "clip.mp4", 2)
        detect_folder(clip, detector, tmp_path / "out", annotations=truth)


def test_masks_and_keypoints_are_drawn_from_the_rows(tmp_path: Path) -> None:
    for kind in ("mask_rcnn", "centernet_keypoints"):
        detector = tfzoo.load(standins.save(kind, tmp_path / kind), device="cpu")
        out = tmp_path / f"{kind}_out"
        detect_folder(film(tmp_path / "clip.mp4", 3), detector, out)
        drawn = list(read_frames(str(out / "annotated" / "clip.mp4")))
        assert len(drawn) == 3


def test_a_video_of_frames_at_any_times_is_whole_and_annotated_as_long(
    detector: Detector, tmp_path: Path
) -> None:
    times_ms = [0, 33, 66, 400, 433, 1433, 1466, 2466]
    path = matroska(tmp_path / "vfr.dat", times_ms, 2500)
    summary = detect_folder(path, detector, tmp_path / "out")
    assert (summary.images, summary.failed) == (len(times_ms), 0)
    rows = pd.read_parquet(tmp_path / "out" / "parts" / "images")
    assert list(rows["timestamp_s"]) == pytest.approx([t / 1000 for t in times_ms], abs=0.002)
    drawn = list(read_frames(str(tmp_path / "out" / "annotated" / "vfr.dat.mp4")))
    step = drawn[1].timestamp_s
    assert drawn[-1].timestamp_s + step == pytest.approx(2.5, abs=step)
    reds = [frame.image[40, :, 0].astype(int) - frame.image[40, :, 1] for frame in drawn]
    assert np.argmax(reds[-1] > 60) - np.argmax(reds[0] > 60) > 8  # The person walked on.
