"""The cache: models that are whole and verified, or not there.

    <cache>/models/<id>/<digest12>/provenance.json   the record of a published model
    <cache>/models/<id>/<digest12>/model/...         what was in its archive
    <cache>/local/<stem>/<digest12>/...              the same, for archives that no manifest lists
    <cache>/prepared/<id>/<digest12>-<key>/...       derived data (see `derived`)
    <cache>/downloads/<id>/                          unfinished downloads, to be resumed
    <cache>/digests/...                              digests recorded on this machine
    <cache>/locks/...                                one lock a model

A folder is filled under a temporary name, flushed to the disk and renamed to its own: whoever
looks, under no lock, sees the whole of it or nothing.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tfzoo import settings
from tfzoo.errors import StoreError
from tfzoo.store import provenance, verify
from tfzoo.store.provenance import FileRecord, Provenance
from tfzoo.zoo.schema import ModelSpec

_log = logging.getLogger("tfzoo.store")
_SHORT = 12
_BLOCK = 1 << 20


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
        """Whether every file is there in its size; quick, for each opening."""
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
        present = {path.relative_to(self.folder).as_posix() for path in _files(self.folder)}
        extra = sorted(present - set(self.provenance.files) - {provenance.FILE_NAME})
        return found + [f"{path}: was not there when unpacked" for path in extra]

    def mark_used(self) -> None:
        """Notes that it was opened now; a cache that can't be written stays as it is."""
        if not self.shared:
            with suppress(OSError):
                os.utime(self.folder / provenance.FILE_NAME)


def short(digest: str) -> str:
    """The first twelve characters of a digest, which name a folder."""
    return digest.removeprefix("sha256:")[:_SHORT]


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
            for folder in _folders(root / kind):
                found += entries_in(folder)
    return found


def find(spec: ModelSpec) -> Entry | None:
    """A whole cached version of a model, the shared caches searched first.

    Where the manifest states a digest only that version counts, otherwise the newest.
    """
    for root in (*settings.shared_caches(), settings.cache_folder()):
        for version in entries_in(model_folder(root, spec.id)):
            if spec.sha256 is not None and version.provenance.digest != f"sha256:{spec.sha256}":
                continue
            if version.is_complete():
                return version
            _log.warning("%s is damaged (files are missing or cut); not used", version.folder)
    return None


def find_local(archive: Path, digest: str) -> Entry | None:
    """The cached content of an archive that no manifest lists.

    Args:
        archive: The archive, for its name.
        digest: Its `sha256:...`.
    """
    for root in (*settings.shared_caches(), settings.cache_folder()):
        version = entry(local_folder(root, archive) / short(digest))
        if version and version.provenance.digest == digest and version.is_complete():
            return version
    return None


def publish(folder: Path, build: Callable[[Path], None]) -> Path:
    """Fills a folder under a temporary name beside its own and renames it, whole.

    Call it under the folder's lock. A damaged folder of that name is replaced; if `build` fails,
    nothing has changed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(folder)
    try:
        temporary.mkdir()
        build(temporary)
        _flush(temporary)
        if folder.exists():
            discard(folder)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush_folder(folder.parent)
    return folder


def derived(
    model_id: str,
    digest: str,
    key: str,
    build: Callable[[Path], None],
    version: str = "",
    sound: Callable[[Path], bool] = Path.is_dir,
) -> Path:
    """A folder of data derived from a model, built once and kept beside it.

    Args:
        model_id: The model's id (any text).
        digest: Digest of the model it is derived from.
        key: What it is, and how it was made: converter, its version, its settings.
        build: Fills the folder it is given; runs in one process at a time, and only where no
            cache has the folder yet. What it leaves behind if it fails is removed.
        version: Further text the folder depends on, too long for its name.
        sound: Whether a folder is whole; one that is not is passed over, or built anew.

    Returns:
        The folder, whole; a shared cache's where it has one. Never write into it.

    Raises:
        StoreError: The cache can't be written.
    """
    found = find_derived(model_id, digest, key, version, sound)
    if found is not None:
        return found
    root = settings.cache_folder()
    folder = root / _derived_place(model_id, digest, key, version)
    with writing(root), lock(f"prepared-{folder.parent.name}-{folder.name}"):
        if sound(folder):
            return folder
        sweep(folder.parent, of=folder.name)
        return publish(folder, build)


def find_derived(
    model_id: str,
    digest: str,
    key: str,
    version: str = "",
    sound: Callable[[Path], bool] = Path.is_dir,
) -> Path | None:
    """The folder that `derived` would return, where there is one already."""
    place = _derived_place(model_id, digest, key, version)
    roots = (*settings.shared_caches(), settings.cache_folder())
    return next((root / place for root in roots if sound(root / place)), None)


def _derived_place(model_id: str, digest: str, key: str, version: str) -> Path:
    name = _file_name(f"{short(digest)}-{key}")
    if version:
        name += "-" + hashlib.sha256(version.encode()).hexdigest()[:_SHORT]
    return Path("prepared", _file_name(model_id), name)


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


def discard(folder: Path) -> None:
    """Removes a folder; it is out of sight at once, whatever happens next."""
    trash = _temporary(folder)
    folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def sweep(folder: Path, of: str = "", older_than_s: float = 0) -> int:
    """Removes what dead processes left half-done in a folder whose lock is held.

    Args:
        folder: Where to look.
        of: Only what was to become a folder of this name.
        older_than_s: Only what is that old, in seconds, where no lock says that it is dead.

    Returns:
        The bytes freed.
    """
    freed = 0
    oldest = time.time() - older_than_s
    for left in folder.glob(f".{of}*.tmp"):
        with suppress(OSError):
            if left.stat().st_mtime <= oldest:
                freed += size_of(left)
                shutil.rmtree(left, ignore_errors=True)
    return freed


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for path in _files(folder):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


def known_ids() -> list[str]:
    """Ids of all that the user's own cache has anything of."""
    root = settings.cache_folder()
    found: set[str] = set()
    for kind in ("models", "local", "downloads"):
        found |= {folder.name for folder in _folders(root / kind)}
    return sorted(found)


