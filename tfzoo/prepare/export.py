"""Converts SavedModels to ONNX with tf2onnx, in an environment of its own.

tf2onnx 1.17 converts the zoo's exports with TensorFlow 2.15 and onnx 1.16, older than what the
project runs with. They are installed once below the cache and run in a process of their own.
"""

from __future__ import annotations

import logging
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tfzoo.errors import ModelFormatError, OfflineError, RuntimeUnavailableError
from tfzoo.prepare.pipeline_config import find_config
from tfzoo.prepare.prepared import Prepared, as_prepared, keep, kept, write_record
from tfzoo.settings import cache_folder, offline
from tfzoo.store.cache import lock, writing
from tfzoo.store.folders import discard
from tfzoo.store.models import StoredModel

# The wheel without CUDA is half as large; it is made for these processors only.
_X86 = platform.machine() in ("x86_64", "AMD64")
_TENSORFLOW = f"tensorflow{'-cpu' if _X86 else ''}==2.15.*"

#: What the environment holds. NumPy 1, as TensorFlow 2.15 was built with.
REQUIREMENTS = (_TENSORFLOW, "tf2onnx==1.17.*", "onnx==1.16.2", "numpy<2")
_OPSET = 17
_PYTHON = "3.11"

_log = logging.getLogger("tfzoo.prepare.export")


def export_onnx(model: StoredModel) -> Prepared:
    """A model's ONNX form, converted where there is none yet.

    It is made of a frozen form, cut where that may be and with a free batch where it can: what is
    left runs well on a GPU.

    Returns:
        The folder with `model.onnx`.

    Raises:
        RuntimeUnavailableError: There is no Python for the converter.
        OfflineError: The converter is not installed yet, and downloads are switched off.
        ModelFormatError: The model can't be converted.
        StoreError: The result can't be kept.
    """
    if (known := find_export(model)) is not None:
        return known
    python = converter()
    config = find_config(model.path, model.spec)

    def build(folder: Path) -> None:
        from tfzoo.prepare.frozen_graph import write_prepared

        _log.info("converting %s to ONNX; this takes minutes, once", model.id)
        with TemporaryDirectory(prefix="tfzoo-export-") as frozen:
            cut, note = write_prepared(model.path, Path(frozen), config, loops=False)
            command = [str(python), "-m", "tf2onnx.convert", "--saved-model", frozen]
            command += ["--output", str(folder / "model.onnx"), "--opset", str(_OPSET)]
            _run(command, f"{model.id} can't be converted to ONNX")
        write_record(folder, {"cut": cut.to_json(), "note": note})

    return as_prepared(*keep(model, "onnx", _versions(model), build))


def find_export(model: StoredModel) -> Prepared | None:
    """A model's ONNX form, or None where it has not been converted."""
    found = kept(model, "onnx", _versions(model))
    return None if found is None else as_prepared(*found)


def _versions(model: StoredModel) -> str:
    config = find_config(model.path, model.spec)
    return f"{' '.join(REQUIREMENTS)} opset {_OPSET} {config}"


def converter() -> Path:
    """The Python of the converter's environment, which is made where there is none yet."""
    root = cache_folder()
    folder = root / "converters" / "tf2onnx-1.17"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = folder / "ready"
    if ready.is_file():
        return python
    if offline():
        raise OfflineError(
            f"converting needs {', '.join(REQUIREMENTS)} in {folder}, and downloads are switched "
            "off (--offline, TFZOO_OFFLINE)"
        )
    base = sys.executable if sys.version_info[:2] == (3, 11) else _other_python()
    if base is None:
        raise RuntimeUnavailableError(
            f"converting needs Python {_PYTHON}, which the converter's TensorFlow 2.15 was built "
            f"for; put python{_PYTHON} on the PATH"
        )
    with writing(root), lock("converter-tf2onnx"):
        if not ready.is_file():
            if folder.exists():
                discard(folder)
            folder.parent.mkdir(parents=True, exist_ok=True)
            _log.info("installing the converter into %s, once", folder)
            _run([base, "-m", "venv", str(folder)], "no environment could be made")
            pip = [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS]
            _run(pip, "the converter can't be installed")
            # Last, and never renamed: an environment knows its own path.
            ready.touch()
    return python


def _other_python() -> str | None:
    """Another Python of the version needed, that runs: pyenv's shims lie there and may not."""
    found = shutil.which(f"python{_PYTHON}")
    if found is None:
        return None
    tried = subprocess.run([found, "-c", ""], capture_output=True, check=False)
    return found if tried.returncode == 0 else None


def _run(command: list[str], failure: str) -> None:
    done: subprocess.CompletedProcess[Any] = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        told = "\n".join(done.stdout.strip().splitlines()[-5:])
        raise ModelFormatError(f"{failure}; its last words:\n{told}")
