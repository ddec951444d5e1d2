"""What lies at a path that is no model tfzoo opens, and what to do about it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tfzoo.zoo.schema import SINGLE_FILES

EXPECTED = (
    "expected a folder with saved_model.pb or frozen_inference_graph.pb, a .tar.gz, .tar or .zip "
    "archive of one, a frozen graph (.pb), or an .onnx or .tflite file"
)

_EXPORT = (
    "Export it with the Object Detection API's exporter_main_v2 and give tfzoo the exported folder"
)
_FROZEN = (
    "Where it is a detector that TensorFlow 1's export_inference_graph.py froze, give tfzoo that "
    "file itself; else export the model with the TF2 Object Detection API's exporter_main_v2"
)
_REPACK = "Unpack it and give tfzoo the folder, or pack it as .tar.gz or .zip"
_TO_ONNX = "Export it to ONNX with the library it was made with, and give tfzoo the .onnx file"

#: Files that people take for a model, by their endings: what such a file is, and what to do.
_ENDINGS = {
    (".pb",): ("a graph without a SavedModel around it, such as a frozen graph", _FROZEN),
    (".h5", ".hdf5", ".keras"): (
        "a model or weights of Keras",
        "Export it as a SavedModel (in TensorFlow: model.export('folder')) and give tfzoo the "
        "folder; it must be a detector with the outputs of the Object Detection API's",
    ),
    (".lite", ".tfl"): ("a model for TensorFlow Lite", "Rename it so that it ends in .tflite"),
    (".pt", ".pth", ".torchscript", ".safetensors"): ("a model or weights of PyTorch", _TO_ONNX),
    (".weights", ".caffemodel", ".pdmodel", ".pdiparams", ".params"): (
        "a model of another library",
        _TO_ONNX,
    ),
    (".engine", ".plan", ".trt", ".mlmodel", ".mlpackage", ".xml", ".blob"): (
        "a model converted for another program",
        "Give tfzoo the SavedModel, .onnx or .tflite file that it was converted from",
    ),
    (".7z", ".rar", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".gz", ".z"): (
        "an archive of a kind that tfzoo does not unpack",
        _REPACK,
    ),
    (".pbtxt", ".config"): (
        "a text file, not a model",
        "Give tfzoo the folder that holds saved_model.pb; label maps go to --labels",
    ),
}

_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
_CHECKPOINT = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$|^checkpoint$|\.ckpt(-\d+)?$")

# A folder is looked through so far, and no farther: it may be anybody's home.
_DEPTH = 6
_FILES = 5_000


def told_of_file(path: Path) -> str:
    """What a file is that is no model, and what to do, to be said behind its name."""
    name = path.name.casefold()
    folder = path.parent
    if folder.name == "variables" and (folder.parent / "saved_model.pb").is_file():
        return f"is a part of the SavedModel {folder.parent}; give tfzoo that folder"
    if _CHECKPOINT.search(name):
        return (
            "is a part of a training checkpoint and no SavedModel, so it can't be run as it is. "
            f"{_EXPORT}"
        )
    if name.endswith(tuple(SINGLE_FILES)):
        return f"is named {path.suffix}; rename it to {path.stem}{path.suffix.lower()}"
    for endings, (what, advice) in _ENDINGS.items():
        if name.endswith(endings):
            return f"is {what}. {advice}"
    return f"is no model; {EXPECTED}"


def checkpoint_at(path: Path) -> bool:
    """Whether a path is a checkpoint as TensorFlow names it: its files' names without endings."""
    names = (f"{path.name}.index", f"{path.name}.meta", f"{path.name}.data-00000-of-00001")
    return any(path.with_name(name).is_file() for name in names)


def told_of_folder(folder: Path) -> str:
    """What a folder holds instead of a SavedModel, and what to do, to be said behind its name."""
    files = _files_below(folder)
    if not files:
        return f"is empty and holds no saved_model.pb; {EXPECTED}"

    def first(fits: re.Pattern[str]) -> str | None:
        return next((name for name in files if fits.search(name.rpartition("/")[2])), None)

    if name := first(re.compile(r"^saved_model\.pbtxt$")):
        return (
            f"holds a SavedModel as text ({name}) and no saved_model.pb; save it anew without "
            "as_text, as TensorFlow does by itself"
        )
    if name := next((n for n in files if re.search(r"(^|/)variables/variables\.", n)), None):
        return (
            f"holds a SavedModel's weights ({name}) and no saved_model.pb: it was copied in part. "
            "Copy all of it"
        )
    if name := first(re.compile(r"\.index$")) or first(re.compile(r"\.ckpt\b|^checkpoint$")):
        return (
            f"holds a training checkpoint ({name}) and no SavedModel, so it can't be run as it is. "
            f"{_EXPORT}"
        )
    if name := first(
        re.compile(r"\.onnx$|\.tflite$|\.tar\.gz$|\.tgz$|\.tar$|\.zip$", re.IGNORECASE)
    ):
        return f"holds no saved_model.pb, but {name}; give tfzoo that file itself"
    for endings, (what, advice) in _ENDINGS.items():
        for name in files:
            if name.casefold().endswith(endings) and not name.endswith((".pbtxt", ".config")):
                return f"holds {what} ({name}) and no saved_model.pb. {advice}"
    return (
        "holds no saved_model.pb. Expected an export of the TF2 Object Detection API, which has "
        "saved_model/saved_model.pb, or of TF1's, which has frozen_inference_graph.pb"
    )


def _files_below(folder: Path) -> list[str]:
    """Names of files below a folder, relative to it, those nearest to it first."""
    found: list[str] = []
    for parent, folders, names in os.walk(folder):
        below = Path(parent).relative_to(folder)
        if len(below.parts) >= _DEPTH:
            folders.clear()
        folders.sort()
        found += [(below / name).as_posix() for name in names]
        if len(found) > _FILES:
            break
    return sorted(found, key=lambda name: (name.count("/"), name))
