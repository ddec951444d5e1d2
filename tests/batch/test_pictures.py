"""Annotated pictures of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.helpers.folders import save, scene
from tests.helpers.paths import ROOT
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.pictures import pace, write_picture
from tfzoo.detector import Detector
from tfzoo.images.video import VideoInfo


def test_two_files_of_one_name_both_survive(standard: Detector, tmp_path: Path) -> None:
    save(tmp_path / "photos" / "a" / "x.png", scene(1))
    save(tmp_path / "photos" / "b" / "x.png", scene(2))
    detect_folder(tmp_path / "photos", standard, tmp_path / "one", recursive=True)
    names = ["a/x.png", "b/x.png"]
    images = json.loads((tmp_path / "one" / "images.json").read_text())
    assert [image["file_name"] for image in images] == names
    assert all((tmp_path / "one" / "annotated" / name).exists() for name in names)
    both = [tmp_path / "photos" / "a", tmp_path / "photos" / "b" / "x.png"]
    summary = detect_folder(both, standard, tmp_path / "two")
    assert len(list((tmp_path / "two" / "annotated").rglob("x.png"))) == summary.images == 2


@pytest.mark.parametrize(
    ("times_s", "claims", "frames_per_s", "lasts_s"),
    [
        ([0, 0.033, 0.067, 0.1], (4, 30), 30, 4 / 30),  # Rounded stamps of a constant rate.
        ([0, 2, 4, 6], (4, 0.62), 1 / 0.45, 6.45),  # All as far apart, but for the last.
        ([0, 2, 4, 6], (0, 0), 0.5, 8),
        ([0, 0.1, 0.2, 0.3], (4, 90), 10, 0.4),  # The stamps know better than the file.
        ([0, 0.04, 0.08, 1], (26, 25), 25, 1.04),
        ([0, 0.04, 0.08, 1, 1.04], (0, 0), 25, 1.08),
        ([0, 0.04, 0.08, 1], (500, 25), 25, 1.04),  # Cut: as long as what is there.
        ([0, 0.001, 0.002, 1], (0, 0), 60, 1.001),
        ([5, 5.04, 6, 5.9], (0, 0), 25, 1.04),  # Late from the start, and once back in time.
        ([0], (1, 12), 12, 1 / 12),
    ],
)  # fmt: skip
def test_pictures_keep_their_times(
    times_s: list[float], claims: tuple[int, float], frames_per_s: float, lasts_s: float
) -> None:
    found = pace(times_s, VideoInfo(*claims))
    assert found.frames_per_s == pytest.approx(frames_per_s, rel=0.02)
    begins = np.append(0, np.cumsum(found.shown)) / found.frames_per_s
    half = 0.51 / found.frames_per_s
    assert begins[-1] == pytest.approx(lasts_s, abs=half)
    late = np.maximum.accumulate(times_s) - times_s[0] - begins[:-1]
    assert np.abs(late).max() < half


def test_without_stamps_every_picture_is_a_frame() -> None:
    found = pace([0, 0, 0], VideoInfo(0, 0))
    assert (found.frames_per_s, found.shown.tolist()) == (25, [1, 1, 1])


@pytest.mark.parametrize(
    ("name", "side", "written"),
    [
        ("wide.jpg", 65_500, "wide.jpg"),
        ("wide.jpg", 65_501, "wide.jpg.png"),
        ("wide.JPEG", 70_000, "wide.JPEG.png"),
        ("wide.webp", 16_383, "wide.webp"),
        ("wide.webp", 16_384, "wide.webp.png"),
        ("wide.png", 70_000, "wide.png"),
    ],
)
def test_a_picture_too_long_for_its_format_is_a_png(
    name: str, side: int, written: str, tmp_path: Path
) -> None:
    for number, shape in enumerate([(2, side, 3), (side, 2, 3)]):
        folder = tmp_path / str(number)
        write_picture(folder / name, np.full(shape, 200, np.uint8))
        assert [path.name for path in folder.iterdir()] == [written]
        picture = cv2.imread(str(folder / written), cv2.IMREAD_UNCHANGED)
        assert picture is not None and picture.shape == shape


def test_a_picture_whose_name_can_t_be_is_its_own_fault_alone(tmp_path: Path) -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    (tmp_path / "file").touch()
    for name in ("x" * 300 + ".png", "file/x.png"):
        with pytest.raises(OSError):
            write_picture(tmp_path / name, picture)
    deep = tmp_path.joinpath(*["d"] * 1100)
    try:
        write_picture(deep / "x.png", picture)
        assert (deep / "x.png").is_file()
    finally:
        (deep / "x.png").unlink(missing_ok=True)
        for folder in (deep, *deep.parents[:1099]):  # Too many for what removes folders with all.
            folder.rmdir()


def test_a_picture_may_have_a_name_that_the_locale_has_no_letters_for(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys, numpy as np\n"
        "from tfzoo.batch.names import earlier_picture, naming, on_disk\n"
        "from tfzoo.batch.pictures import write_picture\n"
        "name = os.fsdecode(b'gr\\xc3\\xb6\\xc3\\x9fe.png')\n"
        "with naming(('/photos', ''), pathlib.Path(sys.argv[1])) as namer:\n"
        "    picture, _ = namer.of('/photos/' + name)\n"
        "assert picture == earlier_picture(name)\n"
        "path = pathlib.Path(sys.argv[1], on_disk(picture))\n"
        "write_picture(path, np.zeros((4, 4, 3), np.uint8))\n"
    )
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **locale}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=environment)
    assert [path.name for path in tmp_path.iterdir()] == ["größe.png"]
