"""A model by name as a `Detector`: which runtime is meant, and what it opens."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from os import PathLike

from tfzoo.decode.kinds import carried_labels
from tfzoo.detections.label_files import Labels, labels_of
from tfzoo.detections.labels import COCO
from tfzoo.detector import Detector
from tfzoo.errors import UsageError
from tfzoo.options import Precision, check_precision
from tfzoo.prepare.choice import USUAL_IMAGES, Choice, known_choice, on_gpu
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.opening import open_model
from tfzoo.runtimes.runtime import Runtime
from tfzoo.store.models import StoredModel, get_model
from tfzoo.zoo.schema import SINGLE_FILES, ModelSpec

_log = logging.getLogger("tfzoo.loading")

#: The runtime that `auto` means, instead of measuring.
RUNTIME_VARIABLE = "TFZOO_RUNTIME"


def load(
    name: str | PathLike[str] | ModelSpec,
    *,
    device: str = "auto",
    runtime: str = "auto",
    labels: Labels | None = None,
    throughput: bool = False,
    images: int = USUAL_IMAGES,
    precision: Precision = "float32",
) -> Detector:
    """Opens a model: fetched, verified and cached at first, from the cache afterwards.

    Args:
        name: A name, id, alias or short form (`tfzoo list`); a SavedModel folder, a frozen graph,
            an .onnx or .tflite file or an archive; the http or https address of such a file.
        device: `auto` (a GPU where there is one), `cpu`, `gpu` or `gpu:1`.
        runtime: `tensorflow` (the export as it is), `frozen` (TensorFlow on its prepared form),
            `xla` (that compiled), `openvino` or `onnx`; `auto` is what `TFZOO_RUNTIME` says, else
            what takes the least time for so many images of those that are proven to agree with
            TensorFlow. That is measured by `prepare_model`, and by `tfzoo detect` after its first
            run; before, it is `tensorflow`. An `.onnx` file opens with `onnx` unless OpenVINO is
            asked for, a `.tflite` file with `litert`.
        labels: Category names, where they are not those of the manifest, of a `.tflite` file's own
            metadata, or COCO's: by id, in a list that counts from 1, or a file such as
            `label_map.pbtxt`.
        throughput: Prefer many images a second (`stream`) over the latency of one.
        images: How many images there are about, for `auto`: what opens fast suits few, what runs
            fast suits many.
        precision: `int8` opens the form that `prepare_model` made of 8-bit integers, with OpenVINO;
            it finds nearly the same.

    Raises:
        UnknownModelError, AmbiguousModelError: The name fits no model, or several.
        StoreError: The model could not be had.
        ModelFormatError: It is no detector.
        UntrustedModelError: Nothing vouches for it, and it may do more than to compute: `audit`
            says what, and `TFZOO_TRUST=1` opens it all the same.
        DeviceError, RuntimeUnavailableError: It can't be run as asked.
    """
    names = labels_of(labels)
    model = get_model(name)
    chosen = known_runtime(model, runtime, device, images, precision)
    return open_stored(model, chosen or "tensorflow", device, names, throughput, precision)


def open_stored(
    model: StoredModel,
    runtime: str,
    device: str = "auto",
    labels: Mapping[int, str] | None = None,
    throughput: bool = False,
    precision: Precision = "float32",
) -> Detector:
    """Opens a model from the store with a runtime by name; see `load`."""
    parts = open_model(model, runtime, device, throughput, precision)
    return detector_of(model, parts.runtime, parts.cut, labels, precision)


def detector_of(
    model: StoredModel,
    runtime: Runtime,
    cut: Cut,
    labels: Mapping[int, str] | None = None,
    precision: Precision = "float32",
) -> Detector:
    """A detector of an opened runtime, with the labels given, the manifest's, its own or COCO's."""
    listed = model.spec.labels if model.spec else None
    names = labels or listed or carried_labels(runtime.signature) or COCO
    return Detector(model, runtime, names, cut, precision)


def known_runtime(
    model: StoredModel, runtime: str, device: str, images: int, precision: Precision = "float32"
) -> str | None:
    """The runtime that is meant, or None where it is `auto` and nothing was measured yet.

    Args:
        model: From the store.
        runtime: One of `tfzoo.runtimes.runtime.NEEDS`, or `auto`.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        images: How many images there are about.
        precision: `int8` is OpenVINO's.

    Raises:
        UsageError: Another runtime is asked for int8, or there is no such precision.
    """
    check_precision(precision)
    if precision == "int8":
        if runtime not in ("auto", "openvino"):
            raise UsageError(f"precision int8 runs with openvino alone, not with {runtime}")
        return "openvino"
    if runtime == "auto":
        runtime = os.environ.get(RUNTIME_VARIABLE, "auto")
    if (own := SINGLE_FILES.get(model.path.suffix)) is not None:
        # TensorFlow opens no such file, OpenVINO the .onnx ones.
        if (own, runtime) != ("onnx", "openvino"):
            return own
        _log.warning(
            "%s on openvino has not been compared with ONNX Runtime, which it opens with unless "
            "told otherwise",
            model.id,
        )
        return runtime
    if runtime == "tensorflow":
        return runtime
    known = known_choice(model, on_gpu(device))
    if runtime == "auto":
        return None if known is None else known.best(images).runtime
    _warn_unless_proven(model, runtime, known)
    return runtime


def _warn_unless_proven(model: StoredModel, runtime: str, known: Choice | None) -> None:
    """Says so where a runtime that was asked for is not known to find what TensorFlow finds."""
    trials = {trial.runtime: trial for trial in known.trials} if known else {}
    trial = trials.get(runtime)
    if trial is None:
        _log.warning(
            "%s on %s has not been compared with TensorFlow on this machine; do so with: "
            "tfzoo prepare '%s'",
            model.id, runtime, model.id,
        )  # fmt: skip
    elif not trial.agrees:
        _log.warning("%s on %s does not agree with TensorFlow: %s", model.id, runtime, trial.reason)
