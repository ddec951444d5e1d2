"""What each model takes on this machine: measured where it was timed here, else forecast.

A few models that are here already are timed, where they were not yet: the embedded one and up to
two of the cache. Their times are measurements like any other, rows of `timing.csv`; so what
`tfzoo benchmark` adds later makes the forecast better, and shows how good it was.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tfzoo.errors import MeasurementError, UsageError
from tfzoo.hardware import hardware_name
from tfzoo.loading import known_runtime
from tfzoo.prepare.choice import USUAL_IMAGES, on_gpu
from tfzoo.prepare.prepared import library_version
from tfzoo.report.forecast import Latency, Timed, forecast_latencies, leave_one_out
from tfzoo.report.points import Point, joined, rated_points
from tfzoo.report.speed import Machine, machine_of
from tfzoo.results import number, read_rows
from tfzoo.runtimes.runtime import NEEDS
from tfzoo.settings import prepares_unasked
from tfzoo.store.models import describe, get_model
from tfzoo.timing.benchmark import benchmark
from tfzoo.timing.settings import IMAGE_SIZE
from tfzoo.trials.measure import prepared_choice
from tfzoo.zoo.manifest import DEFAULT_MODEL, Manifest, load_manifest
from tfzoo.zoo.schema import SINGLE_FILES, ModelSpec

#: So many models are timed for a forecast, none of which computes more than this.
MOST_TIMED, MOST_GMACS = 3, 60.0
#: For how long each at least.
_MIN_IMAGES, _MIN_SECONDS = 10, 2.0
_IMAGE_SET = "generated {}x{}".format(*IMAGE_SIZE)

#: Told which model is being timed.
OnModel = Callable[[str], None]


@dataclass(frozen=True)
class LatencyHere:
    """What one model takes on this machine.

    Attributes:
        spec: The model.
        measured_ms: Mean milliseconds an image, or None where it was not timed here.
        forecast: What it is forecast to take from the other models that were timed, or None.
        reason: Why there is no forecast, or None.
        disturbed: What disturbed the measurement, as timing.csv notes it, or None.
    """

    spec: ModelSpec
    measured_ms: float | None = None
    forecast: Latency | None = None
    reason: str | None = None
    disturbed: str | None = None

    @property
    def error(self) -> float | None:
        """Measured over forecast time, where there are both."""
        if self.measured_ms is None or self.forecast is None:
            return None
        return self.measured_ms / self.forecast.ms

    def to_json(self) -> dict[str, Any]:
        """The figures by name; `speed` says which of both counts."""
        forecast = None if self.forecast is None else asdict(self.forecast)
        known = "measured" if self.measured_ms is not None else forecast and "forecast"
        return {
            "id": self.spec.id,
            "name": self.spec.name,
            "speed": known,
            "measured_ms": self.measured_ms,
            "forecast": forecast,
            "measured_over_forecast": self.error,
            "reason": self.reason,
            "disturbed": self.disturbed,
        }


@dataclass(frozen=True)
class ForecastError:
    """How far forecasts were from what was measured, each made without the model itself.

    Attributes:
        models: How many models have both.
        median_factor: Half of them were off by less than this factor, up or down.
        worst_factor: The one that was off most.
        within: How many were measured within their 95 % interval.
    """

    models: int
    median_factor: float
    worst_factor: float
    within: int


@dataclass(frozen=True)
class LatenciesHere:
    """What every model takes on this machine.

    Attributes:
        machine: Device, hardware, runtime and image that all times are of.
        models: The manifest's models in its order, then the project's own.
        failed: Models that were to be timed and could not be, each with its reason.
    """

    machine: Machine
    models: tuple[LatencyHere, ...]
    failed: tuple[str, ...] = ()

    @property
    def timed(self) -> list[LatencyHere]:
        """The models that the forecast rests on."""
        return [
            one
            for one in self.models
            if one.measured_ms is not None and one.spec.operations is not None
        ]

    @property
    def error(self) -> ForecastError | None:
        """The forecast's error on what was measured; None where one model alone was."""
        errors = {one.spec.id: one.error for one in self.timed if one.error is not None}
        if not errors:
            return None
        factors = [max(error, 1 / error) for error in errors.values()]
        within = sum(
            one.forecast.holds(one.measured_ms)
            for one in self.timed
            if one.forecast is not None and one.measured_ms is not None
        )
        return ForecastError(len(factors), statistics.median(factors), max(factors), within)

    def points(self, rated: Iterable[Point] | None = None) -> list[Point]:
        """Points to recommend from: each model's mAP beside its time here.

        Args:
            rated: Their accuracy; None takes what is reported.
        """
        known = [one for one in self.models if (one.measured_ms or one.forecast) is not None]
        speeds = [_point(one, self.machine) for one in known]
        return joined(rated_points(load_manifest()) if rated is None else rated, speeds)

    def to_json(self) -> dict[str, Any]:
        """All of it, as `tfzoo recommend --here --json` prints it."""
        return {
            "machine": asdict(self.machine),
            "timed": [one.spec.id for one in self.timed],
            "error": None if self.error is None else asdict(self.error),
            "failed": list(self.failed),
            "models": [one.to_json() for one in self.models],
        }


