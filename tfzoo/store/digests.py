"""Digests of files and folders, and how one names a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tfzoo.store.provenance import FileRecord

_SHORT = 12


def short(digest: str) -> str:
    """The first twelve characters of a digest, which name a folder."""
    return digest.removeprefix("sha256:")[:_SHORT]


def file_digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digest(files: dict[str, FileRecord]) -> str:
    """sha256 over the names and contents of files, in hexadecimal.

    It is the digest of what `sha256sum` prints for them, in the order of their paths.

    Args:
        files: Records by relative path, with slashes.
    """
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{files[path].sha256}  {path}\n".encode())
    return digest.hexdigest()
