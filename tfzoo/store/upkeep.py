"""Upkeep of the cache: what it holds, removing a model, removing what nobody needs."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tfzoo import settings
from tfzoo.store import verify
from tfzoo.store.cache import all_entries, lock, writing
from tfzoo.store.digests import short
from tfzoo.store.folders import discard, folders_in, size_of, sweep


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
            for folder in folders_in(root / kind):
                name = f"local-{folder.name}" if kind == "local" else folder.name
                with suppress(TimeoutError), lock(name, timeout_s=0):
                    freed += _prune(folder, everything=kind == "downloads")
        kept = {short(version.provenance.digest) for version in all_entries()}
        for folder in folders_in(root / "prepared"):
            for form in folders_in(folder):
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
