"""A `.tflite` file has nothing to be held against but itself: LiteRT's two sets of kernels.

By default LiteRT hands a graph to XNNPACK; without, it runs kernels of its own. They were written
apart, so that what both find alike is hardly the mistake of one.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from statistics import median

from tfzoo.detections.agreement import compare
from tfzoo.loading import detector_of, open_stored
from tfzoo.options import OnStep
from tfzoo.prepare.choice import Choice, Trial
from tfzoo.prepare.cut import WHOLE
from tfzoo.store.models import StoredModel
from tfzoo.trials.pictures import scenes, trial_pictures


def compare_kernels(model: StoredModel, on_step: OnStep) -> Choice:
    """Runs a `.tflite` model on the trial's pictures by XNNPACK and without, and times it.

    Args:
        model: From the store.
        on_step: Told what is being done.

    Returns:
        One trial: whether both found the same, and the time of an image by XNNPACK.

    Raises:
        TfzooError: It can't be opened or run.
    """
    from tfzoo.runtimes.litert import LiteRuntime

    on_step("opening it with LiteRT", 0, 3)
    began = time.perf_counter()
    detector = open_stored(model, "litert")
    shown = scenes()
    detector.detect(shown[0])
    opened = time.perf_counter() - began
    on_step("comparing XNNPACK with LiteRT's own kernels", 1, 3)
    began = time.perf_counter()
    own = detector_of(model, LiteRuntime(model.path, "cpu", False, delegates=False), WHOLE)
    own.detect(shown[0])
    pictures = trial_pictures(time.perf_counter() - began)
    references = [own.detect(picture) for picture in pictures]
    agrees, said = compare(references, [detector.detect(picture) for picture in pictures])
    on_step("timing it", 2, 3)
    taken = []
    for picture in shown:
        began = time.perf_counter()
        detector.detect(picture)
        taken.append(time.perf_counter() - began)
    many = open_stored(model, "litert", throughput=True)
    began = time.perf_counter()
    count = sum(1 for _ in many.detect_many(shown))
    speed = count / (time.perf_counter() - began)
    on_step("done", 3, 3)
    trial = Trial(
        "litert",
        detector.runtime.version,
        agrees,
        said.replace("TensorFlow finds", "its own kernels find").replace(
            "TensorFlow's", "its own kernels'"
        ),
        *(float(f"{value:.4g}") for value in (opened, 1000 * median(taken), speed)),
    )
    return Choice((trial,), datetime.now(UTC).isoformat(timespec="seconds"))
