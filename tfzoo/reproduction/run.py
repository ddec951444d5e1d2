"""The whole table, a model after the other, each row kept as soon as it is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from tfzoo.errors import TfzooError
from tfzoo.options import called_with
from tfzoo.prepare.choice import candidates, on_gpu
from tfzoo.report.report_files import check_out, report_run
from tfzoo.report.report_rows import Failure
from tfzoo.reproduction.journal import Journal, Measured, Step, open_journal, read_journal
from tfzoo.reproduction.plan import STEPS, Plan, Planned, asked, make_plan
from tfzoo.reproduction.rows import Outcome, Row, judged
from tfzoo.reproduction.settings import ReproduceSettings, command_of
from tfzoo.reproduction.steps import evaluated, timed
from tfzoo.store import upkeep
from tfzoo.store.models import StoredModel, get_model, is_here


@called_with(ReproduceSettings)
def reproduce(settings: ReproduceSettings) -> list[Row]:  # noqa: D417 - `called_with` tells of them
    """Reproduces rows of the table: each model fetched, evaluated, timed, judged and reported.

    Whatever ends it, the same call goes on: what was measured is not measured again. A model that
    fails is a row with its reason. Accuracy and time are measured in processes of their own, one
    after the other.

    Args:
        on_step: Told what is being done, how many steps are done, and of how many.
        on_row: Told of each row as soon as it is measured.

    Returns:
        A row for each model and runtime, with its verdicts.

    Raises:
        UsageError: A name or pattern fits no model, or there are no images.
        MeasurementError: The results folder can't be written, or another run holds it.
        OutputError: The report can't be written, or what lies there is none.
    """
    results = Path(settings.results)
    check_out(settings.report)
    outcomes = []
    with open_journal(results) as journal:
        plan = make_plan(settings, journal)
        for number, planned in enumerate(plan.wanted):
            for outcome in _Model(planned, settings, journal, number, len(plan.wanted)).outcomes():
                outcomes.append(outcome)
                if settings.on_row is not None:
                    settings.on_row(judged(results, [outcome])[0])
        skipped = [
            _outcome(model.id, "", settings, {}, model.skipped)
            for model in plan.models
            if model.skipped is not None
        ]
        rows = judged(results, [*outcomes, *skipped])
        report_run(results, Path(settings.report), _failures(rows))
        return rows


def _failures(rows: Sequence[Row]) -> list[Failure]:
    return [
        Failure(row.name, row.runtime, row.error, dict(row.about)["command"])
        for row in rows
        if row.error is not None
    ]


@called_with(ReproduceSettings)
def plan_reproduction(settings: ReproduceSettings) -> Plan:  # noqa: D417 - `called_with` tells
    """What `reproduce` would do: models, downloads, disk, time; nothing is done.

    Args:

    Raises:
        UsageError: A name or pattern fits no model, or there are no images.
    """  # noqa: D414 - `called_with` fills in the arguments
    return make_plan(settings, read_journal(Path(settings.results)))


def _outcome(
    model: str,
    runtime: str,
    settings: ReproduceSettings,
    measured: dict[Step, Measured],
    error: str | None,
) -> Outcome:
    command = command_of(model, runtime, settings)
    return Outcome(model, runtime, settings.precision, measured, error, command)


class _Model:
    """One model of the plan on its way to its rows."""

    def __init__(
        self, planned: Planned, settings: ReproduceSettings, journal: Journal, number: int, of: int
    ) -> None:
        self._id, self._settings, self._journal = planned.id, settings, journal
        self._title = f"{number + 1} of {of}, {planned.name}"

    def outcomes(self) -> Iterator[Outcome]:
        """What comes of each runtime; at the end what was fetched for this may be removed."""
        stored = self._stored() if is_here(self._id) else None
        for runtime in self._settings.runtimes:
            measured = self._measured(runtime, stored)
            error = None
            missing = [step for step in STEPS if step not in measured]
            if missing and stored is None:
                stored = self._stored()
            if isinstance(stored, StoredModel) and missing:
                if not self._can_run(stored, runtime):
                    continue
                error = self._measure(missing, runtime, measured)
            elif isinstance(stored, TfzooError) and missing:
                error = str(stored)
            yield _outcome(self._id, runtime, self._settings, measured, error)
        if self._settings.free_disk and self._journal.fetched(self._id) and is_here(self._id):
            upkeep.remove(self._id)
            self._journal.removed(self._id)

    def _measured(
        self, runtime: str, stored: StoredModel | TfzooError | None
    ) -> dict[Step, Measured]:
        """What was measured before, of the same files where they lie here."""
        if self._settings.again:
            return {}
        found = {
            step: self._journal.find(self._id, step, asked(self._settings, step, runtime))
            for step in STEPS
        }
        digest = stored.digest if isinstance(stored, StoredModel) else None
        return {
            step: one
            for step, one in found.items()
            if one is not None and digest in (None, one.digest)
        }

    def _stored(self) -> StoredModel | TfzooError:
        """The model, fetched if need be, or why it can't be had."""
        try:
            if not is_here(self._id):
                self._tell("fetching")
                self._journal.fetching(self._id)
            return get_model(self._id)
        except TfzooError as error:
            return error

    def _can_run(self, model: StoredModel, runtime: str) -> bool:
        """Whether a runtime that `all` means runs this model; one that was named is tried."""
        if len(self._settings.runtimes) == 1 or not model.path.is_dir():
            return True
        return runtime in ("auto", "xla", *candidates(model, on_gpu(self._settings.device)))

    def _measure(
        self, missing: list[Step], runtime: str, measured: dict[Step, Measured]
    ) -> str | None:
        """Takes the missing steps; says why one failed."""
        errors = []
        for step in missing:
            try:
                if step == "accuracy":
                    tell = partial(self._tell, f"evaluating with {runtime}")
                    rows, _ = evaluated(self._id, runtime, self._settings, tell)
                else:
                    self._tell(f"timing {runtime}")
                    rows = [timed(self._id, runtime, self._settings)]
            except TfzooError as error:
                errors.append(str(error))
                continue
            key = asked(self._settings, step, runtime)
            measured[step] = Measured(self._id, step, key, rows)
            self._journal.keep(measured[step])
        return "; ".join(errors) or None

    def _tell(self, doing: str, done: int = 0, of: int = 0) -> None:
        if self._settings.on_step is not None:
            self._settings.on_step(f"{self._title}: {doing}", done, of)
