"""Whether a cached model is what was unpacked: as far as is cheap, each time it is opened.

Its graph, which is a program, is read and compared by digest. Of the other files the sizes are
compared and the times at which they were written; where these differ, as in a copy of a cache, all
bytes are read once, and what was found is remembered.
"""

from __future__ import annotations

from pathlib import Path

from tfzoo import settings
from tfzoo.store.digests import file_digest, tree_digest
from tfzoo.store.local import remembered
from tfzoo.store.provenance import FileRecord, Provenance


def fault_of(folder: Path, record: Provenance) -> str | None:
    """What shows that a model is not what was unpacked, or None.

    Args:
        folder: The published version's; every file is there in its size.
        record: What is known of it.
    """
    try:
        return _another_graph(folder, record) or _fault(folder, record)
    except OSError as error:
        return f"{error.filename} can't be read: {error.strerror}"


def _another_graph(folder: Path, record: Provenance) -> str | None:
    """A file that was not unpacked, and that TensorFlow may open in the graph's place."""
    known = {folder / path for path in record.files}
    there = (folder / record.model).glob("saved_model.*")
    added = next((path for path in there if path not in known), None)
    return f"{added.name} was not there when it was unpacked" if added else None


def _fault(folder: Path, record: Provenance) -> str | None:
    if settings.verifies_all():
        return _changed(folder, record, list(record.files))
    graph = f"{record.model}/saved_model.pb"
    if graph in record.files and (changed := _changed(folder, record, [graph])):
        return changed
    times = {path: (folder / path).stat().st_mtime_ns for path in record.files}
    if all(times[path] == known.time_ns for path, known in record.files.items()):
        return None
    stamp = [[path, known.bytes, times[path]] for path, known in record.files.items()]
    digest = remembered(folder, stamp, lambda: _digest(folder, record))
    if digest == tree_digest(record.files):
        return None
    return _changed(folder, record, list(record.files))


def _changed(folder: Path, record: Provenance, paths: list[str]) -> str | None:
    """The first of some files that has other bytes than were unpacked."""
    differing = (path for path in paths if file_digest(folder / path) != record.files[path].sha256)
    path = next(differing, None)
    return f"{path} has changed since it was unpacked" if path else None


def _digest(folder: Path, record: Provenance) -> str:
    return tree_digest(
        {
            path: FileRecord(known.bytes, file_digest(folder / path))
            for path, known in record.files.items()
        }
    )
