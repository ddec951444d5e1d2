"""Models that lie on this disk: a SavedModel folder, an .onnx file, an archive."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tfzoo import settings
from tfzoo.errors import ArchiveError
from tfzoo.files import write_whole
from tfzoo.store.digests import file_digest, tree_digest

_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")


def find_saved_model(folder: Path) -> Path | None:
    """The SavedModel in a folder: itself, `saved_model/` in it, or one level further below.

    Raises:
        ArchiveError: Several lie equally near.
    """
    for pattern in (
        "saved_model.pb",
        "saved_model/saved_model.pb",
        "*/saved_model.pb",
        "*/saved_model/saved_model.pb",
    ):
        found = sorted(path.parent for path in folder.glob(pattern) if path.is_file())
        if len(found) > 1:
            listed = ", ".join(str(path) for path in found)
            raise ArchiveError(f"{folder} holds several models; name one of them: {listed}")
        if found:
            return found[0]
    return None


def is_archive(path: Path) -> bool:
    """Whether a file's name says that it is an archive."""
    return path.name.casefold().endswith(_ARCHIVES)


def digest_of(path: Path) -> str:
    """`sha256:` and the digest of a file, or of a folder's names and contents.

    It is taken again only when a size or time of modification has changed.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    stamp = []
    for file in files:
        status = file.stat()
        name = file.relative_to(path).as_posix()
        stamp.append([name, status.st_size, status.st_mtime_ns])
    return _remembered(path, stamp, lambda: _digest(path))


def _digest(path: Path) -> str:
    if path.is_file():
        return f"sha256:{file_digest(path)}"
    from tfzoo.store.archive import records

    return f"sha256:{tree_digest(records(path))}"


def _remembered(path: Path, stamp: list[Any], compute: Callable[[], str]) -> str:
    """A digest from the cache's memory, or computed and put there."""
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:24]
    memory = settings.cache_folder() / "digests" / "paths" / f"{name}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(memory.read_text(encoding="utf-8"))
        if known["stamp"] == stamp:
            return str(known["digest"])
    digest = compute()
    # A cache that can't be written forgets; that costs time only.
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_whole(memory, json.dumps({"path": str(path), "stamp": stamp, "digest": digest}))
    return digest