def remove(model_id: str, *, forget: bool = False) -> int:
    """Removes a model with all that was derived from it; gives the bytes freed.

    Args:
        model_id: The manifest's id, or the stem of a local archive.
        forget: Also forgets its recorded digest, so that another object is accepted.

    Raises:
        StoreError: The cache can't be written.
    """
    root = settings.cache_folder()
    freed = 0
    with writing(root):
        for kind, name in (("models", model_id), ("local", f"local-{model_id}")):
            if not (root / kind / model_id).is_dir():
                continue
            with lock(name):
                freed += size_of(root / kind / model_id)
                discard(root / kind / model_id)
        with lock(model_id):
            for kind in ("downloads", "prepared"):
                folder = root / kind / model_id
                if folder.is_dir():
                    freed += size_of(folder)
                    discard(folder)
        if forget:
            verify.forget(model_id)
    return freed


def prune(unused_days: float | None = None) -> int:
    """Removes what no fetch needs; gives the bytes freed.

    That is unfinished downloads, leftovers of dead processes and data derived from models that
    are gone. What another process works on at this moment is left alone.

    Args:
        unused_days: Also removes models that were not opened for so many days.

    Raises:
        StoreError: The cache can't be written.
    """
    root = settings.cache_folder()
    freed = 0
    with writing(root):
        if unused_days is not None:
            oldest = datetime.now(UTC).timestamp() - unused_days * 86_400
            for version in all_entries():
                used = datetime.fromisoformat(version.last_used).timestamp()
                if not version.shared and used < oldest:
                    freed += version.bytes
                    discard(version.folder)
        for kind in ("models", "local", "downloads"):
            for folder in _folders(root / kind):
                name = f"local-{folder.name}" if kind == "local" else folder.name
                with suppress(TimeoutError), lock(name, timeout_s=0):
                    freed += _prune(folder, everything=kind == "downloads")
        kept = {short(version.provenance.digest) for version in all_entries()}
        for folder in _folders(root / "prepared"):
            for form in _folders(folder):
                if form.name.partition("-")[0] not in kept:
                    freed += size_of(form)
                    discard(form)
            # Another process may be building a form at this moment, but hardly for a day.
            freed += sweep(folder, older_than_s=86_400)
            with suppress(OSError):
                folder.rmdir()
        # What `remove` had no time to finish.
        for kind in ("models", "local", "downloads", "prepared"):
            freed += sweep(root / kind)
    return freed


def _prune(folder: Path, everything: bool) -> int:
    if everything:
        freed = size_of(folder)
        discard(folder)
        return freed
    freed = sweep(folder)
    with suppress(OSError):
        folder.rmdir()  # Goes only if it is empty.
    return freed


def _folders(parent: Path) -> list[Path]:
    """The folders in a folder that are in sight; a leading dot hides what is half-done."""
    try:
        return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []


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


def _temporary(folder: Path) -> Path:
    return folder.parent / f".{folder.name}-{os.getpid()}-{secrets.token_hex(4)}.tmp"


def _file_name(text: str) -> str:
    """A text as the name of a file; a long one keeps its end, where paths differ, and a digest."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._") or "_"
    if name == text and len(name) <= 100:
        return name
    return f"{name[-80:].strip('._')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _files(folder: Path) -> list[Path]:
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]


def _flush(folder: Path) -> None:
    """Writes every file and folder below a folder through to the disk."""
    for path in _files(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for parent, _, _ in os.walk(folder):
        _flush_folder(Path(parent))


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows can't open folders, and needs no such flush.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
