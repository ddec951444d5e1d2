"""Threads of our own do their work in turn, and never keep a program from ending."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import weakref

import pytest

from tfzoo.threads import LINGER_S, Workers, within


def test_work_is_begun_in_its_order_and_gives_its_results_and_errors() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return 10 // number

    workers = Workers(1)
    futures = [workers.submit(work, number) for number in (5, 0, 2)]
    assert futures[0].result() == 2
    with pytest.raises(ZeroDivisionError):
        futures[1].result()
    assert futures[2].result() == 5
    assert begun == [5, 0, 2]
    workers.close()


def test_as_many_work_at_once_as_were_asked_for_and_none_is_left() -> None:
    together = threading.Barrier(3, timeout=60)
    workers = Workers(3, "three of ours")
    for future in [workers.submit(together.wait) for _ in range(9)]:
        future.result(10)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("three of ours") == 3
    workers.close()
    assert "three of ours" not in [thread.name for thread in threading.enumerate()]


def test_a_thread_that_a_signal_kept_from_starting_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    workers = Workers(1)
    with pytest.raises(KeyboardInterrupt):
        workers.submit(time.sleep, 0)
    workers.close()


def test_what_was_not_begun_never_is_and_what_was_is_waited_for() -> None:
    gate, ended = threading.Event(), threading.Event()

    def work() -> None:
        gate.wait(60)
        ended.set()

    workers = Workers(1)
    futures = [workers.submit(work), workers.submit(pytest.fail, "begun")]
    while not futures[0].running():
        time.sleep(0.001)
    threading.Timer(0.2, gate.set).start()
    workers.close()
    assert ended.is_set()
    assert futures[1].cancelled()


def test_what_takes_longer_is_left_behind() -> None:
    gate = threading.Event()
    workers = Workers(2)
    for _ in range(2):
        workers.submit(gate.wait, 60)
    begun = time.monotonic()
    workers.close(linger_s=0.2)
    assert 0.2 <= time.monotonic() - begun < 30
    gate.set()
    assert LINGER_S == 3


def test_an_idle_thread_holds_on_to_nothing() -> None:
    class Image:
        pass

    workers = Workers(1)
    image = Image()
    gone = weakref.ref(image)
    workers.submit(lambda given: given, image).result()
    del image
    workers.submit(int).result()
    assert gone() is None
    workers.close()


def test_a_program_ends_whatever_its_threads_wait_for() -> None:
    program = (
        "import time; from tfzoo.threads import Workers; "
        "Workers(1).submit(time.sleep, 60); time.sleep(0.1)"
    )
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=90)
    assert time.monotonic() - begun < 50


@pytest.mark.parametrize("at_work", [True, False])
def test_a_command_ends_at_once_where_a_library_still_computes_for_it(at_work: bool) -> None:
    """TensorFlow, for one, crashes where a program ends in the usual way meanwhile."""
    program = (
        "import atexit, sys, time; from tfzoo.cli import main; from tfzoo.threads import Workers; "
        "atexit.register(print, 'ended as usual'); workers = Workers(1); "
        f"workers.submit(time.sleep, {60 if at_work else 0}); workers.close(0.5); "
        "main.app = lambda: (print('stopped'), sys.exit(130)); main.main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=90
    )
    assert ended.returncode == 130
    assert ended.stdout.splitlines() == ["stopped"] + ["ended as usual"] * (not at_work)


def test_what_may_wait_for_ever_is_waited_for_so_long() -> None:
    assert within(10, divmod, 7, 3) == (2, 1)
    assert within(None, divmod, 7, 3) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        within(10, divmod, 7, 0)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.1, time.sleep, 60)
    assert time.monotonic() - begun < 30
