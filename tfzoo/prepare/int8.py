"""A model's OpenVINO form in 8-bit integers: NNCF's post-training quantisation, on images given.

It is made only when asked for, and opened only when asked for: it finds nearly the same, not the
same. What it loses is measured when it is made (`tfzoo.trials.quantise`) and kept beside it.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tfzoo.errors import ModelFormatError, RuntimeUnavailableError, UsageError
from tfzoo.images.image import Image
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.prepared import (
    Prepared,
    as_prepared,
    keep,
    kept,
    library_version,
    machine,
    prepare,
    write_record,
)
from tfzoo.runtimes.openvino import COMPILED, options
from tfzoo.runtimes.runtime import installed
from tfzoo.store.folders import discard
from tfzoo.store.models import StoredModel

_KEY = "openvino-int8"

#: Measures what a folder's form loses against full precision, as JSON values.
Measure = Callable[[Path, Cut], dict[str, Any]]


def find_int8(model: StoredModel) -> tuple[Prepared, dict[str, Any]] | None:
    """A model's int8 form and what is known of it, or None where it was not made."""
    found = kept(model, _KEY, _versions())
    return None if found is None else (as_prepared(*found), found[1]["int8"])


def int8_form(model: StoredModel) -> Prepared:
    """A model's int8 form.

    Raises:
        UsageError: It was not made yet.
    """
    if (found := find_int8(model)) is None:
        raise UsageError(
            f"{model.id} has no int8 form here; make it once, with images like those it will see: "
            f"tfzoo prepare '{model.id}' --precision int8 --calibrate FOLDER"
        )
    return found[0]


def full_precision(model: StoredModel) -> Prepared:
    """The form that is quantised.

    Raises:
        RuntimeUnavailableError: NNCF or OpenVINO is not installed.
        UsageError: The model is an .onnx file.
        ModelFormatError: It is of a kind that can't be quantised with a known loss.
    """
    if not installed("openvino") or not library_version_of("nncf"):
        raise RuntimeUnavailableError(
            "int8 needs OpenVINO and NNCF, which are not installed: pip install 'tfzoo[int8]'"
        )
    if not model.path.is_dir():
        raise UsageError(f"{model.id} is an .onnx file; int8 forms are made of SavedModels")
    made = prepare(model, "openvino")
    if made.cut.after is None or made.cut.before is None:
        raise ModelFormatError(
            f"{model.id} can't be made int8: of a graph that holds its post-processing, choices "
            "among boxes would be quantised too, and the loss can't be bounded. Expected an SSD or "
            f"EfficientDet that is cut at its network ({made.note})"
        )
    return made


def write_int8(
    model: StoredModel, made: Prepared, pictures: Sequence[Image], about: dict[str, Any],
    measure: Measure,
) -> dict[str, Any]:  # fmt: skip
    """Quantises a model's OpenVINO form and keeps it, in place of an earlier one.

    Args:
        model: From the store.
        made: Its form in full precision, as `full_precision` gives it.
        pictures: What to calibrate on, uint8 [H, W, 3] RGB each.
        about: What is known of the pictures, kept beside the form.
        measure: Measures the loss; what it gives is kept beside the form.

    Returns:
        `about` and what was measured.

    Raises:
        StoreError: It can't be kept.
    """

    def build(folder: Path) -> None:
        _quantise(made, folder, pictures)
        lost = measure(folder, made.cut)
        record = {"cut": made.cut.to_json(), "note": f"{made.note}; int8", "int8": about | lost}
        write_record(folder, record)

    if (earlier := kept(model, _KEY, _versions())) is not None:
        discard(earlier[0])
    _, record = keep(model, _KEY, _versions(), build)
    return dict(record["int8"])


def _quantise(made: Prepared, folder: Path, pictures: Sequence[Image]) -> None:
    with _quiet():
        import nncf
        import openvino as ov

        core = ov.Core()
        before = made.cut.before
        assert before is not None
        model = core.read_model(str(made.folder / "model.xml"))
        data = nncf.Dataset(list(pictures), lambda picture: before(picture)[None])
        quantised = nncf.quantize(
            model,
            data,
            # Activations of either sign keep their zero: a tenth of a point better, as fast.
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pictures),
        )
        ov.save_model(quantised, str(folder / "model.xml"), compress_to_fp16=False)
        compiled = core.compile_model(
            core.read_model(str(folder / "model.xml")), "CPU", options(throughput=False)
        )
        blob = compiled.export_model()
        (folder / COMPILED).write_bytes(blob if isinstance(blob, bytes) else blob.getvalue())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps NNCF's log and bars off the terminal, and its reports of use at home."""
    os.environ.setdefault("NNCF_CI", "1")  # Its own switch against telemetry, read at import.
    logger = logging.getLogger("nncf")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def size_mb(folder: Path) -> float:
    """What a form's weights take on disk, in MB (10^6 bytes)."""
    return float(f"{(folder / 'model.bin').stat().st_size / 1e6:.3g}")


def library_version_of(package: str) -> str:
    """A package's version without importing it; empty where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _versions() -> str:
    return f"{library_version('openvino')} {library_version_of('nncf')} {machine()}"
