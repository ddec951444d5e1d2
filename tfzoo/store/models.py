"""The store: a model by name, as a verified folder on this disk.

A model is either whole and verified, or not there. What downloads, unpacks and digests is imported
when it is first needed: a model that is cached opens without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from tfzoo.errors import UnknownModelError
from tfzoo.store import cache, local
from tfzoo.store.cache import Entry
from tfzoo.zoo.manifest import load_manifest
from tfzoo.zoo.schema import ModelSpec

if TYPE_CHECKING:
    from tfzoo.store.progress import Progress


@dataclass(frozen=True)
class StoredModel:
    """A model on this disk, ready to be opened.

    Attributes:
        id: The manifest's id, or the path of a model that no manifest lists.
        path: Folder with `saved_model.pb`, or an `.onnx` file.
        known_digest: See `digest`; None takes it when it is first asked for.
        spec: The manifest's entry, or None for a model that no manifest lists.
        entry: Its entry in the cache, or None for a folder or file of the user's own.
    """

    id: str
    path: Path
    known_digest: str | None = None
    spec: ModelSpec | None = None
    entry: Entry | None = None

    @cached_property
    def digest(self) -> str:
        """`sha256:` and the archive's digest (of the model's files, for a bare folder)."""
        return self.known_digest or local.digest_of(self.path)


def get_model(
    name: str | PathLike[str] | ModelSpec,
    *,
    offline: bool | None = None,
    allow_unverified: bool | None = None,
    report: Progress | None = None,
) -> StoredModel:
    """A model by name (fetched if need be), SavedModel folder, archive or .onnx file.

    An exact name, id or alias comes first, then a path that exists, then a short form.

    Args:
        name: What to get.
        offline: Forbids downloads; None asks `TFZOO_OFFLINE`.
        allow_unverified: Accepts a download that nothing vouches for; None asks
            `TFZOO_ALLOW_UNVERIFIED`.
        report: Is told of progress; None draws a bar where a person watches.

    Raises:
        UnknownModelError, AmbiguousModelError: The name fits no model, or several.
        StoreError: The model could not be had.
    """
    spec = name if isinstance(name, ModelSpec) else None
    if not isinstance(name, ModelSpec):
        manifest = load_manifest()
        spec = manifest.exact(fspath(name))
        if spec is None and (model := _at_path(Path(fspath(name)).expanduser())):
            return model
        spec = spec or manifest.find(fspath(name))
    assert spec is not None
    entry = cache.find(spec)
    if entry is None:
        entry = _fetch(spec, offline, allow_unverified, report)
    else:
        entry.mark_used()
    return StoredModel(spec.id, entry.path, entry.provenance.digest, spec, entry)


def describe(spec: ModelSpec) -> Entry | None:
    """What the caches have of a model: where, from where, what vouched for it; or None."""
    return cache.find(spec)


def _fetch(
    spec: ModelSpec,
    offline: bool | None,
    allow_unverified: bool | None,
    report: Progress | None,
) -> Entry:
    from tfzoo.store.fetch import fetch
    from tfzoo.store.progress import ProgressBar, ignore, watched_by_a_person

    if report is not None or not watched_by_a_person():
        return fetch(
            spec, offline=offline, allow_unverified=allow_unverified, report=report or ignore
        )
    with ProgressBar() as bar:
        return fetch(spec, offline=offline, allow_unverified=allow_unverified, report=bar)


def _at_path(path: Path) -> StoredModel | None:
    """The model at a path, or None where there is nothing."""
    if path.is_dir():
        folder = local.find_saved_model(path)
        return None if folder is None else StoredModel(str(path), folder)
    if not path.is_file():
        return None
    if path.suffix == ".onnx":
        return StoredModel(str(path), path)
    if local.is_archive(path):
        digest = local.digest_of(path)
        if entry := cache.find_local(path, digest):
            entry.mark_used()
        else:
            from tfzoo.store.fetch import unpack_local

            entry = unpack_local(path, digest)
        return StoredModel(str(path), entry.path, digest, None, entry)
    raise UnknownModelError(
        f"{path} is no model; expected a folder with saved_model.pb, a .tar.gz, .tar or .zip "
        "archive of one, or an .onnx file"
    )
