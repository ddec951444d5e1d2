"""A process of ours is asked one thing, and whatever becomes of it is told."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.paths import ROOT
from tfzoo.errors import MeasurementError, UsageError
from tfzoo.processes import answer_of

#: What such a process does with a request, by its name.
MODULE = """
import os, sys, time
from tfzoo.errors import UsageError
from tfzoo.processes import answer

def work(request, tell):
    print("a library is heard")
    name, given = request
    if name == "count":
        for number in range(given):
            tell([number, given])
        return {"counted": given}
    if name == "refuse":
        raise UsageError("it makes no sense")
    if name == "crash":
        raise KeyError("a fault")
    if name == "die":
        os.kill(os.getpid(), 9)
    if name == "variable":
        return os.environ.get(given)
    time.sleep(600)

answer(work)
"""


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    (tmp_path / "asked_by_a_test.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    return lambda name, given=None, **how: answer_of("asked_by_a_test", (name, given), **how)


def test_what_is_told_on_the_way_comes_before_the_answer(ask: Callable[..., Any]) -> None:
    told: list[Any] = []
    assert ask("count", 3, on_told=told.append) == {"counted": 3}
    assert told == [[0, 3], [1, 3], [2, 3]]
    assert ask("variable", "TO_BE_SEEN", variables={"TO_BE_SEEN": "yes"}) == "yes"


def test_what_it_raises_or_dies_of_is_raised(ask: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="it makes no sense"):
        ask("refuse")
    with pytest.raises(MeasurementError, match=r"exit code 1: KeyError: 'a fault'"):
        ask("crash")
    with pytest.raises(MeasurementError, match="killed by SIGKILL"):
        ask("die")


def test_who_waits_may_end_it(ask: Callable[..., Any]) -> None:
    seen: list[subprocess.Popen[bytes]] = []

    def give_up(process: subprocess.Popen[bytes]) -> None:
        seen.append(process)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask("wait", on_beat=give_up)
    assert seen[0].returncode is not None
    with pytest.raises(MeasurementError, match=r"gave up after 0\.2 s"):
        ask("wait", timeout_s=0.2)


def test_it_ends_with_who_asks(tmp_path: Path, ask: Callable[..., Any]) -> None:
    psutil = pytest.importorskip("psutil")
    body = "from tfzoo.processes import answer_of; answer_of('asked_by_a_test', ('wait', None))"
    parent = psutil.Popen([sys.executable, "-c", body])
    while not (children := parent.children()):
        time.sleep(0.01)
    while "asked_by_a_test" not in " ".join(children[0].cmdline()):
        time.sleep(0.01)
    time.sleep(0.5)  # So that it knows whose it is.
    parent.kill()
    parent.wait()
    psutil.wait_procs(children, timeout=60)
    assert not children[0].is_running() or children[0].status() == "zombie"
