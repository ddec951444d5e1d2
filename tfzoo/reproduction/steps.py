"""One model on its way to its rows: fetched, evaluated, timed, and removed where that is wished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tfzoo.errors import TfzooError
from tfzoo.reproduction.journal import Journal, Measured, Step
from tfzoo.reproduction.places import Place, PlaceLostError
from tfzoo.reproduction.plan import STEPS, Planned, asked
from tfzoo.reproduction.rows import Outcome
from tfzoo.reproduction.settings import ReproduceSettings, command_of


def outcome_of(
    model: str,
    runtime: str,
    settings: ReproduceSettings,
    measured: dict[Step, Measured],
    error: str | None,
) -> Outcome:
    """What came of a model with a runtime."""
    command = command_of(model, runtime, settings)
    return Outcome(model, runtime, settings.precision, measured, error, command)


class Model:
    """One model of the plan, at a place."""

    def __init__(
        self,
        planned: Planned,
        place: Place,
        settings: ReproduceSettings,
        journal: Journal,
        title: str,
    ) -> None:
        self._id, self._title = planned.id, title
        self._place, self._settings, self._journal = place, settings, journal

    def outcomes(self) -> Iterator[Outcome]:
        """What comes of each runtime; at the end what was fetched for this may be removed.

        Raises:
            PlaceLostError: The place is no more.
        """
        found = self._had(self._place.digest, self._id)
        for runtime in self._settings.runtimes:
            measured = self._measured(runtime, found)
            error = None
            missing = [step for step in STEPS if step not in measured]
            if missing and found is None:
                found = self._had(self._fetched)
            if missing and isinstance(found, str):
                if not self._can_run(runtime):
                    continue
                error = self._measure(missing, runtime, measured)
            elif missing:
                error = str(found)
            yield outcome_of(self._id, runtime, self._settings, measured, error)
        host = self._place.host
        if self._settings.free_disk and self._journal.fetched(self._id, host):
            self._place.remove(self._id)
            self._journal.removed(self._id, host)

    def _had(self, get: Callable[..., str | None], *given: str) -> str | TfzooError | None:
        """The model's digest, None where it does not lie at the place, or why it can't be had."""
        try:
            return get(*given)
        except PlaceLostError:
            raise
        except TfzooError as error:
            return error

    def _measured(self, runtime: str, digest: str | TfzooError | None) -> dict[Step, Measured]:
        """What was measured before, of the same files where they lie at the place."""
        if self._settings.again:
            return {}
        found = {
            step: self._journal.find(self._id, step, asked(self._settings, step, runtime))
            for step in STEPS
        }
        return {
            step: one
            for step, one in found.items()
            if one is not None and (not isinstance(digest, str) or digest == one.digest)
        }

    def _fetched(self) -> str:
        self._tell("fetching")
        self._journal.fetching(self._id, self._place.host)
        return self._place.fetch(self._id, partial(self._tell, "fetching"))

    def _can_run(self, runtime: str) -> bool:
        """Whether a runtime that `all` means runs this model; one that was named is tried."""
        return len(self._settings.runtimes) == 1 or self._place.runs(self._id, runtime)

    def _measure(
        self, missing: list[Step], runtime: str, measured: dict[Step, Measured]
    ) -> str | None:
        """Takes the missing steps; says why one failed."""
        errors = []
        for step in missing:
            try:
                if step == "accuracy":
                    tell = partial(self._tell, f"evaluating with {runtime}")
                    taken = self._place.evaluate(self._id, runtime, tell)
                else:
                    self._tell(f"timing {runtime}")
                    taken = self._place.time(self._id, runtime)
            except PlaceLostError:
                raise
            except TfzooError as error:
                errors.append(str(error))
                continue
            key = asked(self._settings, step, runtime)
            stretches = [list(stretch) for stretch in taken.stretches]
            one = Measured(self._id, step, key, taken.rows, taken.host, stretches)
            measured[step] = one
            self._journal.keep(one)
        return "; ".join(errors) or None

    def _tell(self, doing: str, done: int = 0, of: int = 0) -> None:
        if self._settings.on_step is not None:
            self._settings.on_step(f"{self._title}: {doing}", done, of)
