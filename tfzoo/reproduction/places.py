"""Where models are measured: a place is one model's at a time, on a device of a machine.

What is done at a place is done in processes of their own, in turns (`turns.py`): nothing is timed
beside anything else on the machine.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

from tfzoo.accuracy.settings import EvaluateSettings, ImageOptions
from tfzoo.errors import MeasurementError, TfzooError, UsageError
from tfzoo.options import runtime_of
from tfzoo.prepare.choice import candidates, on_gpu
from tfzoo.processes import answer_of
from tfzoo.reproduction.settings import ReproduceSettings
from tfzoo.reproduction.turns import Stretch, Turn, go_on
from tfzoo.store import upkeep
from tfzoo.store.models import get_model, is_here
from tfzoo.timing.benchmark import measure_time
from tfzoo.timing.settings import BenchmarkSettings
from tfzoo.trials.occasion import why_prepare

#: Told how many of something are done, and of how many (0: not known).
OnCount = Callable[[int, int], None]


@dataclass(frozen=True)
class Taken:
    """What came of a step.

    Attributes:
        rows: Of `accuracy.csv` or `timing.csv`.
        host: Name of the machine that it was taken on.
        stretches: When it was at work: each beginning and end, UTC, ISO 8601.
    """

    rows: list[dict[str, Any]]
    host: str
    stretches: list[Stretch]


class PlaceLostError(TfzooError):
    """A place is no more: its machine has left. What was measured there is to be measured again."""


class Place(Protocol):
    """A place; each of its methods raises a `TfzooError` where it can't be done."""

    @property
    def host(self) -> str:
        """Name of the machine."""

    def digest(self, model: str) -> str | None:
        """Digest of a model that lies here, or None."""

    def fetch(self, model: str, on_count: OnCount) -> str:
        """Fetches a model if need be; gives its digest."""

    def runs(self, model: str, runtime: str) -> bool:
        """Whether a runtime may run a model that lies here."""

    def evaluate(self, model: str, runtime: str, on_count: OnCount) -> Taken:
        """Evaluates a model that lies here."""

    def time(self, model: str, runtime: str) -> Taken:
        """Times a model that lies here, alone on the machine."""

    def remove(self, model: str) -> None:
        """Removes a model from the cache."""


@dataclass(frozen=True)
class LocalPlace:
    """A place on this machine.

    Attributes:
        settings: What is measured.
        variables: The environment in which it is, beside this process's.
        check: Raises `Stopped` when nobody wants it any more.
    """

    settings: ReproduceSettings
    variables: dict[str, str] = field(default_factory=dict)
    check: Callable[[], None] = go_on

    @property
    def host(self) -> str:
        """See `Place`."""
        return platform.node()

    def digest(self, model: str) -> str | None:
        """See `Place`."""
        with Turn(self.check).shared():  # A folder's digest is reckoned.
            return get_model(model).digest if is_here(model) else None

    def fetch(self, model: str, on_count: OnCount) -> str:
        """See `Place`."""
        digest: str = self._asked("fetch", model, on_count=on_count)
        return digest

    def runs(self, model: str, runtime: str) -> bool:
        """See `Place`."""
        stored = get_model(model)
        on = on_gpu(self.settings.device)
        return not stored.path.is_dir() or runtime in ("auto", "xla", *candidates(stored, on))

    def evaluate(self, model: str, runtime: str, on_count: OnCount) -> Taken:
        """See `Place`."""
        settings = self.settings
        images = {one.name: getattr(settings, one.name) for one in fields(ImageOptions)}
        asked = EvaluateSettings(
            model,
            runtime=runtime_of(runtime, settings.precision),
            precision=settings.precision,
            device=settings.device,
            results=settings.results,
            **images,
        )
        turn = Turn(self.check)
        try:
            self._prepare(model, runtime)
            rows = self._asked("evaluate", asked, on_count=on_count, turn=turn)
        except TfzooError as error:
            raise MeasurementError(f"evaluating failed: {error}") from None
        return Taken(rows, self.host, turn.stretches)

    def time(self, model: str, runtime: str) -> Taken:
        """See `Place`."""
        settings = self.settings
        self._prepare(model, runtime)
        asked = BenchmarkSettings(
            model,
            runtime=runtime,
            precision=settings.precision,
            device=settings.device,
            min_images=settings.min_images,
            min_seconds=settings.min_seconds,
            timeout_s=settings.timeout_s,
            results=None,
        )
        turn = Turn(self.check)
        with turn.alone():
            timing = measure_time(asked, lambda process: self.check(), self.variables)
        if timing.error is not None:
            raise MeasurementError(f"timing failed: {timing.error}")
        return Taken([timing.to_json()], self.host, turn.stretches)

    def remove(self, model: str) -> None:
        """See `Place`."""
        if is_here(model):
            upkeep.remove(model)

    def _prepare(self, model: str, runtime: str) -> None:
        """Measures what `auto` is to take where that is not known: alone, as all that is timed."""
        settings = self.settings
        if runtime != "auto" or settings.precision != "float32":
            return
        if why_prepare(get_model(model), runtime, settings.device):
            with Turn(self.check).alone():
                answer_of(
                    "tfzoo.reproduction.step_process",
                    ("prepare", (model, settings.device)),
                    on_beat=lambda process: self.check(),
                    variables=self.variables,
                )

    def _asked(self, step: str, given: Any, *, on_count: OnCount, turn: Turn | None = None) -> Any:
        """What a step gives that is taken beside others."""
        turn = turn or Turn(self.check)
        with turn.shared():
            return answer_of(
                "tfzoo.reproduction.step_process",
                (step, (given,)),
                on_told=lambda told: on_count(*told),
                on_beat=turn.heed,
                variables=self.variables,
            )


def local_places(
    settings: ReproduceSettings, check: Callable[[], None] = go_on
) -> list[LocalPlace]:
    """The places of this machine: one a GPU that was named, or as many as were asked for.

    Raises:
        UsageError: A GPU would have more than one model.
    """
    quiet = replace(settings, on_step=None, on_row=None)
    gpus = settings.gpus
    if len(gpus) > 1:
        alone = replace(quiet, device="gpu")
        places = [LocalPlace(alone, _sees(gpu), check) for gpu in gpus]
        if (settings.jobs or 1) > len(gpus):
            raise _too_many(settings.jobs, len(gpus))
        return places[: settings.jobs]
    if (settings.jobs or 1) > 1 and on_gpu(settings.device):
        raise _too_many(settings.jobs, 1)
    return [LocalPlace(quiet, {}, check)] * (settings.jobs or 1)


def _too_many(jobs: int | None, gpus: int) -> UsageError:
    return UsageError(
        f"{jobs} jobs for {gpus} GPU{'s' * (gpus > 1)}: a GPU takes one model at a time. Name as "
        "many GPUs (--device gpu:0,gpu:1), or measure on the processor (--device cpu)"
    )


def _sees(gpu: int) -> dict[str, str]:
    """The environment of a process that sees one GPU alone, as its first: all are `gpu:0`."""
    visible = list(filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")))
    if visible and gpu >= len(visible):
        raise UsageError(
            f"there is no gpu:{gpu} among those that CUDA_VISIBLE_DEVICES names: "
            f"{','.join(visible)}"
        )
    # As the driver counts them, which is how each is asked for its name.
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return order | {"CUDA_VISIBLE_DEVICES": visible[gpu] if visible else str(gpu)}
