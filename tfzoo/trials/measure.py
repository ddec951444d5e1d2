"""Measures which runtimes run a model here, whether they agree with TensorFlow, and at what cost.

Each runtime runs in a process of its own: threads of one that spin after their work would take the
next one's cores, and a crash ends that process alone. They are timed in alternation, so that
whatever else the machine does disturbs all alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from statistics import median, quantiles
from typing import Any

from tfzoo.detections.agreement import Difference, agreement, difference
from tfzoo.detections.types import Detections
from tfzoo.errors import StoreError, TfzooError
from tfzoo.options import OnStep
from tfzoo.prepare.choice import (
    Choice,
    Trial,
    candidates,
    forget,
    keep_choice,
    known_choice,
    on_gpu,
)
from tfzoo.prepare.prepared import library_version
from tfzoo.store.cache import lock
from tfzoo.store.digests import short
from tfzoo.store.models import StoredModel
from tfzoo.trials.contestant import Contestant
from tfzoo.trials.process import found_in
from tfzoo.trials.quiet import LEAST_CORES, Neighbours

#: Runtimes take turns so often, each for so many seconds alone and as many with several in flight.
ROUNDS, TURN_S = 3, 0.15
#: A model that takes longer than this for an image, in seconds, takes one turn only.
SLOW_S = 1.0

#: Where another runtime is so many times as fast as the export, TensorFlow's frozen form, which
#: takes long to make and to open, is not tried.
BEATEN = 1.5


def prepared_choice(
    model: StoredModel,
    device: str = "auto",
    again: bool = False,
    on_step: OnStep = lambda doing, done, steps: None,
) -> Choice:
    """What is known of a model's runtimes here: measured before, or measured now and kept.

    Args:
        model: From the store; a SavedModel.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        again: Whether to measure anew what was measured before.
        on_step: Told what is being done.

    Raises:
        TfzooError: TensorFlow can't run the model.
    """
    gpu = on_gpu(device)
    known = known_choice(model, gpu)
    if known is not None and not again:
        return known
    with _alone(model, on_step):
        # Another process may have measured it while this one waited.
        found = known_choice(model, gpu)
        if found is not None and found != known:
            return found
        choice = measure(model, device, candidates(model, gpu), on_step)
        # Where it can't be kept, what was measured holds for this process at least.
        with suppress(StoreError):
            try:
                keep_choice(model, choice, gpu)
            except StoreError:
                forget(model, gpu)
    return choice


@contextmanager
def _alone(model: StoredModel, on_step: OnStep) -> Iterator[None]:
    """Keeps two processes from measuring a model at once: each would disturb the other."""
    with ExitStack() as held:
        with suppress(OSError):  # A cache that can't be written has no locks.
            waiting = partial(on_step, "waiting for another process that measures it", 0, 0)
            held.enter_context(lock(f"measure-{short(model.digest)}", waiting))
        yield


def measure(model: StoredModel, device: str, names: list[str], on_step: OnStep) -> Choice:
    """Runs each runtime on the same pictures, in turn.

    Args:
        model: From the store.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        names: The runtimes, TensorFlow first.
        on_step: Told what is being done.

    Raises:
        TfzooError: TensorFlow can't run the model.
    """
    with ExitStack() as open_processes:
        return _Contest(model, device, names, on_step, open_processes).run()


class _Contest:
    """One measurement, step by step."""

    def __init__(
        self,
        model: StoredModel,
        device: str,
        names: list[str],
        on_step: OnStep,
        processes: ExitStack,
    ) -> None:
        self._model, self._device, self._names = model, device, names
        self._processes = processes
        self._on_step = on_step
        self._done, self._steps = -1, 2 + 3 * len(names)
        self._opened: dict[str, Contestant] = {}
        self._out: dict[str, str] = {}
        self._open_s: dict[str, float] = {}
        self._pictures_s = 0.0
        self._found: dict[str, list[Detections | str]] = {}
        self._verdicts: dict[str, tuple[bool, str]] = {}
        self._taken_s: dict[str, list[float]] = {}
        self._together: dict[str, list[float]] = {}

    def run(self) -> Choice:
        """TensorFlow first, then what needs no TensorFlow, then its frozen form if it may win."""
        neighbours = Neighbours()
        first = [name for name in self._names if name not in ("tensorflow", "frozen")]
        with ExitStack() as makers:
            # Forms are made while TensorFlow opens the export, which takes one core.
            making = {name: makers.enter_context(self._make(name)) for name in first}
            self._step("opening the export in TensorFlow")
            self._open("tensorflow")
            self._pictures_s = self._opened["tensorflow"].ask("seconds")
            self._compare("tensorflow")
            for name, maker in making.items():
                self._step(f"making the form for {name}")
                self._try(name, lambda name, maker=maker: maker.answer())  # type: ignore[misc]
        for name in first:
            self._enter(name)
        if first:
            self._time_all()
        if "frozen" in self._names and not self._beaten("frozen"):
            self._step("making the frozen form")
            self._try("frozen", lambda name: self._opened["tensorflow"].ask("prepare", name))
            self._enter("frozen")
            self._time_all()
        busy = neighbours.cores()
        provisional = ""
        if busy > LEAST_CORES:
            provisional = f"other processes used {busy:.1f} cores meanwhile"
        date = datetime.now(UTC).isoformat(timespec="seconds")
        trials = tuple(self._trial(name) for name in self._names)
        self._on_step("done", self._steps, self._steps)
        return Choice(trials, date, provisional)

    def _make(self, name: str) -> Contestant:
        """A process that makes a runtime's form; it ends with that."""
        maker = Contestant(self._model, name, self._device)
        maker.begin("prepare", name)
        return maker

    def _enter(self, name: str) -> None:
        """Opens a runtime and compares what it finds."""
        self._step(f"opening it in {name}")
        self._try(name, self._open)
        self._step(f"comparing what {name} finds")
        self._try(name, self._compare)

    def _beaten(self, name: str) -> bool:
        """Whether another is so much faster than the export that TensorFlow can't catch up."""
        export = self._trial("tensorflow").images_per_s or 0
        for other in self._opened:
            speed = self._trial(other).images_per_s or 0
            if speed >= BEATEN * export > 0 and self._verdicts[other][0]:
                times = speed / export
                self._out[name] = f"not tried: {other} is {times:.1f} times as fast as the export"
                return True
        return False

    def _open(self, name: str) -> None:
        process = self._opened[name] = self._start(name)
        process.ask("open")
        self._open_s[name] = time.perf_counter() - process.born

    def _compare(self, name: str) -> None:
        backwards = name != "tensorflow"
        outcomes = self._opened[name].ask("detect", self._pictures_s, backwards)
        self._found[name] = [found_in(outcome) for outcome in outcomes]
        self._verdicts[name] = self._verdict(name)

    def _time_all(self) -> None:
        self._step("timing them in turn")
        self._taken_s.clear()
        self._together.clear()
        for _ in range(1 if self._pictures_s > SLOW_S else ROUNDS):
            for name in list(self._opened):
                if self._verdicts[name][0]:
                    self._try(name, self._time)

    def _start(self, name: str) -> Contestant:
        return self._processes.enter_context(Contestant(self._model, name, self._device))

    def _time(self, name: str) -> None:
        process = self._opened[name]
        self._taken_s.setdefault(name, []).extend(process.ask("one_by_one", TURN_S))
        if median(self._taken_s[name]) > SLOW_S:
            self._together[name] = [1 / median(self._taken_s[name])]
        else:
            self._together.setdefault(name, []).append(process.ask("together", TURN_S))

    def _try(self, name: str, step: Callable[[str], Any]) -> None:
        """Does a step of a runtime; one that fails is out, but TensorFlow, which is the measure."""
        if name in self._out:
            return
        try:
            step(name)
        except TfzooError as error:
            if name == "tensorflow":
                raise
            self._out[name] = str(error)
            if (process := self._opened.pop(name, None)) is not None:
                process.close()

    def _verdict(self, name: str) -> tuple[bool, str]:
        if name == "tensorflow":
            return True, "the export as it is"
        # Forwards, and then backwards.
        expected = self._found["tensorflow"] + self._found["tensorflow"][::-1]
        differences: list[Difference] = []
        for wanted, got in zip(expected, self._found[name], strict=True):
            if isinstance(wanted, str) and isinstance(got, str):
                continue
            if isinstance(got, str):
                return False, f"fails on a picture that TensorFlow detects: {got}"
            if isinstance(wanted, str):
                return False, f"detects a picture that TensorFlow refuses: {wanted}"
            differences.append(difference(wanted, got))
        return agreement(differences)

    def _trial(self, name: str) -> Trial:
        version, open_s = library_version(name), self._open_s.get(name)
        if name in self._out:
            return Trial(name, version, False, self._out[name], open_s)
        agrees, reason = self._verdicts[name]
        taken = self._taken_s.get(name, [])
        if not taken:
            return Trial(name, version, agrees, reason, open_s)
        first, middle, third = quantiles(taken, n=4) if len(taken) > 1 else (taken[0],) * 3
        return Trial(
            name,
            version,
            agrees,
            reason,
            _rounded(open_s or 0),
            _rounded(1000 * middle),
            _rounded(median(self._together[name])),
            round((third - first) / middle, 2),
        )

    def _step(self, doing: str) -> None:
        self._done += 1
        self._on_step(doing, min(self._done, self._steps), self._steps)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
