"""The cache: models that are whole and verified, or not there.

    <cache>/models/<id>/<digest12>/provenance.json   the record of a published model (a key of its
                                                     sources follows where two manifests' models of
                                                     one id are the same bytes)
    <cache>/models/<id>/<digest12>/model/...         what was in its archive
    <cache>/local/<stem>/<digest12>/...              the same, for archives that no manifest lists
    <cache>/prepared/<id>/<digest12>-<key>/...       derived data (see derived.py)
    <cache>/downloads/<id>/                          unfinished downloads, to be resumed
    <cache>/digests/...                              digests recorded on this machine
    <cache>/locks/...                                one lock a model

Folders get their names when they are whole (see folders.py).
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tfzoo import settings
from tfzoo.errors import StoreError
from tfzoo.outside import keyed
from tfzoo.store import provenance
from tfzoo.store.digests import file_digest, short
from tfzoo.store.folders import files_in, folders_in
from tfzoo.store.provenance import Provenance, origins_of
from tfzoo.store.untouched import fault_of
from tfzoo.zoo.schema import ModelSpec

_log = logging.getLogger("tfzoo.store")

#: What vouches for a model that nothing vouches for.
NOTHING = "nothing"


@dataclass(frozen=True)
class Entry:
    """A published model.

    Attributes:
        folder: Its folder in a cache.
        provenance: Where it came from and what vouches for it.
    """

    folder: Path
    provenance: Provenance

    @property
    def path(self) -> Path:
        """The SavedModel folder or .onnx file."""
        return self.folder / self.provenance.model

    @property
    def bytes(self) -> int:
        """Size of its files."""
        return sum(record.bytes for record in self.provenance.files.values())

    @property
    def shared(self) -> bool:
        """Whether it lies in a cache that is only read."""
        return not self.folder.is_relative_to(settings.cache_folder())

    @cached_property
    def last_used(self) -> str:
        """When it was last opened, UTC, ISO 8601."""
        seconds = (self.folder / provenance.FILE_NAME).stat().st_mtime
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")

    @property
    def vouchers(self) -> str:
        """What vouches for it, as a person reads it."""
        return "; ".join(self.provenance.vouched_by) or NOTHING

    def as_dict(self) -> dict[str, Any]:
        """What `tfzoo cache list --json` and `tfzoo info --json` print."""
        record = self.provenance
        return {
            "id": record.id,
            "path": str(self.path),
            "bytes": self.bytes,
            "digest": record.digest,
            "source": record.source,
            "vouched_by": list(record.vouched_by),
            "date": record.date,
            "last_used": self.last_used,
            "shared": self.shared,
        }

    def is_complete(self) -> bool:
        """Whether every file is there in its size."""
        try:
            return all(
                (self.folder / path).stat().st_size == record.bytes
                for path, record in self.provenance.files.items()
            )
        except OSError:
            return False

    def damages(self) -> list[str]:
        """What differs from the record, by reading every byte; empty where all is well."""
        found = []
        for path, record in self.provenance.files.items():
            try:
                digest = file_digest(self.folder / path)
            except OSError as error:
                found.append(f"{path}: {error.strerror}")
                continue
            if digest != record.sha256:
                found.append(f"{path}: sha256 is {digest}, was {record.sha256} when unpacked")
        present = {path.relative_to(self.folder).as_posix() for path in files_in(self.folder)}
        extra = sorted(present - set(self.provenance.files) - {provenance.FILE_NAME})
        return found + [f"{path}: was not there when unpacked" for path in extra]

    def mark_used(self) -> None:
        """Notes that it was opened now; a cache that can't be written stays as it is."""
        if not self.shared:
            with suppress(OSError):
                os.utime(self.folder / provenance.FILE_NAME)


def model_folder(root: Path, model_id: str) -> Path:
    """Where a cache keeps the versions of one of the manifest's models."""
    return root / "models" / model_id


