"""The model in an archive: unpacked, found, and made a SavedModel where it is a frozen graph."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from tfzoo.errors import ArchiveError, ModelFormatError
from tfzoo.store.archive import unpack
from tfzoo.store.digests import file_digest
from tfzoo.store.frozen_graphs import FROZEN_GRAPH, write_saved_model
from tfzoo.store.provenance import FileRecord
from tfzoo.store.unfit import told_of_folder


def unpack_model(archive: Path, folder: Path) -> tuple[Path, dict[str, FileRecord]]:
    """Unpacks an archive of a model, as `unpack`.

    Of TensorFlow 1's with no more than a frozen graph, a SavedModel is written beside that.

    Returns:
        The SavedModel's folder or the .tflite file, and all files.

    Raises:
        ArchiveError: As `unpack`; or it holds no model, or several.
    """
    files = unpack(archive, folder)
    graphs = sorted((p for p in folder.rglob(FROZEN_GRAPH)), key=lambda path: len(path.parts))
    if graphs and not any(PurePosixPath(path).name == "saved_model.pb" for path in files):
        model = graphs[0].with_name("saved_model")
        try:
            write_saved_model(graphs[0], model)
        except (ModelFormatError, ValueError) as error:
            told = str(error).replace(f"{folder}{os.sep}", "")
            raise ArchiveError(f"{archive.name}: {told}") from None
        written = model / "saved_model.pb"
        record = FileRecord(written.stat().st_size, file_digest(written))
        files[written.relative_to(folder).as_posix()] = record
    return find_model(folder), files


def find_model(folder: Path) -> Path:
    """The SavedModel in an unpacked archive, wherever it lies: the one nearest the root.

    Where there is none, it is the one .tflite file, as phones' models are packed with their labels.

    Raises:
        ArchiveError: There is none, or several equally near.
    """

    def distance(path: Path) -> tuple[int, bool]:
        return len(path.parts), path.parent.name != "saved_model"

    found = sorted(folder.rglob("saved_model.pb"), key=distance)
    files = sorted(folder.rglob("*.tflite"))
    if not found and len(files) == 1:
        return files[0]
    if not found:
        raise ArchiveError(f"the archive {told_of_folder(folder)}")
    nearest = [path for path in found if distance(path) == distance(found[0])]
    if len(nearest) > 1:
        listed = ", ".join(str(path.parent.relative_to(folder)) for path in nearest)
        raise ArchiveError(
            f"the archive holds several models: {listed}. Unpack it and name one of the folders"
        )
    return nearest[0].parent
