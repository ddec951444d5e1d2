"""Upkeep of the cache: what it holds, removing a model, removing what nobody needs."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tfzoo import settings
from tfzoo.files import remove_leftovers
from tfzoo.store import local, verify
from tfzoo.store.cache import all_entries, entry, lock, writing
from tfzoo.store.derived import lock_name
from tfzoo.store.digests import short
from tfzoo.store.folders import discard, folders_in, size_of, sweep

#: How versions and forms are named: by the beginning of a digest.
_NAMED = re.compile(r"[0-9a-f]{12}(-.+)?")


def known_ids() -> list[str]:
    """Ids of all that the user's own cache has anything of."""
    root = settings.cache_folder()
    found: set[str] = set()
    for kind in ("models", "local", "downloads"):
        found |= {folder.name for folder in folders_in(root / kind)}
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
        with lock(f"local-{model_id}"):
            freed += _remove_versions(root / "local" / model_id)
        with lock(model_id):
            freed += _remove_versions(root / "models" / model_id)
            freed += _remove_parts(root / "downloads" / model_id)
            if forget:
                verify.forget(model_id)
        for form in _own_folders(root / "prepared" / model_id):
            with lock(lock_name(form)):
                freed += _discard(form)
        freed += _tidy(root / "prepared" / model_id)
    return freed


def _own_folders(folder: Path) -> list[Path]:
    """The versions or forms in a model's folder.

    A cache may have been put where others keep their `models` and `downloads`: what is not named as
    ours is theirs.
    """
    return [child for child in folders_in(folder) if _NAMED.fullmatch(child.name)]


def _remove_versions(folder: Path) -> int:
    """Removes all versions of a model, whose lock is held; gives the bytes freed."""
    return sum(_discard(version) for version in _own_folders(folder)) + _tidy(folder, None)


def _remove_parts(folder: Path) -> int:
    """Removes a model's unfinished downloads, whose lock is held; gives the bytes freed."""
    freed = _discard(folder / "tfhub")
    for path in (*folder.glob("*.part"), *folder.glob("*.part.json")):
        freed += path.stat().st_size
        path.unlink()
    remove_leftovers(folder)
    with suppress(OSError):
        folder.rmdir()
    return freed


def _discard(folder: Path) -> int:
    """Removes a folder whose lock is held, if it is there; gives the bytes freed."""
    if not folder.is_dir():
        return 0
    freed = size_of(folder)
    discard(folder)
    return freed


def prune(unused_days: float | None = None) -> int:
    """Removes what no fetch needs; gives the bytes freed.

    That is unfinished downloads, leftovers of dead processes and data derived from models that
    are gone: from the caches, or from where they lay. What another process works on at this moment
    is left alone.

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
                if not version.shared:
                    freed += _remove_unused(version.folder, oldest)
        for kind in ("models", "local", "downloads"):
            for folder in folders_in(root / kind):
                with suppress(TimeoutError), lock(_lock_of(folder), timeout_s=0):
                    freed += _remove_parts(folder) if kind == "downloads" else _tidy(folder, None)
        kept = _digests_there()
        for folder in folders_in(root / "prepared"):
            for form in _own_folders(folder):
                if _digest_in(form) not in kept:
                    freed += _remove_orphan(form)
            freed += _tidy(folder)
        # What `remove` had no time to finish.
        for kind in ("models", "local", "downloads", "prepared"):
            freed += sweep(root / kind)
    return freed


def _lock_of(folder: Path) -> str:
    """Which lock guards a model's folder."""
    return f"local-{folder.name}" if folder.parent.name == "local" else folder.name


def _remove_unused(folder: Path, oldest: float) -> int:
    """Removes a version of a model that was last opened before a time, in seconds.

    Whether it was is asked under its lock: whoever fetches it anew holds that too.
    """
    with suppress(TimeoutError), lock(_lock_of(folder.parent), timeout_s=0):
        version = entry(folder)
        if version and datetime.fromisoformat(version.last_used).timestamp() < oldest:
            return _discard(folder)
    return 0


def _digests_there() -> set[str]:
    """Of every model that is there, in a cache or by its path, as forms are named by them."""
    cached = {version.provenance.digest for version in all_entries()}
    return {short(digest) for digest in cached | local.digests_still_there()}


def _digest_in(form: Path) -> str:
    return form.name.partition("-")[0]


def _remove_orphan(form: Path) -> int:
    """Removes a form whose model is gone, unless a process is building it.

    The models are looked for once more under its lock: one may have come meanwhile.
    """
    with suppress(TimeoutError), lock(lock_name(form), timeout_s=0):
        if _digest_in(form) not in _digests_there():
            return _discard(form)
    return 0


def _tidy(folder: Path, older_than_s: float | None = 86_400) -> int:
    """Removes what dead processes left in a model's folder, and the folder if it is empty.

    Args:
        folder: Of a model's forms, of which another process may be building one at this moment,
            but hardly for a day; or of its versions, and its lock is held.
        older_than_s: Only what is that old, in seconds; None under the lock.
    """
    freed = sweep(folder, older_than_s=older_than_s)
    with suppress(OSError):
        folder.rmdir()  # Goes only if it is empty.
    return freed
