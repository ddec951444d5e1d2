"""Time a model takes an image, each model in a fresh process of its own.

The protocol: batch 1, a uint8 image in host memory in, detections as numpy arrays in host memory
out; the export's own post-processing and ours included, devices waited for. Loading and the first
call stand apart. After a warm-up, calls are timed one by one until both a minimum count and a
minimum time are reached.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from os import fspath
from pathlib import Path
from typing import Any

from tfzoo.errors import TfzooError, UsageError
from tfzoo.options import called_with, command_line, runtime_of
from tfzoo.prepare.prepared import library_version
from tfzoo.processes import answer_of
from tfzoo.results import append_row, read_rows
from tfzoo.runtimes.runtime import NEEDS
from tfzoo.settings import at_home
from tfzoo.store.models import StoredModel, get_model
from tfzoo.timing.settings import BenchmarkSettings
from tfzoo.trials.measure import prepared_choice
from tfzoo.trials.occasion import why_prepare
from tfzoo.zoo.manifest import find_model
from tfzoo.zoo.schema import ModelSpec


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
        runtime: Runtime and its version; where it failed, `auto` may stand for what was not chosen.
        precision: `float32` or `int8`.
        image_set: What was detected: `generated 600x600`, or a folder and how many images.
        notes: What disturbed the measurement, and loads it stood beside.
        load_average: The machine's load over the last minute, before the timed calls.
        model_digest: Digest of the model.
        vouched_by: What vouches for its bytes, `nothing` where nothing does.
        size_mb: The files that the runtime opened, in MB (10^6 bytes).
        parameters: Number of the model's weights (see `tfzoo.timing.graph_cost`); None where they
            can't be counted.
        gflops: Floating-point operations of its network for an image, in 10^9; None likewise.
        command: What measures it again.
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
    precision: str | None = None
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
    vouched_by: str | None = None
    size_mb: float | None = None
    parameters: int | None = None
    gflops: float | None = None
    command: str | None = None
    date: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The measurement by column."""
        return asdict(self)


TIMING_COLUMNS = tuple(field.name for field in fields(Timing))


@called_with(BenchmarkSettings)
def benchmark(settings: BenchmarkSettings) -> Timing:  # noqa: D417 - `called_with` tells of them
    """Measures the time a model takes an image, and adds it to `timing.csv`.

    With None for `results`, no file is written.

    Args:

    Returns:
        The measurement. A model that can't be had, run or finished is one too, with its `error`.

    Raises:
        UsageError: The request itself makes no sense, such as a name that fits no model.
        MeasurementError: `timing.csv` is no such file, or can't be written.
    """  # noqa: D414 - `called_with` fills in the arguments
    table = None if settings.results is None else Path(settings.results) / "timing.csv"
    if table is not None:
        read_rows(table)  # One that can't be added to is told of before the work.
    measured = measure_time(settings)
    if table is not None:
        append_row(table, TIMING_COLUMNS, measured.to_json())
    return measured


def measure_time(
    settings: BenchmarkSettings,
    on_beat: Callable[[subprocess.Popen[bytes]], None] = lambda process: None,
    variables: Mapping[str, str] | None = None,
) -> Timing:
    """As `benchmark`, but nothing is added to `timing.csv`.

    Args:
        settings: Those of `benchmark`.
        on_beat: See `tfzoo.processes.answer_of`.
        variables: Added to the environment of the process that times the model.

    Raises:
        UsageError: As `benchmark` does.
    """
    model, images = settings.model, settings.images
    name = fspath(model) if not isinstance(model, ModelSpec) else model.id
    runtime = runtime_of(settings.runtime, settings.precision)
    try:
        stored = get_model(model)
        if _unprepared(stored, settings):
            prepared_choice(stored, settings.device, again=True)
    except UsageError:
        raise
    except TfzooError as error:
        return _failed(name, runtime, settings, error)
    request = {
        "model": name,
        "device": settings.device,
        "runtime": runtime,
        "precision": settings.precision,
        "image_size": list(settings.image_size),
        "images": None if images is None else fspath(images),
        "min_images": settings.min_images,
        "min_seconds": settings.min_seconds,
    }
    try:
        # In a fresh process nothing is warm or taken from the model before.
        answer = answer_of(
            "tfzoo.timing.timed_process",
            request,
            on_beat=on_beat,
            timeout_s=settings.timeout_s,
            variables=variables,
        )
    except TfzooError as error:
        return _failed(stored.id, runtime, settings, error)
    command = command_line("benchmark", name, settings)
    return replace(Timing(**answer), command=command, date=_now())


def _failed(model: str, runtime: str, settings: BenchmarkSettings, error: TfzooError) -> Timing:
    version = library_version(runtime) if runtime in NEEDS else ""
    return Timing(
        model,
        settings.device,
        error=str(error),
        runtime=f"{runtime} {version}".rstrip(),
        precision=settings.precision,
        command=command_line("benchmark", model, settings),
        date=_now(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _unprepared(model: StoredModel, settings: BenchmarkSettings) -> bool:
    """Whether `auto` is asked for of a model that was not measured yet."""
    if settings.precision != "float32":
        return False
    return why_prepare(model, settings.runtime, settings.device) is not None


def check_name(name: str) -> None:
    """Refuses a name that is neither a path nor a model's; fetches nothing.

    Raises:
        UnknownModelError, AmbiguousModelError: The name fits no model, or several.
    """
    if not at_home(name).exists():
        find_model(name)
