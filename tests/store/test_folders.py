"""Sizes of folders, and which leftovers of dead processes are swept away."""

import atexit
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tfzoo.store import folders
from tfzoo.store.folders import publish, size_of, sweep


def test_a_size_is_that_of_all_files_and_what_vanished_counts_nothing(tmp_path: Path) -> None:
    assert size_of(tmp_path) == 0
    # The files of a folder come before those of the folders in it.
    (tmp_path / "vanished").symlink_to("nowhere")
    (tmp_path / "in it").mkdir()
    (tmp_path / "in it" / "three").write_bytes(b"123")
    (tmp_path / "in it" / ".four").write_bytes(b"1234")
    assert size_of(tmp_path) == 7


def left_behind(folder: Path, dated: float) -> Path:
    folder.mkdir()
    (folder / "file").write_bytes(b"12345")
    os.utime(folder, (dated, dated))
    return folder


def test_under_a_lock_all_that_is_half_done_goes_whatever_its_date(tmp_path: Path) -> None:
    # A clock may have been set back since.
    left = [left_behind(tmp_path / f".{n}.tmp", time.time() + 3600 * n) for n in (-1, 0, 1)]
    whole = left_behind(tmp_path / "whole", 0)
    assert sweep(tmp_path) == 15
    assert not any(folder.exists() for folder in left)
    assert whole.exists()


def test_without_a_lock_only_what_is_old_enough_goes(tmp_path: Path) -> None:
    old = left_behind(tmp_path / ".old.tmp", time.time() - 3700)
    young = left_behind(tmp_path / ".young.tmp", time.time() - 3500)
    assert sweep(tmp_path, older_than_s=3600) == 5
    assert not old.exists() and young.exists()


def test_only_what_was_to_become_one_folder_goes(tmp_path: Path) -> None:
    mine = left_behind(tmp_path / ".mine-1.tmp", 0)
    other = left_behind(tmp_path / ".other-1.tmp", 0)
    assert sweep(tmp_path, of="mine") == 5
    assert not mine.exists() and other.exists()


def test_only_what_one_process_left_goes(tmp_path: Path) -> None:
    mine = left_behind(tmp_path / ".form-12-abcd.tmp", 0)
    other = left_behind(tmp_path / ".form-123-abcd.tmp", 0)
    assert sweep(tmp_path, by=12) == 5
    assert not mine.exists() and other.exists()


def test_what_is_built_goes_with_a_process_that_is_told_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_end: list[Any] = []

    def build(folder: Path) -> None:
        (folder / "half").touch()
        for what in at_the_end:
            what()
        assert list(tmp_path.iterdir()) == []
        folder.mkdir()

    monkeypatch.setattr(atexit, "register", at_the_end.append)
    monkeypatch.setattr(atexit, "unregister", at_the_end.remove)
    publish(tmp_path / "whole", build)
    assert at_the_end == [] and (tmp_path / "whole").is_dir()


class LibraryError(Exception):
    """What a library raises that knows no OSError."""


@pytest.mark.parametrize("failure", [LibraryError("RESOURCE_EXHAUSTED: No space left on device"),
                                     LibraryError("could not write"), None])  # fmt: skip
def test_a_full_disk_is_one_whatever_the_library_that_writes_makes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    def build(folder: Path) -> None:
        (folder / "cut off").touch()
        if failure is not None:
            raise failure

    told = failure is not None and "No space" in str(failure)
    monkeypatch.setattr(folders, "_free", lambda folder: 10_000 if told or failure else 4095)
    with pytest.raises(OSError, match="No space left"):
        publish(tmp_path / "whole", build, room=0 if told else 10_001)
    assert list(tmp_path.iterdir()) == []


def test_another_failure_stays_what_it_is(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        raise LibraryError("no such operation")

    with pytest.raises(LibraryError):
        publish(tmp_path / "whole", build)
