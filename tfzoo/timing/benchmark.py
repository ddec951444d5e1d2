"""Time a model takes an image, each model in a fresh process of its own.

The protocol: batch 1, a uint8 image in host memory in, detections as numpy arrays in host memory
out; the export's own post-processing and ours included, devices waited for. Loading and the first
call stand apart. After a warm-up, calls are timed one by one until both a minimum count and a
minimum time are reached.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from tfzoo.errors import TfzooError, UsageError
from tfzoo.results import append_row
from tfzoo.settings import PACKAGE
from tfzoo.store.models import get_model
from tfzoo.zoo.manifest import find_model
from tfzoo.zoo.schema import ModelSpec

#: The image size the zoo's TF1 page states for its own times.
IMAGE_SIZE = (600, 600)


@dataclass(frozen=True)
class Timing:
    """One model's measurement; a field is a column of timing.csv.

    Attributes:
        model: Id of the model, or the path of a model that no manifest lists.
        device: The device really used: `cpu`, `gpu:0`; the one asked for where it failed.
        error: Why there are no figures, or None.
        mean_ms: Mean milliseconds an image; `p50_ms` to `p99_ms` are percentiles.
        throughput_fps: Images a second, one after the other.
        spread: 95th percentile over median: 1 where every call took as long.
        load_s: Opening the model, its files fetched and the runtime imported before, in seconds.
        first_call_ms: The first call, which compiles and allocates.
        warm_up: Calls before the timed ones.
        images: Timed calls.
        seconds: Their total time.
        peak_host_mb: The most host memory the process held, in MB (10^6 bytes).
        peak_device_mb: The most device memory TensorFlow held, in MB; None on the CPU.
        runtime: Runtime and its version.
        image_set: What was detected: `generated 600x600`, or a folder and how many images.
        notes: What disturbed the measurement, and loads it stood beside.
        load_average: The machine's load over the last minute, before the timed calls.
        model_digest: What vouches for the model.
        date: When, UTC, ISO 8601.
        threads: Threads that the runtime works with, where it says.

    The other fields are those of `tfzoo.timing.environment.Environment`.
    """

    model: str
    device: str
    error: str | None = None
    mean_ms: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    throughput_fps: float | None = None
    spread: float | None = None
    load_s: float | None = None
    first_call_ms: float | None = None
    warm_up: int | None = None
    images: int | None = None
    seconds: float | None = None
    peak_host_mb: float | None = None
    peak_device_mb: float | None = None
    batch: int = 1
    runtime: str | None = None
    image_set: str | None = None
    notes: str | None = None
    load_average: float | None = None
    cpu: str | None = None
    cores: int | None = None
    threads: int | None = None
    memory_gb: float | None = None
    gpu: str | None = None
    driver: str | None = None
    cuda: str | None = None
    system: str | None = None
    versions: str | None = None
    model_digest: str | None = None
    date: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The measurement by column."""
        return asdict(self)


TIMING_COLUMNS = tuple(field.name for field in fields(Timing))


def benchmark(
    model: str | PathLike[str] | ModelSpec,
    *,
    device: str = "auto",
    runtime: str = "tensorflow",
    image_size: tuple[int, int] = IMAGE_SIZE,
    images: str | PathLike[str] | None = None,
    min_images: int = 50,
    min_seconds: float = 10.0,
    timeout_s: float = 3600.0,
    results: str | PathLike[str] | None = "results",
) -> Timing:
    """Measures the time a model takes an image, and adds it to `timing.csv`.

    Args:
        model: A name, id, alias, short form, SavedModel folder or archive; fetched beforehand.
        device: `auto`, `cpu`, `gpu` or `gpu:N`.
        runtime: What runs the model (see `tfzoo.load`).
        image_size: Height and width of the generated image, in pixels.
        images: Folder of images to detect instead, in turn; read into memory beforehand.
        min_images: Time at least this many calls,
        min_seconds: and at least for this long.
        timeout_s: Give a model up after this long.
        results: Folder of timing.csv; None writes none.

    Returns:
        The measurement. A model that can't be had, run or finished is one too, with its `error`.

    Raises:
        UsageError: The request itself makes no sense, such as a name that fits no model.
    """
    _check_request(image_size, images, min_images, min_seconds)
    name = fspath(model) if not isinstance(model, ModelSpec) else model.id
    try:
        stored = get_model(model)
        request = {
            "model": name,
            "device": device,
            "runtime": runtime,
            "image_size": list(image_size),
            "images": None if images is None else fspath(images),
            "min_images": min_images,
            "min_seconds": min_seconds,
        }
        measured = _in_a_fresh_process(stored.id, request, timeout_s)
    except UsageError:
        raise
    except TfzooError as error:
        measured = Timing(name, device, error=str(error))
    measured = replace(measured, date=datetime.now(UTC).isoformat(timespec="seconds"))
    if results is not None:
        append_row(Path(results) / "timing.csv", TIMING_COLUMNS, measured.to_json())
    return measured


def _check_request(
    image_size: tuple[int, int],
    images: str | PathLike[str] | None,
    min_images: int,
    min_seconds: float,
) -> None:
    if min(image_size) < 1:
        raise UsageError(f"image size {image_size}: expected height and width from 1 pixel")
    if images is not None and not Path(images).expanduser().is_dir():
        raise UsageError(f"{fspath(images)} is no folder; --images takes a folder of images")
    if min_images < 1 or min_seconds < 0:
        raise UsageError("a measurement takes at least 1 image and no negative time")


def _in_a_fresh_process(model_id: str, request: dict[str, Any], timeout_s: float) -> Timing:
    """Measures in a process of its own: nothing is warm or taken from the model before."""
    with tempfile.TemporaryDirectory(prefix="tfzoo-benchmark-") as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "tfzoo.timing.timed_process", str(answer)]
        try:
            done = subprocess.run(
                command,
                input=json.dumps(request),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=timeout_s,
                env=os.environ | {"PYTHONPATH": _python_path()},
                check=False,
            )
        except subprocess.TimeoutExpired:
            error = f"gave up after {timeout_s:g} s"
            return Timing(model_id, request["device"], error=error)
        if answer.exists():
            return Timing(**json.loads(answer.read_text()))
    return Timing(model_id, request["device"], error=_how_it_ended(done.returncode, done.stderr))


def _python_path() -> str:
    # A checkout that is run from without being installed must be found there too.
    home = str(PACKAGE.parent)
    return os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))


def _how_it_ended(returncode: int, stderr: str) -> str:
    if returncode < 0:
        name = signal.Signals(-returncode).name
        hint = "; probably out of memory" if name == "SIGKILL" else ""
        return f"the process was killed by {name}{hint}"
    last = stderr.strip().splitlines()[-1:] or ["it said nothing"]
    return f"the process ended with exit code {returncode}: {last[0]}"


def check_name(name: str) -> None:
    """Refuses a name that is neither a path nor a model's; fetches nothing.

    Raises:
        UnknownModelError, AmbiguousModelError: The name fits no model, or several.
    """
    if not Path(name).expanduser().exists():
        find_model(name)


def parse_image_size(text: str) -> tuple[int, int]:
    """Height and width of `600x600`, written as the zoo writes them: height first.

    Raises:
        UsageError: It is no such text.
    """
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise UsageError(f"image size '{text}': expected height and width, such as 600x600")
    return int(height), int(width)
