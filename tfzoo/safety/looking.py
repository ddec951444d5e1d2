"""An audit: a model's files looked through, without the library that opens them."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from tfzoo.errors import ModelFormatError
from tfzoo.messages import BrokenMessage
from tfzoo.safety.findings import Audit, Notes
from tfzoo.safety.lite import look_through_lite
from tfzoo.safety.onnx import look_through_onnx
from tfzoo.safety.tensorflow import look_through_frozen_graph, look_through_saved_model
from tfzoo.store.models import get_model

_GRAPH = "saved_model.pb"
#: Other files that TensorFlow takes for a SavedModel's graph, in place of the one looked through.
_OTHER_GRAPHS = ("saved_model.pbtxt", "saved_model.cpb")
_MOST_FILES = 10_000

_Look = Callable[[memoryview, Notes], None]
_FORMS: dict[str, tuple[str, _Look]] = {
    ".onnx": ("ONNX", look_through_onnx),
    ".tflite": ("TensorFlow Lite", look_through_lite),
    ".pb": ("frozen graph", look_through_frozen_graph),
}


def audit(model: str | PathLike[str], *, offline: bool | None = None) -> Audit:
    """What a model may do, told from its files alone: nothing of it is opened or run.

    Every operation of the graph, of its functions and of graphs within is held against a closed
    list of those that only compute. It takes memory and time for names alone, whatever the size.

    Args:
        model: A model as `tfzoo.load` takes it, or a `.tflite` file or a frozen graph (`.pb`).
        offline: Forbids downloads; None asks `TFZOO_OFFLINE`.

    Raises:
        UnknownModelError, AmbiguousModelError: The name fits no model, or several.
        ModelFormatError: It is damaged, or larger than any detector's.
        StoreError: The model could not be had.
    """
    path = Path(model).expanduser()
    if path.suffix.lower() in _FORMS and path.name != _GRAPH and path.is_file():
        return audit_files(path)
    return audit_files(get_model(model, offline=offline).path)


def audit_files(path: Path) -> Audit:
    """As `audit`, of a model that lies there.

    Args:
        path: A SavedModel's folder, or an `.onnx`, `.tflite` or frozen `.pb` file.

    Raises:
        ModelFormatError: It is no such model, damaged, or larger than any detector's.
    """
    notes = Notes()
    try:
        if path.is_dir():
            form = "SavedModel"
            _look_around(path, notes)
            _look(path / _GRAPH, look_through_saved_model, notes)
        elif path.suffix.lower() in _FORMS:
            form, look = _FORMS[path.suffix.lower()]
            _look(path, look, notes)
        else:
            raise ModelFormatError(
                f"{path} is no model that can be audited: expected a SavedModel's folder, or a "
                "file that ends in " + ", ".join(_FORMS)
            )
    except BrokenMessage as error:
        raise ModelFormatError(
            f"{path} can't be read as {form}: {error}. It is damaged, or something else: get it "
            "again from where it came from"
        ) from None
    except OSError as error:
        raise ModelFormatError(f"{path} can't be read: {error.strerror or error}") from None
    return Audit(path, form, dict(notes.operations.most_common()), tuple(notes.found.values()))


def _look(file: Path, look: _Look, notes: Notes) -> None:
    if not file.is_file():
        raise ModelFormatError(f"{file} is not there, or no file")
    if file.stat().st_size == 0:
        raise BrokenMessage("the file is empty")
    with file.open("rb") as opened:
        content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        # Views of it are left to the collector: an error's traceback may hold some.
        look(memoryview(content), notes)


def _look_around(folder: Path, notes: Notes) -> None:
    """Notes what of a folder lies elsewhere, or beside the graph that is looked through."""
    inside = folder.resolve()
    for at, folders, names in os.walk(folder):
        notes.see(len(names) + len(folders))
        if notes.seen > _MOST_FILES:
            raise ModelFormatError(f"{folder} holds more than {_MOST_FILES:,} files")
        for name in (*folders, *names):
            path = Path(at, name)
            shown = str(path.relative_to(folder))
            if path.is_symlink():
                target = path.resolve()
                if not target.is_relative_to(inside):
                    notes.note("outside", shown, f"link to {target}", "leads out of the folder")
            elif not path.is_dir() and not path.is_file():
                notes.note("files", shown, "folder", "is neither a file nor a folder")
            if shown in _OTHER_GRAPHS:
                notes.note("unknown", shown, "folder", "is another graph beside saved_model.pb")
