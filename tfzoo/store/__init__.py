"""The store: a model by name, as a verified folder on this disk."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from tfzoo.errors import ArchiveError
from tfzoo.manifest import ModelSpec, load_manifest


@dataclass(frozen=True)
class StoredModel:
    """A model on this disk, ready to be opened.

    Attributes:
        id: The manifest's id, or the path of a model that no manifest lists.
        path: Folder with `saved_model.pb`, or an `.onnx` file.
        digest: `sha256:` and the archive's digest (of the model's files, for a bare folder).
        spec: The manifest's entry, or None for a model that no manifest lists.
    """

    id: str
    path: Path
    digest: str
    spec: ModelSpec | None = None


def get_model(name: str | PathLike[str] | ModelSpec) -> StoredModel:
    """A model by name (fetched if need be), SavedModel folder or archive.

    Raises:
        UnknownModelError, AmbiguousModelError: The name fits no model, or several.
        StoreError: The model could not be had.
    """
    if not isinstance(name, ModelSpec):
        path = Path(fspath(name)).expanduser()
        for folder in (path, path / "saved_model"):
            if (folder / "saved_model.pb").is_file():
                return StoredModel(str(path), folder, "")
        name = load_manifest().find(fspath(name))
    raise ArchiveError(f"{name.id} can't be fetched yet")
