"""The store: a model by name, as a verified folder on this disk.

A model is either whole and verified, or not there. What downloads, unpacks and digests is imported
when it is first needed: a model that is cached opens without it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fsdecode, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from tfzoo.errors import ModelFormatError, UnknownModelError, UsageError
from tfzoo.outside import keyed
from tfzoo.settings import at_home
from tfzoo.store import cache, local
from tfzoo.store.addresses import is_address, spec_at
from tfzoo.store.cache import Entry
from tfzoo.store.derived import derived
from tfzoo.store.folders import folders_in
from tfzoo.store.frozen_graphs import write_saved_model
from tfzoo.store.sound import check_model
from tfzoo.store.unfit import EXPECTED, checkpoint_at, told_of_file, told_of_folder
from tfzoo.zoo.manifest import load_manifest
from tfzoo.zoo.schema import SINGLE_FILES, ModelSpec

if TYPE_CHECKING:
    from tfzoo.store.progress import Progress


@dataclass(frozen=True)
class StoredModel:
    """A model on this disk, ready to be opened.

    Attributes:
        id: The manifest's id; of a model that no manifest lists its path, the same however it was
            written, or its address without what that hides.
        path: Folder with `saved_model.pb`, or an `.onnx` or `.tflite` file.
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

    @property
    def vouchers(self) -> str:
        """What vouches for its bytes, as a person reads it; `nothing` for one of the user's own."""
        return self.entry.vouchers if self.entry else cache.NOTHING


def get_model(
    name: str | PathLike[str] | ModelSpec,
    *,
    offline: bool | None = None,
    allow_unverified: bool | None = None,
    report: Progress | None = None,
) -> StoredModel:
    """A model by name or address (fetched if need be), or where it lies: a folder, archive, file.

    An exact name, id or alias comes first, then a path where a model lies, then a short form.

    Args:
        name: What to get.
        offline: Forbids downloads; None asks `TFZOO_OFFLINE`.
        allow_unverified: Accepts a download that nothing vouches for; None asks
            `TFZOO_ALLOW_UNVERIFIED`.
        report: Is told of progress; None draws a bar where a person watches.

    Raises:
        UnknownModelError, AmbiguousModelError: The name fits no model, or several.
        ModelFormatError: A model lies there that is damaged.
        StoreError: The model could not be had.
    """
    if isinstance(name, ModelSpec):
        spec = name
    elif model := own_model(name):
        return model
    else:
        spec = _named(name)
    entry = cache.find(spec)
    if entry is None:
        entry = _fetch(spec, offline, allow_unverified, report)
    else:
        entry.mark_used()
    digest = entry.provenance.digest
    if not isinstance(name, ModelSpec) and is_address(address := _text(name)):
        return StoredModel(keyed(address), entry.path, digest, None, entry)
    return StoredModel(spec.id, entry.path, digest, spec, entry)


def describe(spec: ModelSpec) -> Entry | None:
    """What the caches have of a model: where, from where, what vouched for it; or None."""
    return cache.find(spec)


def is_here(name: str) -> bool:
    """Whether a model, by its id or path, needs no fetching."""
    spec = load_manifest().exact(name)
    return spec is None or describe(spec) is not None


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


def listed_model(name: str) -> ModelSpec:
    """The manifest's model that a name, id, alias or short form means.

    Raises:
        UnknownModelError, AmbiguousModelError: The name fits no model, or several.
        UsageError: It is the path of a model of the user's own.
        ModelFormatError: What lies at that path is a damaged model.
    """
    if model := own_model(name):
        raise UsageError(
            f"{name} is a model on this disk ({model.path}), which no manifest lists: it needs no "
            "fetching. Name it by its path wherever a model is run: tfzoo detect --model, "
            "tfzoo prepare, tfzoo evaluate"
        )
    return _named(name)


def expanded(names: Iterable[str]) -> list[str]:
    """Names as given, but for patterns such as `centernet*`: in their place ids of all they fit.

    Raises:
        UnknownModelError: A pattern fits no model.
    """
    found: list[str] = []
    for name in names:
        if not re.search(r"[*?]", name) or is_address(name) or Path(name).expanduser().exists():
            found.append(name)
        elif fitting := load_manifest().select(name):
            found += [spec.id for spec in fitting]
        else:
            raise UnknownModelError(
                f"no model's id, name or alias fits the pattern '{name}'. See all with: tfzoo list"
            )
    return list(dict.fromkeys(found))


