"""A file appears under its name only when it is whole."""

import os
import stat
from pathlib import Path

import pytest

from tfzoo.files import has_mark, hidden_name, remove_leftovers, whole_file, write_whole


def test_a_file_is_there_when_it_is_whole_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("before")
    with whole_file(path) as file:
        file.write(b"half")
        file.flush()
        assert path.read_text() == "before"
        file.write(b" and half")
    assert path.read_text() == "half and half"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [OSError, ValueError, KeyboardInterrupt])
def test_what_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("before")
    with pytest.raises(failure), whole_file(path) as file:
        file.write(b"half")
        raise failure
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_is_told_as_it_was_where_the_half_is_gone_already(tmp_path: Path) -> None:
    with pytest.raises(KeyError), whole_file(tmp_path / "file.txt") as file:
        Path(file.name).unlink()  # As another process that tidies up would.
        raise KeyError


def test_a_folder_that_is_not_there_is_an_error_of_the_systems_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "file.txt", b"")


def test_texts_are_utf8_and_end_lines_as_they_are(tmp_path: Path) -> None:
    write_whole(tmp_path / "text", "fußgänger\r\n", sync=True)
    assert (tmp_path / "text").read_bytes() == "fußgänger\r\n".encode()
    write_whole(tmp_path / "bytes", b"\xff")
    assert (tmp_path / "bytes").read_bytes() == b"\xff"


def test_a_file_can_be_read_by_whom_the_user_lets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_it_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    synced = []
    inner = os.fsync

    def fsync(descriptor: int) -> None:
        inner(descriptor)
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(path, b"content", sync=True)
    assert synced == [(False, False), (True, True)]
    write_whole(path, b"content")
    assert len(synced) == 2


def test_leftovers_of_killed_processes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a.json") as file:
        left = Path(file.name)
        content = left.read_bytes()
        raise KeyboardInterrupt
    left.write_bytes(content)  # As a kill would leave it.
    kept = {tmp_path / name for name in ("a.tmp", ".a.json", ".a.tmp.json")}
    for path in kept:
        path.touch()
    remove_leftovers(tmp_path)
    assert set(tmp_path.iterdir()) == kept


def test_leftovers_go_by_their_mark_and_what_others_call_so_stays(tmp_path: Path) -> None:
    mine = [hidden_name(tmp_path / name, "ab.c-", end) for name, end in (("a", ""), ("b", ".mp4"))]
    others = [
        hidden_name(tmp_path / "a"),
        hidden_name(tmp_path / "a", "abxc-"),
        *(tmp_path / name for name in (".tmp", ".a.tmp", ".ab.c-.tmp", "a.ab.c-0123456789ab.tmp")),
    ]
    for path in (*mine, *others):
        path.touch()
    remove_leftovers(tmp_path, "ab.c-")
    assert set(tmp_path.iterdir()) == set(others)
    remove_leftovers(tmp_path / "gone", "ab.c-")
    remove_leftovers(others[0], "ab.c-")


@pytest.mark.parametrize("name", ["a" * 250 + ".png", "\u4e2d" * 80 + ".png"])
def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, b"content", mark="0123456789ab-")
    assert (tmp_path / name).read_bytes() == b"content"


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_only_what_is_ours_is_replaced_where_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def link(*given: object) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr(os, "link", link)
    path = tmp_path / "file.txt"
    for ours, content in ((False, b"first"), (True, b"second")):
        with whole_file(path, ours=lambda path, ours=ours: ours) as file:  # type: ignore[misc]
            file.write(content)
        assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileExistsError), whole_file(path, ours=lambda path: False) as file:
        file.write(b"third")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_what_appears_at_the_last_moment_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    inner = os.path.lexists

    def lexists(given: Path) -> bool:
        there = inner(given)
        path.write_text("somebody's")
        return there

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os.path, "lexists", lexists)
        with pytest.raises(FileExistsError), whole_file(path, ours=lambda path: True) as file:
            file.write(b"mine")
    assert path.read_text() == "somebody's"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_whole_is_told_of_before_it_has_its_name(tmp_path: Path) -> None:
    path, told = tmp_path / "file.txt", []
    with whole_file(
        path, when_whole=lambda hidden: told.append((hidden.read_bytes(), path.exists()))
    ) as file:
        file.write(b"content")
    assert told == [(b"content", False)]


def test_a_file_of_ours_is_known_by_its_mark_near_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert not has_mark(path, b"mark")
    path.write_bytes(b"<head>mark</head>")
    assert has_mark(path, b"mark") and not has_mark(path, b"other")
    path.write_bytes(b" " * 2000 + b"mark")
    assert not has_mark(path, b"mark")
    assert not has_mark(tmp_path, b"mark")