def local_folder(root: Path, archive: Path) -> Path:
    """Where a cache keeps archives of this name that no manifest lists."""
    stem = re.sub(r"(\.tar)?\.\w+$", "", archive.name)
    return root / "local" / (re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._") or "archive")


def entry(folder: Path) -> Entry | None:
    """The published version in a folder, or None."""
    record = provenance.read(folder)
    return None if record is None else Entry(folder, record)


def opened(folder: Path) -> Entry:
    """The version that was just published in a folder."""
    found = entry(folder)
    if found is None:
        raise StoreError(f"{folder} vanished while it was published; fetch the model again")
    return found


def entries_in(folder: Path) -> list[Entry]:
    """The published versions in one model's folder, the newest first."""
    try:
        children = [child for child in folder.iterdir() if not child.name.startswith(".")]
    except OSError:
        return []
    found = [version for child in children if (version := entry(child)) is not None]
    return sorted(found, key=lambda version: version.provenance.date, reverse=True)


def all_entries() -> list[Entry]:
    """Every model of every cache, the shared ones first, by id."""
    found: list[Entry] = []
    for root in (*settings.shared_caches(), settings.cache_folder()):
        for kind in ("models", "local"):
            for folder in folders_in(root / kind):
                found += entries_in(folder)
    return found


def find(spec: ModelSpec) -> Entry | None:
    """A cached version of a model that is as it was unpacked, the shared caches searched first.

    Where the manifest states a digest only that version counts, otherwise the newest that came
    from where the manifest says: another manifest may have another model of the same id.
    """
    for root in (*settings.shared_caches(), settings.cache_folder()):
        fitting = (v for v in entries_in(model_folder(root, spec.id)) if _is_of(v, spec))
        if (version := next(fitting, None)) is not None and _sound(version):
            return version
    return None


def _is_of(version: Entry, spec: ModelSpec) -> bool:
    record = version.provenance
    if spec.sha256 is not None:
        return record.digest == f"sha256:{spec.sha256}"
    if record.origins:
        return not set(record.origins).isdisjoint(origins_of(spec))
    # Records of old do not say what the manifest said; a mirror has the path of an address.
    urls = [keyed(source.url) for source in spec.sources]
    tails = (*(url.partition("://")[2].partition("/")[2] or url for url in urls), spec.archive)
    came = record.source in urls or record.source.endswith(tuple(f"/{tail}" for tail in tails))
    return came or record.kind == "added"


def _sound(version: Entry) -> bool:
    fault: str | None = "files are missing or cut"
    if version.is_complete():
        fault = fault_of(version.folder, version.provenance)
    if fault is not None:
        _log.warning("%s is damaged (%s); not used", version.folder, fault)
    return fault is None


def place_of(root: Path, spec: ModelSpec, digest: str) -> Path:
    """Where a version of a model belongs in a cache: in a folder that no other manifest's has."""
    place = model_folder(root, spec.id) / short(digest)
    there = entry(place)
    if there is None or _is_of(there, spec):
        return place
    key = hashlib.sha256("\n".join(origins_of(spec)).encode()).hexdigest()
    return place.with_name(f"{place.name}-{short(key)}")


def find_local(archive: Path, digest: str) -> Entry | None:
    """The cached content of an archive that no manifest lists.

    Args:
        archive: The archive, for its name.
        digest: Its `sha256:...`.
    """
    for root in (*settings.shared_caches(), settings.cache_folder()):
        version = entry(local_folder(root, archive) / short(digest))
        if version and version.provenance.digest == digest and _sound(version):
            return version
    return None


@contextmanager
def lock(
    name: str, waiting: Callable[[], None] | None = None, timeout_s: float = -1
) -> Iterator[None]:
    """Holds a lock of the cache against every other process (and thread).

    The system frees the lock of a process that dies, whatever its file looks like.

    Args:
        name: Which lock.
        waiting: Is called once if another process has the lock.
        timeout_s: Raises TimeoutError after so long; never, if negative.
    """
    from filelock import FileLock, Timeout

    folder = settings.cache_folder() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.lock"
    # filelock would wait for a lock file it may not create; say so at once instead.
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    held = FileLock(path, thread_local=False)
    try:
        held.acquire(timeout=0.5 if timeout_s < 0 else timeout_s)
    except Timeout:
        if timeout_s >= 0:
            raise
        if waiting is not None:
            waiting()
        held.acquire(poll_interval=0.1)
    try:
        yield
    finally:
        held.release()


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turns the errors of a disk that is full or can't be written into ours."""
    try:
        yield
    except OSError as error:
        what = f": {error.filename}" if error.filename else ""
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreError(
                f"the disk of the cache {root} is full{what}. Free some space (tfzoo cache list, "
                f"tfzoo cache prune) or move the cache with {settings.CACHE_VARIABLE}; nothing "
                "that was cached has changed"
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise StoreError(
                f"the cache {root} can't be written ({error.strerror}{what}). Name a folder of "
                f"your own with {settings.CACHE_VARIABLE}; a cache that is only read goes into "
                f"{settings.SHARED_CACHE_VARIABLE}"
            ) from error
        raise StoreError(
            f"the cache {root} failed ({error.strerror or error}{what}). Check the disk, or move "
            f"the cache with {settings.CACHE_VARIABLE}"
        ) from error
