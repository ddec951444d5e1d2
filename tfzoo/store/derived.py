"""Data derived from a model, such as its prepared forms, built once and kept in the cache."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from tfzoo import settings
from tfzoo.store.cache import lock, writing
from tfzoo.store.digests import short
from tfzoo.store.folders import discard, publish, sweep


def derived(
    model_id: str,
    digest: str,
    key: str,
    build: Callable[[Path], None],
    version: str = "",
    sound: Callable[[Path], bool] = Path.is_dir,
    anew: bool = False,
    room: int = 0,
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
        anew: Whether to build it whatever is there; that is replaced once the new one is whole.
        room: Bytes it may need.

    Returns:
        The folder, whole; a shared cache's where it alone has one. Never write into it.

    Raises:
        StoreError: The cache can't be written.
    """
    found = None if anew else find_derived(model_id, digest, key, version, sound)
    if found is not None:
        return found
    root = settings.cache_folder()
    folder = root / _derived_place(model_id, digest, key, version)
    with writing(root), lock(lock_name(folder)):
        if not anew and sound(folder):
            return folder
        sweep(folder.parent, of=folder.name)
        return publish(folder, build, room)


def lock_name(folder: Path) -> str:
    """Which lock of the cache guards a folder of derived data."""
    return f"prepared-{folder.parent.name}-{folder.name}"


def forget_derived(model_id: str, digest: str, key: str, version: str = "") -> None:
    """Removes the folder that `derived` made in this user's own cache, where there is one.

    Raises:
        StoreError: The cache can't be written.
    """
    root = settings.cache_folder()
    folder = root / _derived_place(model_id, digest, key, version)
    with writing(root), lock(lock_name(folder)):
        if folder.is_dir():
            discard(folder)


def find_derived(
    model_id: str,
    digest: str,
    key: str,
    version: str = "",
    sound: Callable[[Path], bool] = Path.is_dir,
) -> Path | None:
    """The folder that `derived` would return, where there is one already."""
    place = _derived_place(model_id, digest, key, version)
    # One's own first: what was made anew lies there.
    roots = (settings.cache_folder(), *settings.shared_caches())
    return next((root / place for root in roots if sound(root / place)), None)


def sweep_derived(model_id: str, by: int) -> None:
    """Removes what a process that has ended left half-done of a model's derived data.

    Args:
        model_id: The model's id.
        by: The process's number.
    """
    sweep(settings.cache_folder() / "prepared" / _file_name(model_id), by=by)


def _derived_place(model_id: str, digest: str, key: str, version: str) -> Path:
    name = _file_name(f"{short(digest)}-{key}")
    if version:
        name += "-" + short(hashlib.sha256(version.encode()).hexdigest())
    return Path("prepared", _file_name(model_id), name)


def _file_name(text: str) -> str:
    """A text as the name of a file; a long one keeps its end, where paths differ, and a digest."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._") or "_"
    if name == text and len(name) <= 100:
        return name
    return f"{name[-80:].strip('._')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
