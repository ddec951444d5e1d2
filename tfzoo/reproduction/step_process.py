"""The process that takes a step of a row other than timing; asked by `tfzoo.reproduction.places`.

In a process of its own, whatever a step does can be halted while something else is timed, can be
ended, and costs no more than the step where it crashes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tfzoo.accuracy.evaluate import measure_accuracy
from tfzoo.accuracy.settings import EvaluateSettings
from tfzoo.processes import answer
from tfzoo.store.models import get_model
from tfzoo.store.progress import Step as FetchStep
from tfzoo.trials.measure import prepared_choice

#: Told how many are done, and of how many (0: not known).
Tell = Callable[[tuple[int, int]], None]


def fetch(model: str, tell: Tell) -> str:
    """Fetches a model; gives its digest, and tells of megabytes."""
    last = None

    def on_fetched(step: FetchStep) -> None:
        nonlocal last
        megabytes = (step.done_bytes // 10**6, (step.total_bytes or 0) // 10**6)
        if megabytes != last:
            tell(megabytes)
        last = megabytes

    return get_model(model, report=on_fetched).digest


def prepare(model: str, device: str, tell: Tell) -> None:
    """Measures which runtime suits a model, for `auto`."""
    prepared_choice(get_model(model), device, again=True)


def evaluate(settings: EvaluateSettings, tell: Tell) -> list[dict[str, Any]]:
    """Evaluates a model; gives rows of `accuracy.csv`."""
    told = replace(settings, on_progress=lambda done, total: tell((done, total)))
    return measure_accuracy(told).to_rows()


_STEPS: dict[str, Callable[..., Any]] = {
    "fetch": fetch,
    "prepare": prepare,
    "evaluate": evaluate,
}


def take(request: tuple[str, tuple[Any, ...]], tell: Callable[[Any], None]) -> Any:
    """Takes the step that is asked for: its name, and what it is taken with."""
    name, given = request
    return _STEPS[name](*given, tell)


if __name__ == "__main__":
    answer(take)
