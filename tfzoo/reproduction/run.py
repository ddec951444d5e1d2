"""The whole table, each row kept as soon as it is measured; several models at once where wished."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from tfzoo.options import called_with
from tfzoo.report.report_files import check_out, report_run
from tfzoo.report.report_rows import Failure
from tfzoo.reproduction.journal import Journal, open_journal, read_journal
from tfzoo.reproduction.nodes import node_places
from tfzoo.reproduction.places import Place, PlaceLostError, local_places
from tfzoo.reproduction.plan import Plan, Planned, make_plan
from tfzoo.reproduction.rows import Outcome, Row, judged
from tfzoo.reproduction.settings import ReproduceSettings
from tfzoo.reproduction.steps import Model, outcome_of
from tfzoo.reproduction.turns import Stopped, Turn
from tfzoo.threads import Workers


@called_with(ReproduceSettings)
def reproduce(settings: ReproduceSettings) -> list[Row]:  # noqa: D417 - `called_with` tells of them
    """Reproduces rows of the table: each model fetched, evaluated, timed, judged and reported.

    Whatever ends it, the same call goes on: what was measured is not measured again. A model that
    fails is a row with its reason. Accuracy and time are measured in processes of their own;
    nothing else of it computes on a machine while a model is timed there.

    Args:
        on_step: Told what is being done, how many steps are done, and of how many; from a thread
            for each model that is measured at once, one at a time.
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
    outcomes: dict[tuple[int, str], Outcome] = {}
    with open_journal(results) as journal:
        plan = make_plan(settings, journal)
        with closing(_measured(plan, settings, journal)) as found:
            for number, outcome in found:
                if (number, outcome.runtime) in outcomes:
                    continue  # Told before its machine was lost.
                outcomes[number, outcome.runtime] = outcome
                if settings.on_row is not None:
                    settings.on_row(_judged(results, [outcome])[0])
        skipped = [
            outcome_of(model.id, "", settings, {}, model.skipped)
            for model in plan.models
            if model.skipped is not None
        ]
        places = {name: place for place, name in enumerate(settings.runtimes)}
        ordered = sorted(outcomes, key=lambda key: (key[0], places[key[1]]))
        rows = _judged(results, [*(outcomes[key] for key in ordered), *skipped])
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


def _judged(results: Path, outcomes: list[Outcome]) -> list[Row]:
    """The rows of outcomes; not reckoned beside anything that is timed."""
    with Turn().shared():
        return judged(results, outcomes)


def _places(
    settings: ReproduceSettings, stop: threading.Event
) -> AbstractContextManager[list[Place]]:
    def check() -> None:
        if stop.is_set():
            raise Stopped

    if settings.engine == "ray":
        return node_places(settings, check)
    return nullcontext([*local_places(settings, check)])


def _measured(
    plan: Plan, settings: ReproduceSettings, journal: Journal
) -> Generator[tuple[int, Outcome], None, None]:
    """What comes of each model, with its number in the plan, in the order in which it comes."""
    told = threading.Lock()
    if (on_step := settings.on_step) is not None:

        def in_turn(doing: str, done: int, of: int) -> None:
            with told:
                on_step(doing, done, of)

        settings = replace(settings, on_step=in_turn)
    todo = deque(enumerate(plan.wanted))
    of = len(todo)
    stop = threading.Event()
    with _places(settings, stop) as places:
        workers = Workers(len(places), "reproduce")
        try:
            while todo and places:
                finds: SimpleQueue[tuple[int, Outcome] | _Ended] = SimpleQueue()
                for place in places:
                    one = _Worker(place, settings, journal, todo, of, finds)
                    workers.submit(one.work)
                left = len(places)
                while left:
                    found = finds.get()
                    if not isinstance(found, _Ended):
                        yield found
                        continue
                    left -= 1
                    if isinstance(found.error, PlaceLostError):
                        places.remove(found.place)
                    elif found.error is not None:
                        raise found.error
        finally:
            stop.set()
            workers.close()
    for number, planned in todo:
        error = "it was not measured: every machine of the cluster has left"
        for runtime in settings.runtimes:
            yield number, outcome_of(planned.id, runtime, settings, {}, error)


@dataclass(frozen=True)
class _Ended:
    """A worker has ended, for want of models or by an error."""

    place: Place
    error: BaseException | None


@dataclass(frozen=True)
class _Worker:
    """Takes a model after the other to a place."""

    place: Place
    settings: ReproduceSettings
    journal: Journal
    todo: deque[tuple[int, Planned]]
    of: int
    finds: SimpleQueue[tuple[int, Outcome] | _Ended]

    def work(self) -> None:
        """Works until no model is left."""
        try:
            self._work()
        except BaseException as error:  # Raised where all is waited for.
            self.finds.put(_Ended(self.place, error))
        else:
            self.finds.put(_Ended(self.place, None))

    def _work(self) -> None:
        while self.todo:
            try:
                number, planned = self.todo.popleft()
            except IndexError:  # Another was faster.
                return
            title = f"{number + 1} of {self.of}, {planned.name}"
            model = Model(planned, self.place, self.settings, self.journal, title)
            try:
                for outcome in model.outcomes():
                    self.finds.put((number, outcome))
            except PlaceLostError:
                self.todo.appendleft((number, planned))
                raise
