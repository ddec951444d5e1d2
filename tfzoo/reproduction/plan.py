"""What a reproduction will do: which models, what is downloaded, the disk it takes, how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from os import fspath
from pathlib import Path
from statistics import median
from typing import Any

from tfzoo.accuracy.evaluate import images_for
from tfzoo.accuracy.settings import ImageOptions
from tfzoo.options import options_of
from tfzoo.reproduction.journal import Journal, Step
from tfzoo.reproduction.settings import ReproduceSettings
from tfzoo.results import number, read_rows
from tfzoo.store.local import identity
from tfzoo.store.models import expanded, is_here
from tfzoo.zoo.manifest import load_manifest
from tfzoo.zoo.schema import ModelSpec

#: The steps of a row, in their order.
STEPS: tuple[Step, ...] = ("accuracy", "speed")

#: What a model takes on the disk, in times of its archive: 2.2 and 3.9 of two with real weights.
_UNPACKED = 3.0
#: Opening and warming up a model for both steps, in seconds, on two cores: 10 to 40.
_OPENING_S = 30.0


@dataclass(frozen=True)
class Planned:
    """One model of a plan.

    Attributes:
        id: Its id, or the path of a model of the user's own.
        name: As the zoo prints it.
        download_mb: What is left to download in MB, 0 for what lies here; None where nobody says.
        seconds: An estimate of the time it takes without the download, or None.
        skipped: Why it is left out, or None.
    """

    id: str
    name: str
    download_mb: float | None
    seconds: float | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class Plan:
    """What will be done.

    Attributes:
        models: In the order in which they are measured.
        free_disk: Whether each is removed again.
        at_once: How many are measured at once on a machine.
    """

    models: tuple[Planned, ...]
    free_disk: bool
    at_once: int = 1

    @property
    def wanted(self) -> tuple[Planned, ...]:
        """The models that are not left out."""
        return tuple(model for model in self.models if model.skipped is None)

    @property
    def download_mb(self) -> float:
        """All downloads in MB, as far as their sizes are known."""
        return sum(model.download_mb or 0 for model in self.wanted)

    @property
    def peak_mb(self) -> float:
        """About what the disk must hold in MB: models, and an archive while it is unpacked."""
        sizes = sorted((model.download_mb or 0 for model in self.wanted), reverse=True)
        largest = sum(sizes[: self.at_once])
        return _UNPACKED * (largest if self.free_disk else sum(sizes)) + largest

    @property
    def seconds(self) -> float | None:
        """An estimate of the whole time without downloads; None where nothing is known yet.

        A model without an estimate is taken for one like the others.
        """
        known = [model.seconds for model in self.wanted if model.seconds is not None]
        return sum(known) / len(known) * len(self.wanted) if known else None

    def to_json(self) -> dict[str, Any]:
        """The plan as `tfzoo reproduce --dry-run --json` prints it."""
        return {
            "models": [asdict(model) for model in self.models],
            "download_mb": round(self.download_mb, 1),
            "peak_mb": round(self.peak_mb, 1),
            "seconds": None if self.seconds is None else round(self.seconds),
        }


def asked(settings: ReproduceSettings, step: Step, runtime: str) -> dict[str, Any]:
    """What a step of a row depends on beside the model, as the journal keeps it."""
    shared = {
        "runtime": runtime,
        "precision": settings.precision,
        "device": "gpu" if len(settings.gpus) > 1 else settings.device,
    }
    if step == "speed":
        return shared | {"images": settings.min_images, "seconds": settings.min_seconds}
    images = {one.name: getattr(settings, one.name) for one, _ in options_of(ImageOptions)}
    return shared | {name: _plain(value) for name, value in images.items()}


def _plain(value: Any) -> Any:
    """An option as JSON holds it; a path the same wherever the command is called."""
    if isinstance(value, int | None) or value in ("faster-coco-eval", "pycocotools", "official"):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    folder = getattr(value, "place", value)  # Of a `CocoSet` that Python was handed.
    return fspath(Path(folder).expanduser().resolve())


def make_plan(settings: ReproduceSettings, journal: Journal) -> Plan:
    """What is to be done for the models that are meant, each once, in the order they are named.

    Raises:
        UnknownModelError, AmbiguousModelError: A name or pattern fits no model, or several.
        UsageError: There are no images to evaluate on.
    """
    specs = _chosen(settings)
    images = _Images(settings)
    pace = _pace(settings)
    return Plan(
        tuple(
            _planned(model, spec, settings, journal, images.count(model), pace)
            for model, spec in specs.items()
        ),
        settings.free_disk,
        settings.jobs or max(1, len(settings.gpus)),
    )


def _chosen(settings: ReproduceSettings) -> dict[str, ModelSpec | None]:
    """The models by id, or by path where no manifest lists them."""
    manifest = load_manifest()
    chosen: dict[str, ModelSpec | None] = {}
    for name in settings.models:
        for model in [name.id] if isinstance(name, ModelSpec) else expanded([fspath(name)]):
            spec = manifest.exact(model)
            if spec is None and not Path(model).expanduser().exists():
                spec = manifest.find(model)
            chosen[spec.id if spec else identity(Path(model).expanduser())] = spec
    if settings.all_models or settings.family or settings.outputs:
        selected = manifest.select(family=settings.family, outputs=settings.outputs)
        chosen |= {spec.id: spec for spec in selected}
    return chosen


class _Images:
    """How many images a model is evaluated on; what serves all is read once."""

    def __init__(self, settings: ReproduceSettings) -> None:
        self._settings = settings
        self._shared: int | None = None

    def count(self, model: str) -> int:
        """The number of images.

        Raises:
            UsageError: There are none to evaluate on.
        """
        if self._shared is not None and not self._has_own(model):
            return self._shared
        found = len(images_for(model, self._settings).files)
        count = min(found, self._settings.limit or found)
        if not self._has_own(model):
            self._shared = count
        return count

    def _has_own(self, model: str) -> bool:
        spec = load_manifest().exact(model)
        given = (self._settings.coco, self._settings.images, self._settings.annotations)
        return spec is not None and spec.held_out is not None and given == (None, None, None)


def _pace(settings: ReproduceSettings) -> Mapping[str, float]:
    """Milliseconds an image by model: as timed here, or reported times this machine's factor."""
    rows = read_rows(Path(settings.results) / "timing.csv")
    timed = {row["model"]: ms for row in rows if (ms := number(row, "mean_ms"))}
    reported = {spec.id: spec.speed_ms for spec in load_manifest().all_models if spec.speed_ms}
    ratios = [ms / reported[model] for model, ms in timed.items() if model in reported]
    factor = median(ratios) if ratios else None
    expected = {} if factor is None else {model: factor * ms for model, ms in reported.items()}
    return expected | timed


def _planned(
    model: str,
    spec: ModelSpec | None,
    settings: ReproduceSettings,
    journal: Journal,
    images: int,
    pace: Mapping[str, float],
) -> Planned:
    name = spec.name if spec else Path(model).name
    if spec is not None and spec.signature == "unknown":
        why = "no figure is reported, and its archive is said to hold no SavedModel"
        return Planned(model, name, 0, skipped=why)
    left = [
        step
        for runtime in settings.runtimes
        for step in STEPS
        if settings.again or journal.find(model, step, asked(settings, step, runtime)) is None
    ]
    if not left:
        return Planned(model, name, 0, 0.0)
    ms = pace.get(model)
    seconds = None
    if ms is not None:
        seconds = left.count("accuracy") * images * ms / 1000
        timing = max(settings.min_seconds, settings.min_images * ms / 1000)
        seconds += left.count("speed") * timing + _OPENING_S * len(settings.runtimes)
    download_mb = 0 if spec is None or is_here(model) else spec.download_mb
    return Planned(model, name, download_mb, seconds)
