"""A model's OpenVINO form in 8-bit integers: NNCF's post-training quantisation, on images given.

It is made only when asked for, and opened only when asked for: it finds nearly the same, not the
same. What it loses is measured when it is made (`tfzoo.trials.quantise`) and kept beside it.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tfzoo.errors import ModelFormatError, RuntimeUnavailableError, TfzooError, UsageError
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.pipeline_config import find_config
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
from tfzoo.runtimes.openvino import save_compiled
from tfzoo.runtimes.runtime import installed, reason_of
from tfzoo.store.models import StoredModel

_KEY = "openvino-int8"

#: NNCF's own switch against its reports of use, read when it is imported.
_NO_REPORTS = "NNCF_CI"

#: What a network takes for the image at a path, an array for each of its inputs.
Feed = Callable[[str], Sequence[NDArray[Any]]]
#: Measures what a folder's form loses against full precision, as JSON values.
Measure = Callable[[Path, Cut], dict[str, Any]]


def find_int8(model: StoredModel) -> tuple[Prepared, dict[str, Any]] | None:
    """A model's int8 form and what is known of it, or None where it was not made."""
    if not model.path.is_dir():
        return None
    found = kept(model, _KEY, _versions(model))
    return None if found is None else (as_prepared(*found), found[1]["int8"])


def int8_form(model: StoredModel) -> Prepared:
    """A model's int8 form.

    Raises:
        UsageError: It was not made yet, or can't be: the model is an .onnx file.
    """
    _refuse_onnx(model)
    if (found := find_int8(model)) is None:
        raise UsageError(
            f"{model.id} has no int8 form here; make it once, with images like those it will see: "
            f"tfzoo prepare '{model.id}' --precision int8 --calibrate FOLDER"
        )
    return found[0]


def calibrated_on(model: StoredModel) -> str | None:
    """What tells the images a model's int8 form was calibrated on from others, or None."""
    return None if (found := find_int8(model)) is None else str(found[1]["images_digest"])


def _refuse_onnx(model: StoredModel) -> None:
    if not model.path.is_dir():
        raise UsageError(
            f"{model.id} is an {model.path.suffix} file; int8 forms are made of SavedModels"
        )


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
    _refuse_onnx(model)
    made = prepare(model, "openvino")
    if made.cut.after is None or made.cut.before is None:
        raise ModelFormatError(
            f"{model.id} can't be made int8: of a graph that holds its post-processing, choices "
            "among boxes would be rounded too (a CenterNet lost 9 points of AP). Expected an SSD "
            f"or EfficientDet that is cut at its network ({made.note})"
        )
    return made


def write_int8(
    model: StoredModel,
    made: Prepared,
    images: Sequence[str],
    feed: Feed,
    about: dict[str, Any],
    measure: Measure,
) -> dict[str, Any]:
    """Quantises a model's OpenVINO form and keeps it, in place of an earlier one.

    The earlier one stays until the new one is whole and measured. Images are read as they are
    needed: hundreds of a camera's would not fit into memory.

    Args:
        model: From the store.
        made: Its form in full precision, as `full_precision` gives it.
        images: What to calibrate on.
        feed: Reads one of them.
        about: What is known of the images, kept beside the form.
        measure: Measures the loss; what it gives is kept beside the form.

    Returns:
        `about` and what was measured.

    Raises:
        ModelFormatError: NNCF can't quantise it, or it loses too much.
        StoreError: It can't be kept.
    """

    def build(folder: Path) -> None:
        try:
            _quantise(made, folder, images, feed)
        except TfzooError:
            raise
        except Exception as error:  # Anything at all, from NNCF or OpenVINO.
            raise ModelFormatError(
                f"{model.id} can't be made int8: NNCF fails on it: {reason_of(error)}"
            ) from error
        known = about | {"nncf": library_version_of("nncf")} | measure(folder, made.cut)
        record = {"cut": made.cut.to_json(), "note": f"{made.note}; int8", "int8": known}
        write_record(folder, record)

    _, record = keep(model, _KEY, _versions(model), build, anew=True)
    return dict(record["int8"])


def _quantise(made: Prepared, folder: Path, images: Sequence[str], feed: Feed) -> None:
    import openvino as ov

    core = ov.Core()
    with _quiet():
        import nncf

        quantised = nncf.quantize(
            core.read_model(str(made.folder / "model.xml")),
            nncf.Dataset(images, lambda path: list(feed(path))),
            # Activations of either sign keep their zero: a tenth of a point better, as fast.
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
        )
    save_compiled(core, quantised, folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps NNCF's log and bars off the terminal, and its reports of use at home."""
    import rich

    logger, bars = logging.getLogger("nncf"), rich.get_console()
    before, told = (logger.disabled, bars.quiet), os.environ.get(_NO_REPORTS)
    # Its bars go to rich's own console, ours to one of our own: that goes on meanwhile.
    logger.disabled = bars.quiet = True
    os.environ[_NO_REPORTS] = "1"
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.disabled, bars.quiet = before
        if told is None:
            del os.environ[_NO_REPORTS]


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


def _versions(model: StoredModel) -> str:
    # NNCF makes it and does not run it: a form outlives it, and is opened where it is missing.
    return f"{library_version('openvino')} {machine()} {find_config(model.path, model.spec)}"