def _point(one: LatencyHere, machine: Machine) -> Point:
    ms, interval, note = one.measured_ms, None, f"Timed on {machine}."
    if ms is None:
        assert one.forecast is not None  # It would be no point.
        ms, interval = one.forecast.ms, (one.forecast.low_ms, one.forecast.high_ms)
        note = f"A forecast for {machine}."
    return Point(
        one.spec.id,
        one.spec.name,
        one.spec.family,
        one.spec.stages,
        one.spec.anchors,
        one.spec.outputs,
        fps=1000 / ms,
        latency_ms=ms,
        latency_interval=interval,
        speed_notes=(note,),
    )


def forecast_here(
    *,
    runtime: str = "auto",
    device: str = "auto",
    results: str | PathLike[str] | None = "results",
    on_model: OnModel = lambda doing: None,
) -> LatenciesHere:
    """What every model would take on this machine, before any is downloaded.

    Where fewer were timed here yet, the embedded model and up to two of the cache are timed first,
    for seconds each, and become rows of `timing.csv`. All other times are forecast from those of
    this machine and runtime, and the operations that the manifest gives.

    Args:
        runtime: Whose times: `tensorflow`, `frozen`, `xla`, `openvino`, `onnx`, or `auto`: what it
            takes here for the largest of the models timed.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        results: Folder of `timing.csv`; None neither reads nor writes one.
        on_model: Told what is being done.

    Returns:
        For each model what was measured or forecast. Times that were measured have a forecast as
        well, made without them, so that its error shows.

    Raises:
        UsageError: There is no such runtime.
        MeasurementError: No model could be timed, or `timing.csv` can't be read or written.
    """
    if runtime not in ("auto", *NEEDS):
        raise UsageError(f"no runtime is called '{runtime}'; there are auto, {', '.join(NEEDS)}")
    manifest = load_manifest()
    table = None if results is None else Path(results) / "timing.csv"
    rows: list[Mapping[str, Any]] = [] if table is None else list(read_rows(table))
    models = _models_to_time(manifest)
    if runtime == "auto":
        on_model(f"finding out which runtime suits {models[-1].id}")
        runtime = _fastest(models[-1], device)
    machine = _machine(runtime, device)
    failed = []
    for spec in models:
        if any(_is_of(row, machine) and row["model"] == spec.id for row in rows):
            continue
        on_model(f"timing {spec.id} with {runtime}")
        timing = benchmark(
            spec.id,
            runtime=runtime,
            device=device,
            min_images=_MIN_IMAGES,
            min_seconds=_MIN_SECONDS,
            results=results,
        )
        if timing.error is not None:
            failed.append(f"{spec.id}: {timing.error}")
            continue
        rows.append(timing.to_json())
        # The runtime itself knows its version and the device.
        machine = machine_of(rows[-1])
    return latencies_from(manifest, rows, machine, failed)


