"""Nothing computes beside a timing, on a whole machine, and whoever ends lets go."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.helpers.paths import ROOT
from tfzoo.reproduction.turns import Stopped, Turn

#: Another run on this machine: holds a turn until it is killed.
OTHER = """
import sys, time
from pathlib import Path
from tfzoo.reproduction.turns import Turn
with getattr(Turn(folder=Path(sys.argv[1])), sys.argv[2])():
    print("in", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def child() -> Iterator[psutil.Popen]:
    """What computes, and has started something that does too."""
    process = psutil.Popen(["sh", "-c", "sleep 600 & wait"])
    wait_for(lambda: len(process.children()) == 1)
    yield process
    for one in [*process.children(), process]:
        one.kill()
    process.wait()


def wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


def halted(process: psutil.Popen) -> set[bool]:
    return {one.status() == psutil.STATUS_STOPPED for one in [process, *process.children()]}


def test_who_computes_is_halted_while_something_is_timed_and_goes_on(
    child: psutil.Popen, tmp_path: Path
) -> None:
    done = threading.Event()
    computing, timing = Turn(folder=tmp_path), Turn(folder=tmp_path)

    def compute() -> None:
        with computing.shared():
            while not done.is_set():
                computing.heed(child)
                time.sleep(0.01)

    thread = threading.Thread(target=compute)
    thread.start()
    wait_for(lambda: computing._began != "")
    with timing.alone():
        assert halted(child) == {True}
    wait_for(lambda: halted(child) == {False})
    done.set()
    thread.join()
    ((start, end),) = timing.stretches
    (before, halt), (again, _) = computing.stretches
    assert before <= halt <= start <= end <= again


def test_many_compute_at_once(tmp_path: Path) -> None:
    with Turn(folder=tmp_path).shared(), Turn(folder=tmp_path).shared():
        pass


def refusing(times: int) -> Callable[[], None]:
    """A check that says after some times that nobody wants the work any more."""
    left = [times]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Stopped

    return check


@pytest.mark.parametrize(
    ("first", "second"), [("alone", "alone"), ("alone", "shared"), ("shared", "alone")]
)
def test_a_turn_that_cannot_be_had_is_waited_for_until_nobody_wants_it(
    tmp_path: Path, first: str, second: str
) -> None:
    with getattr(Turn(folder=tmp_path), first)():
        waiting = Turn(refusing(3), tmp_path)
        with pytest.raises(Stopped), getattr(waiting, second)():
            pass
        assert waiting.stretches == []
    # Whoever gave up holds nothing.
    with Turn(folder=tmp_path).alone():
        pass


def test_nobody_wants_what_is_halted_and_it_is_let_go(child: psutil.Popen, tmp_path: Path) -> None:
    computing = Turn(refusing(3), tmp_path)
    timing = Turn(folder=tmp_path)
    with pytest.raises(Stopped), computing.shared():
        timing._wish.acquire_write()
        try:
            computing.heed(child)
        finally:
            timing._wish.release()
    assert halted(child) == {False}
    with Turn(folder=tmp_path).alone():
        pass


@pytest.mark.parametrize("turn", ["alone", "shared"])
def test_who_is_killed_lets_go(tmp_path: Path, turn: str) -> None:
    command = [sys.executable, "-c", OTHER, str(tmp_path), turn]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert other.stdout is not None and other.stdout.readline() == b"in\n"
    with pytest.raises(Stopped), Turn(refusing(2), tmp_path).alone():
        pass
    other.kill()
    other.wait()
    other.stdout.close()
    with Turn(folder=tmp_path).alone():
        pass
