"""Where nothing can be written: told of, and what was written stays valid."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.folders import everything, fill, parts_of, save, scene
from tests.helpers.paths import ROOT
from tfzoo.batch import folder
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.output import write_json
from tfzoo.detector import Detector
from tfzoo.errors import OutputError

DENIED = """
import sys
from pathlib import Path
from tfzoo.errors import OutputError
from tfzoo.batch.exports import WRITTEN
from tfzoo.batch.folder import detect_folder
try:
    Path(sys.argv[1], "probe").touch()
except OSError as error:
    print("denied:", error.strerror)
try:
    detect_folder(sys.argv[2], "anything", Path(sys.argv[1]) / "out")
except OutputError as error:
    print(error)
"""


def test_an_unwritable_output_folder_is_told_of(mounted: Path, tmp_path: Path) -> None:
    # Root may write into any folder, but on no disk that is mounted read-only.
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    image = save(tmp_path / "photo.png", scene(0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DENIED, str(mounted), str(image)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    denial, message = run.stdout.splitlines()
    assert denial == "denied: Read-only file system"
    assert message.endswith("can't be written: Read-only file system. Choose another with --out")


def test_a_full_disk_ends_the_run_and_leaves_what_was_written_valid(
    watched: Detector, tmp_path: Path, mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PART_IMAGES", 4)
    images = fill(tmp_path / "photos", 100)
    out = mounted / "out"
    with pytest.raises(OutputError, match=r"can't be written: No space left.*--resume"):
        detect_folder(images, watched, out, pictures=False)
    kept = sum(part.images for part in parts_of(out).sealed().values())
    assert 0 < kept < 100
    assert not list(out.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=20m", str(mounted)], check=True)
    assert detect_folder(images, watched, out, pictures=False, resume=True).resumed == kept
    detect_folder(images, watched, tmp_path / "whole", pictures=False)
    assert everything(out) == everything(tmp_path / "whole")


def test_a_disk_that_is_full_at_the_end_leaves_the_parts(
    watched: Detector, tmp_path: Path, mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = fill(tmp_path / "photos", 10)
    detect_folder(images, watched, tmp_path / "whole", pictures=False)
    filler = mounted / "filler"
    export = folder.export

    def export_to_a_full_disk(*arguments: Any) -> Any:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"0" * 4096)
        return export(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(folder, "export", export_to_a_full_disk)
        with pytest.raises(OutputError, match="can't be written: No space left"):
            detect_folder(images, watched, mounted / "out", pictures=False)
    assert not list(mounted.rglob("*.tmp"))
    filler.unlink()
    resumed = detect_folder(images, watched, mounted / "out", pictures=False, resume=True).resumed
    assert resumed == 10
    assert everything(mounted / "out") == everything(tmp_path / "whole")


def test_an_output_folder_that_is_a_file_is_told_of(standard: Detector, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        detect_folder(fill(tmp_path / "photos", 1), standard, tmp_path / "out")


def test_a_json_file_can_be_read_by_people_too(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"name": "Zürich", "images": 2})
    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    assert text == '{\n  "name": "Zürich",\n  "images": 2\n}'
