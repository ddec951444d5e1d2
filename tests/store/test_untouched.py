"""A cached model is opened only as it was unpacked, as far as that is cheap to see."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.helpers.store_faults import make_archive, make_spec, trials
from tfzoo.store import cache, untouched
from tfzoo.store.cache import Entry
from tfzoo.store.fetch import add, unpack_local

ARCHIVE = make_archive(seed=3, size=50_000)
SPEC = make_spec(sha256=ARCHIVE.sha256)
GRAPH = "some_model/saved_model/saved_model.pb"
WEIGHTS = "some_model/saved_model/variables/variables.data-00000-of-00001"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    (tmp_path / "some_model.tar.gz").write_bytes(ARCHIVE.content)
    return add(SPEC, tmp_path / "some_model.tar.gz")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files whose bytes are read."""
    names: list[str] = []
    inner = untouched.file_digest

    def file_digest(path: Path) -> str:
        names.append(path.name)
        return inner(path)

    monkeypatch.setattr(untouched, "file_digest", file_digest)
    return names


def change(file: Path, place: int, *, keep_time: bool) -> None:
    """Another byte, the size and perhaps the time as before."""
    status = file.stat()
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= 1
    file.write_bytes(content)
    if keep_time:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_opening_reads_the_graph_alone(entry: Entry, read: list[str]) -> None:
    assert cache.find(SPEC) == entry
    assert read == ["saved_model.pb"]


def test_a_graph_of_other_bytes_is_not_opened_though_size_and_time_are_as_they_were(
    entry: Entry,
) -> None:
    whole = (entry.folder / "model" / GRAPH).read_bytes()
    for chance in trials("a graph changed in the cache"):
        change(entry.folder / "model" / GRAPH, chance.randrange(len(whole)), keep_time=True)
        assert cache.find(SPEC) is None
        (entry.folder / "model" / GRAPH).write_bytes(whole)
        assert cache.find(SPEC) == entry


def test_weights_of_other_bytes_are_not_opened(
    entry: Entry, caplog: pytest.LogCaptureFixture
) -> None:
    for chance in trials("weights changed in the cache"):
        place = chance.randrange(50_000)
        change(entry.folder / "model" / WEIGHTS, place, keep_time=False)
        assert cache.find(SPEC) is None
        assert f"model/{WEIGHTS} has changed since it was unpacked); not used" in caplog.text
        change(entry.folder / "model" / WEIGHTS, place, keep_time=False)
        assert cache.find(SPEC) == entry


def test_only_verifying_sees_weights_whose_size_and_time_are_as_they_were(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(entry.folder / "model" / WEIGHTS, 7, keep_time=True)
    assert cache.find(SPEC) == entry
    monkeypatch.setenv("TFZOO_VERIFY", "1")
    assert cache.find(SPEC) is None


def test_another_graph_beside_the_graph_is_not_opened(entry: Entry) -> None:
    for name in ("saved_model.cpb", "saved_model.pbtxt"):
        added = entry.path / name
        added.touch()
        assert cache.find(SPEC) is None
        added.unlink()
    (entry.path / ".DS_Store").touch()
    assert cache.find(SPEC) == entry


def test_a_copy_of_a_cache_is_read_whole_once_and_then_remembered(
    entry: Entry, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[str]
) -> None:
    shared = tmp_path / "shared"
    shutil.copytree(root, shared, copy_function=shutil.copyfile)  # Times are those of the copy.
    shutil.rmtree(root)
    monkeypatch.setenv("TFZOO_SHARED_CACHE", str(shared))
    before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}
    for times in range(3):
        found = cache.find(SPEC)
        assert found is not None and found.shared
        assert (len(read), read.count("saved_model.pb")) == (5 + times, 2 + times)
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before
    change(found.folder / "model" / WEIGHTS, 3, keep_time=False)
    assert cache.find(SPEC) is None


def test_a_damaged_shared_cache_does_not_keep_ones_own_from_being_used(
    entry: Entry, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root, tmp_path / "shared")
    monkeypatch.setenv("TFZOO_SHARED_CACHE", str(tmp_path / "shared"))
    change(
        tmp_path / "shared" / entry.folder.relative_to(root) / "model" / GRAPH, 9, keep_time=True
    )
    found = cache.find(SPEC)
    assert found is not None and found.folder == entry.folder


def test_a_record_of_old_has_no_times_and_its_files_are_read(entry: Entry, read: list[str]) -> None:
    record = entry.folder / "provenance.json"
    data = json.loads(record.read_text())
    del data["origins"]
    for file in data["files"].values():
        del file["time_ns"]
    record.write_text(json.dumps(data))
    found = cache.find(SPEC)
    assert found is not None and found.path == entry.path
    assert len(read) == 5
    change(entry.folder / "model" / WEIGHTS, 3, keep_time=False)
    assert cache.find(SPEC) is None


def test_an_archive_of_ones_own_is_unpacked_anew_where_it_was_changed(tmp_path: Path) -> None:
    file = tmp_path / "mine.tar.gz"
    file.write_bytes(ARCHIVE.content)
    digest = f"sha256:{ARCHIVE.sha256}"
    entry = unpack_local(file, digest)
    assert cache.find_local(file, digest) == entry
    change(entry.folder / "model" / GRAPH, 9, keep_time=True)
    assert cache.find_local(file, digest) is None
    assert unpack_local(file, digest).damages() == []