def own_model(name: str | PathLike[str]) -> StoredModel | None:
    """The model at a path, or None where that is the name of the manifest's or of none.

    Raises:
        UnknownModelError: A file lies there that is no model.
        ModelFormatError: A damaged model lies there.
    """
    query = _text(name)
    return None if load_manifest().exact(query) else _at_path(query)


def _named(name: str | PathLike[str]) -> ModelSpec:
    query = _text(name)
    if is_address(query):
        return spec_at(query)
    return load_manifest().exact(query) or _short_form(query)


def _text(name: object) -> str:
    """A name or path as text.

    Raises:
        UsageError: It is neither.
    """
    if not isinstance(name, str | PathLike):
        raise UsageError(
            f"a model is asked for by its name (see: tfzoo list) or its path, not by "
            f"{'None' if name is None else type(name).__name__}"
        )
    text = fsdecode(fspath(name))
    if not text.strip() or "\0" in text:
        raise UsageError(f"{text!r} names no model; see what there is with: tfzoo list")
    return text


def _short_form(query: str) -> ModelSpec:
    """The model that some words of its name mean.

    Raises:
        UnknownModelError, AmbiguousModelError: They fit no model, or several. Where something
            lies at that path, it says what that is.
    """
    path = at_home(query)
    try:
        return load_manifest().find(query)
    except UnknownModelError as error:
        if path.is_dir():
            raise UnknownModelError(f"{query} {told_of_folder(path)}") from None
        if path.is_symlink():
            raise UnknownModelError(
                f"{query} is a link to {path.readlink()}, where nothing lies; {EXPECTED}"
            ) from None
        if checkpoint_at(path):
            raise UnknownModelError(f"{query} {told_of_file(Path('ckpt.index'))}") from None
        if len(path.parts) > 1 or local.is_archive(path) or path.suffix in SINGLE_FILES:
            raise UnknownModelError(_nothing_at(query, path)) from None
        raise error


def _nothing_at(query: str, path: Path) -> str:
    there = next(parent for parent in path.absolute().parents if parent.is_dir())
    names = sorted(child.name for child in folders_in(there))
    has = f"has the folders {', '.join(names[:10])}" if names else "has no folder"
    return (
        f"no model is called '{query}', and nothing lies at that path: {there} exists and {has}; "
        f"{EXPECTED}. See the zoo's models with: tfzoo list"
    )


def _at_path(query: str) -> StoredModel | None:
    """The model at a path, or None where there is none.

    Raises:
        UnknownModelError: A file lies there that is no model.
        ModelFormatError: A damaged one does, or one that can't be read.
    """
    path = at_home(query)
    try:
        return _found_at(query, local.absolute(path))
    except OSError as error:
        raise ModelFormatError(
            f"{query} can't be read: {error.strerror or error}"
            + (f" ({error.filename})" if error.filename else "")
        ) from None


def _found_at(query: str, path: Path) -> StoredModel | None:
    if path.name == "saved_model.pb" and path.is_file():
        path = path.parent
    if path.is_dir():
        found = local.find_model(path)
        if found is None:
            return None
        path = found
    if path.is_dir():
        check_model(path)
        return StoredModel(local.identity(path), path)
    if not path.exists():
        return None
    if not path.is_file():
        raise UnknownModelError(f"{query} is a pipe or device, no model; {EXPECTED}")
    if path.suffix in SINGLE_FILES:
        check_model(path)
        return StoredModel(local.identity(path), path)
    if path.suffix == ".pb":
        return _of_frozen_graph(path)
    if not local.is_archive(path):
        raise UnknownModelError(f"{query} {told_of_file(path)}")
    whole = path.resolve()
    digest = local.digest_of(whole)
    if entry := cache.find_local(whole, digest):
        entry.mark_used()
    else:
        from tfzoo.store.fetch import unpack_local

        entry = unpack_local(whole, digest)
    return StoredModel(str(whole), entry.path, digest, None, entry)


def _of_frozen_graph(path: Path) -> StoredModel:
    """The model of a frozen graph: a SavedModel of the same bytes, which the cache keeps.

    Raises:
        ModelFormatError: It is no detector.
        StoreError: The cache can't be written.
    """
    check_model(path)
    config = path.with_name("pipeline.config")
    parameters = config.read_bytes() if config.is_file() else b""

    def build(folder: Path) -> None:
        write_saved_model(path, folder / "saved_model")
        if parameters:
            (folder / config.name).write_bytes(parameters)

    name, digest = local.identity(path), local.digest_of(path)
    beside = hashlib.sha256(parameters).hexdigest()
    folder = derived(name, digest, "saved_model", build, beside, room=path.stat().st_size)
    return StoredModel(name, folder / "saved_model", digest)
