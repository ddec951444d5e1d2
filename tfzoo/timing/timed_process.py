"""The process that times one model, asked by `tfzoo.timing.benchmark`, which has the protocol."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from typing import Any

import numpy as np

from tfzoo.detector import Detector
from tfzoo.errors import ImageError, TfzooError, UsageError
from tfzoo.hardware import usable_cores
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.images.sources import find_images
from tfzoo.loading import load
from tfzoo.prepare.opening import files_of
from tfzoo.processes import answer
from tfzoo.runtimes.runtime import NEEDS
from tfzoo.store.models import StoredModel, get_model
from tfzoo.timing.benchmark import Timing
from tfzoo.timing.environment import Watch, describe_environment, peak_host_mb
from tfzoo.timing.graph_cost import GraphCost, cost_of

#: The warm-up goes on until both are reached, and every shape of image was seen once.
WARM_UP_CALLS, WARM_UP_SECONDS = 5, 1.0
#: Images of a folder that are read into memory; more would be timed as these are.
MOST_IMAGES = 200


def measure(request: dict[str, Any], tell: Callable[[Any], None]) -> dict[str, Any]:
    """Times one model by the protocol of `tfzoo.timing.benchmark`; gives the fields of a `Timing`.

    Raises:
        TfzooError: The model can't be had or run, or the images can't be read.
    """
    images, image_set = _images(request)
    name, runtime = request["model"], request["runtime"]
    model = get_model(name)
    # Importing a runtime takes seconds of its own, whatever the model.
    if runtime in NEEDS:
        import_module(NEEDS[runtime])
    start = time.perf_counter()
    precision = request["precision"]
    detector = load(name, device=request["device"], runtime=runtime, precision=precision)
    load_s = time.perf_counter() - start
    first_call_ms = _timed_ms(detector, images[0])
    warm_up = _warm_up(detector, images)
    watch = Watch(detector.run_info.device)
    calls_ms = _time_calls(detector, images, request["min_images"], request["min_seconds"])
    notes = watch.notes()
    p50, p90, p95, p99 = (float(value) for value in np.percentile(calls_ms, (50, 90, 95, 99)))
    seconds = sum(calls_ms) / 1000
    libraries = (*dict.fromkeys(NEEDS.values()), "numpy")
    environment = describe_environment(detector.run_info.device, libraries)
    return Timing(
        model=model.id,
        device=detector.run_info.device,
        mean_ms=round(1000 * seconds / len(calls_ms), 3),
        p50_ms=round(p50, 3),
        p90_ms=round(p90, 3),
        p95_ms=round(p95, 3),
        p99_ms=round(p99, 3),
        throughput_fps=round(len(calls_ms) / seconds, 3),
        spread=round(p95 / p50, 3),
        load_s=round(load_s, 3),
        first_call_ms=round(first_call_ms, 1),
        warm_up=warm_up,
        images=len(calls_ms),
        seconds=round(seconds, 2),
        peak_host_mb=peak_host_mb(),
        peak_device_mb=_peak_device_mb(detector),
        runtime=detector.run_info.runtime,
        precision=detector.run_info.precision,
        image_set=image_set,
        notes="; ".join(notes) or None,
        load_average=watch.load_average,
        threads=_threads(detector),
        model_digest=model.digest,
        vouched_by=model.vouchers,
        # Looked for when all is measured: to see that they are whole, files are read.
        size_mb=files_of(model, detector.runtime.name, precision).size_mb,
        **asdict(environment),
        # Last: it takes memory of its own.
        **asdict(_cost(model, images[0])),
    ).to_json()


def _cost(model: StoredModel, image: Image) -> GraphCost:
    # Where TensorFlow comes only now, it is to count, and to take no GPU's memory for that.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        return cost_of(model, image)
    except TfzooError:
        # A time is no less one where its network can't be counted.
        return GraphCost()


def _images(request: dict[str, Any]) -> tuple[list[Image], str]:
    """The images in host memory, and what they are."""
    if request["images"] is None:
        height, width = request["image_size"]
        return [generated_image(height, width)], f"generated {height}x{width}"
    images: list[Image] = []
    for found in find_images([request["images"]]):
        try:
            images.append(read_image(found.path))
        except ImageError:
            continue
        if len(images) == MOST_IMAGES:
            break
    if not images:
        raise UsageError(f"{request['images']} holds no image that can be read")
    return images, f"{request['images']}: {len(images)} images"


def generated_image(height: int, width: int) -> Image:
    """A picture of soft patches with grain, always the same: uint8 [height, width, 3]."""
    from PIL import Image as Pillow

    random = np.random.default_rng(0)
    patches = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    smooth = np.asarray(
        Pillow.fromarray(patches).resize((width, height), Pillow.Resampling.BICUBIC), np.float32
    )
    grain = random.normal(0, 8, (height, width, 3))
    image: Image = np.clip(smooth + grain, 0, 255).astype(np.uint8)
    return image


def _timed_ms(detector: Detector, image: Image) -> float:
    start = time.perf_counter_ns()
    # Returns numpy arrays in host memory: the device has been waited for.
    detector.detect(image)
    return (time.perf_counter_ns() - start) / 1e6


def _warm_up(detector: Detector, images: list[Image]) -> int:
    # A runtime may compile anew for every shape.
    shapes = list({image.shape: image for image in images}.values())
    start = time.perf_counter()
    calls = 0
    while calls < max(WARM_UP_CALLS, len(shapes)) or time.perf_counter() - start < WARM_UP_SECONDS:
        detector.detect(shapes[calls % len(shapes)])
        calls += 1
    return calls


def _time_calls(
    detector: Detector, images: list[Image], min_images: int, min_seconds: float
) -> list[float]:
    calls_ms: list[float] = []
    start = time.perf_counter()
    while len(calls_ms) < min_images or time.perf_counter() - start < min_seconds:
        calls_ms.append(_timed_ms(detector, images[len(calls_ms) % len(images)]))
    return calls_ms


def _is_tensorflow(detector: Detector) -> bool:
    return NEEDS[detector.runtime.name] == "tensorflow"


def _peak_device_mb(detector: Detector) -> float | None:
    if not _is_tensorflow(detector) or not detector.run_info.device.startswith("gpu"):
        return None
    import tensorflow as tf

    info = tf.config.experimental.get_memory_info(detector.run_info.device.upper())
    peak_bytes: int = info["peak"]
    return round(peak_bytes / 1e6, 1)


def _threads(detector: Detector) -> int | None:
    if not _is_tensorflow(detector):
        return None
    import tensorflow as tf

    # 0 means as many as there are cores.
    return tf.config.threading.get_intra_op_parallelism_threads() or usable_cores()


if __name__ == "__main__":
    answer(measure)
