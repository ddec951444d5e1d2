"""Models that lie on this disk: a SavedModel folder, a file of one kind or another, an archive."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tfzoo import records, settings
from tfzoo.errors import ArchiveError
from tfzoo.files import write_whole
from tfzoo.store.digests import file_digest, tree_digest
from tfzoo.store.frozen_graphs import FROZEN_GRAPH
from tfzoo.store.provenance import FileRecord

_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")

# A folder is searched so deep and so wide, and no farther: it may be anybody's home.
_DEPTH = 6
_FOLDERS = 2_000


def find_model(folder: Path) -> Path | None:
    """The SavedModel in a folder, wherever it lies, else TensorFlow 1's frozen graph.

    Of several the one nearest to the folder, itself first.

    Returns:
        The SavedModel's folder, or the frozen graph's file.

    Raises:
        ArchiveError: Several lie equally near.
    """
    if found := _find(folder, "saved_model.pb"):
        return found
    found = _find(folder, FROZEN_GRAPH)
    return found and found / FROZEN_GRAPH


def _find(folder: Path, name: str) -> Path | None:
    """The folder nearest to one that holds a file of a name."""
    level = [folder]
    for _ in range(_DEPTH):
        found = [path for path in level if (path / name).is_file()]
        # As the exporter calls it, beside what else may hold a file of this name.
        found = [path for path in found if path.name == "saved_model"] or found
        if len(found) > 1:
            listed = ", ".join(str(path) for path in found)
            raise ArchiveError(f"{folder} holds several models; name one of them: {listed}")
        if found:
            return found[0]
        level = [child for path in level for child in _folders_in(path)][:_FOLDERS]
    return None


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:  # Not ours to read.
        return []


def absolute(path: Path) -> Path:
    """A path from the root; links stay links, but where `..` would leave one by the wrong door."""
    return path.resolve() if ".." in path.parts else path.absolute()


def identity(model: Path) -> str:
    """What names a model of the user's own: one path, however it was written.

    Args:
        model: The folder, archive or file. Of a folder called `saved_model`, as exports are, the
            name is that of the folder which holds it.
    """
    whole = model.resolve()
    return str(whole.parent if whole.name == "saved_model" else whole)


def is_archive(path: Path) -> bool:
    """Whether a file's name says that it is an archive."""
    return path.name.casefold().endswith(_ARCHIVES)


def digest_of(path: Path) -> str:
    """`sha256:` and the digest of a file, or of a folder's names and contents.

    It is taken again only when a size or time of modification has changed. Links count as what
    they lead to: caches of other tools are full of them.
    """
    return remembered(path, _stamp(path), lambda: _digest(path))


def digests_still_there() -> set[str]:
    """The digests of models by path that this machine had and that lie there as they were."""
    found = set()
    for memory in (settings.cache_folder() / "digests" / "paths").glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(memory.read_text(encoding="utf-8"))
            if known["stamp"] == _stamp(Path(known["path"])):
                found.add(str(known["digest"]))
    return found


def _stamp(path: Path) -> list[list[Any]]:
    """Names, sizes and times of modification of a model's files."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    stamp: list[list[Any]] = []
    for file in files:
        status = file.stat()
        name = file.relative_to(path).as_posix()
        stamp.append([name, status.st_size, status.st_mtime_ns])
    return stamp


def _digest(path: Path) -> str:
    if path.is_file():
        return f"sha256:{file_digest(path)}"
    files = (file for file in path.rglob("*") if file.is_file())
    records = {
        file.relative_to(path).as_posix(): FileRecord(file.stat().st_size, file_digest(file))
        for file in files
    }
    return f"sha256:{tree_digest(records)}"


def remembered(path: Path, stamp: list[Any], compute: Callable[[], str]) -> str:
    """A digest from the cache's memory, or computed and put there.

    Args:
        path: What it is of.
        stamp: JSON values that change whenever it may have changed.
        compute: Takes it.
    """
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]
    memory = settings.cache_folder() / "digests" / "paths" / f"{name}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = records.parsed(memory.read_bytes())
        if known["stamp"] == stamp:
            return str(known["digest"])
    digest = compute()
    # A cache that can't be written forgets; that costs time only.
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_whole(memory, json.dumps({"path": str(path), "stamp": stamp, "digest": digest}))
    return digest