def _models_to_time(manifest: Manifest) -> list[ModelSpec]:
    """The embedded model and the largest of the cache that are timed in seconds, least first."""
    here = [
        spec
        for spec in manifest.models
        if spec.operations is not None
        and spec.operations.gmacs <= MOST_GMACS
        and spec.archive.endswith(".tar.gz")
        and describe(spec) is not None
    ]
    here.sort(key=lambda spec: spec.operations.gmacs if spec.operations else 0)
    embedded = next(spec for spec in manifest.demo if spec.id == DEFAULT_MODEL)
    return [embedded, *here[1 - MOST_TIMED :]]


def _fastest(spec: ModelSpec, device: str) -> str:
    """What `auto` takes for a model here, measured where it was not yet."""
    model = get_model(spec, offline=True)
    known = known_runtime(model, "auto", device, USUAL_IMAGES)
    if known is None and prepares_unasked():
        known = prepared_choice(model, device).best(USUAL_IMAGES).runtime
    return known or "tensorflow"


def _machine(runtime: str, device: str) -> Machine:
    """What times of this machine are known by."""
    used = (device if ":" in device else "gpu:0") if on_gpu(device) else "cpu"
    version = f"{runtime} {library_version(runtime)}"
    return Machine(used, hardware_name(used), version, _IMAGE_SET)


def _is_of(row: Mapping[str, Any], machine: Machine) -> bool:
    """Whether a row is a time of a machine, of full precision and an image at a time."""
    return (
        machine_of(row) == machine
        and (row.get("precision") or "float32") == "float32"
        and (number(row, "batch") or 1) == 1
        and (number(row, "mean_ms") or 0) > 0
    )


def latencies_from(
    manifest: Manifest,
    rows: Iterable[Mapping[str, Any]],
    machine: Machine,
    failed: Sequence[str] = (),
) -> LatenciesHere:
    """What every model takes on a machine, by what was measured there.

    Args:
        manifest: The models, with their operations.
        rows: Of timing.csv; those of other machines are left out, of a model's the newest counts.
        machine: Device, hardware, runtime and image.
        failed: Models that could not be timed, each with its reason.

    Raises:
        MeasurementError: No model with known operations was timed on this machine.
    """
    newest = {row["model"]: row for row in rows if _is_of(row, machine)}
    times = {model: number(row, "mean_ms") for model, row in newest.items()}
    timed = [
        Timed(spec, ms)
        for spec in manifest.all_models
        if (ms := times.get(spec.id)) and _why_not(spec, machine) is None
    ]
    if not timed:
        because = "".join(f"\n  {reason}" for reason in failed)
        raise MeasurementError(
            f"no forecast for {machine}: none of the models here could be timed; try another "
            f"runtime with --runtime{because}"
        )
    checked = leave_one_out(timed) if len(timed) > 1 else []
    known = {one.spec.id: latency for one, latency in zip(timed, checked, strict=False)}
    wanted = [
        spec
        for spec in manifest.all_models
        if spec.id not in {one.spec.id for one in timed} and _why_not(spec, machine) is None
    ]
    known |= {
        spec.id: latency
        for spec, latency in zip(wanted, forecast_latencies(timed, wanted), strict=True)
    }
    models = []
    for spec in manifest.all_models:
        reason = _why_not(spec, machine)
        if reason is None and spec.id not in known:
            reason = "nothing else was timed here to forecast it from"
        disturbed = newest.get(spec.id, {}).get("notes") or None
        models.append(LatencyHere(spec, times.get(spec.id), known.get(spec.id), reason, disturbed))
    return LatenciesHere(machine, tuple(models), tuple(failed))


def _why_not(spec: ModelSpec, machine: Machine) -> str | None:
    """Why a model has no forecast on a machine, or None where it has one."""
    runtime = machine.runtime.partition(" ")[0]
    if spec.operations is None:
        return "what it computes is not known: no public config or graph says"
    ending = Path(spec.archive).suffix
    opened_by = {"onnx", "openvino"} if ending == ".onnx" else {SINGLE_FILES.get(ending, runtime)}
    if runtime not in opened_by:
        return f"it comes as {ending}, which {runtime} does not open"
    return None
