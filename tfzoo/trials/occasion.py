"""When a model is prepared: before its images where that repays, else when the results are there.

The first run of a model takes no longer than TensorFlow takes to open the export and to run it.
What is measured then, and made, is there for the next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from os import PathLike

import numpy as np

from tfzoo.detector import Detector
from tfzoo.errors import ImageError, UsageError
from tfzoo.loading import known_runtime, open_stored
from tfzoo.options import OnStep, Precision, check_precision
from tfzoo.prepare.choice import USUAL_IMAGES, Choice, known_choice, on_gpu, with_int8
from tfzoo.settings import prepares_unasked
from tfzoo.store.models import StoredModel, get_model
from tfzoo.zoo.schema import ModelSpec

#: What preparing costs, in times of opening the export in TensorFlow.
COST = 3.0
#: What it is reckoned to save of the export's time for an image, as a part of it.
GAIN = 0.5


def silent(doing: str, done: int, steps: int) -> None:
    """Tells nobody what is being done."""


def open_for(
    name: str | PathLike[str] | ModelSpec,
    *,
    images: int,
    device: str = "auto",
    runtime: str = "auto",
    labels: Mapping[int, str] | None = None,
    may_prepare: bool = True,
    precision: Precision = "float32",
    on_step: OnStep = silent,
) -> Detector:
    """Opens a model for many images a second, and prepares it first where so many repay that.

    Args:
        name: As `tfzoo.load` takes it.
        images: How many images there are about.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        runtime: One of `tfzoo.runtimes.runtime.NEEDS`, or `auto`.
        labels: Category names by id.
        may_prepare: Whether it may be prepared unasked.
        precision: `float32` or `int8`.
        on_step: Told what is being done.

    Raises:
        TfzooError: As `tfzoo.load` does.
    """
    model = get_model(name)
    chosen = known_runtime(model, runtime, device, images, precision)
    began = time.perf_counter()
    on_step(f"opening {model.id} with {chosen or 'TensorFlow'}", 0, 0)
    detector = open_stored(
        model, chosen or "tensorflow", device, labels, throughput=True, precision=precision
    )
    if chosen is not None or not may_prepare or not prepares_unasked():
        return detector
    if not _repays(detector, images, began):
        return detector
    from tfzoo.trials.measure import prepared_choice  # Most runs measure nothing.

    chosen = prepared_choice(model, device, on_step=on_step).best(images).runtime
    return open_stored(model, chosen, device, labels, throughput=True)


def _repays(detector: Detector, images: int, began: float) -> bool:
    """Whether preparing costs less than it saves of the images' time.

    Args:
        detector: The export, just opened.
        images: How many images there are about.
        began: When opening it began, by `time.perf_counter`.
    """
    blank = np.zeros((480, 640, 3), dtype=np.uint8)
    try:
        detector.detect(blank)
        opened = time.perf_counter()
        detector.detect(blank)
    except ImageError:
        return False  # Whoever opened it will say what ails it.
    return images * (time.perf_counter() - opened) * GAIN > COST * (opened - began)


def why_prepare(model: StoredModel, runtime: str, device: str) -> str | None:
    """Why a model should be prepared now that the results are there, or None.

    Args:
        model: That was run.
        runtime: As it was asked for.
        device: As it was asked for.
    """
    if not prepares_unasked() or not model.path.is_dir():
        return None
    known = known_choice(model, on_gpu(device))
    if known is None:
        asked = runtime == "auto" and known_runtime(model, runtime, device, USUAL_IMAGES) is None
        return "so that it opens fast the next time" if asked else None
    if runtime == "auto" and known.provisional:
        from tfzoo.trials.quiet import is_quiet

        return f"again, since {known.provisional}" if is_quiet() else None
    return None


def prepare_model(
    name: str | PathLike[str] | ModelSpec,
    *,
    device: str = "auto",
    again: bool = False,
    precision: Precision = "float32",
    calibrate: str | PathLike[str] | None = None,
    on_step: OnStep = silent,
) -> Choice:
    """Makes a model open fast: makes its forms, and measures which runtime suits it here.

    Each installed runtime detects the same pictures in a process of its own. Of those that give
    TensorFlow's own detections, `auto` then takes what costs the least time for the images at
    hand. A `.tflite` file opens as it is; of it LiteRT's two sets of kernels are compared.

    Args:
        name: As `load` takes it.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        again: Measure anew what was measured before.
        precision: `int8` also makes OpenVINO's form in 8-bit integers, which is opened only when
            asked for, and measures what it loses: see `Choice.int8`.
        calibrate: A folder of images like those the model will see, for int8.
        on_step: Told in words what is being done, how many steps are done, and of how many.

    Returns:
        What was measured.

    Raises:
        UsageError: It is an .onnx file, which opens as it is; or int8 has no or too few images.
        TfzooError: It can't be had, or TensorFlow can't run it.
    """
    from tfzoo.trials.measure import prepared_choice
    from tfzoo.trials.quantise import quantise

    model = get_model(name)
    check_precision(precision)
    if model.path.suffix == ".tflite" and precision == "float32":
        from tfzoo.trials.kernels import compare_kernels

        return compare_kernels(model, on_step)
    if not model.path.is_dir():
        raise UsageError(f"{model.id} is an {model.path.suffix} file, which opens as it is")
    if (precision == "int8") != (calibrate is not None):
        raise UsageError(
            "int8 is calibrated on a folder of images like those the model will see: give both, "
            "--precision int8 --calibrate FOLDER"
        )
    if calibrate is not None:
        quantise(model, calibrate, on_step)  # First, since it may be refused in seconds.
    choice = prepared_choice(model, device, again, on_step)
    return with_int8(choice, model)
