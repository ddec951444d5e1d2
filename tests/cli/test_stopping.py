"""A command that is told to stop ends in seconds, and leaves no process and no folder behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.helpers import standins
from tests.helpers.paths import ROOT
from tfzoo.cli import stopping
from tfzoo.cli.stopping import Stop, heeded, stop_told
from tfzoo.errors import OutputError

#: Begins as a command does, with a child and a temporary folder; BODY is what it is at.
PROGRAM = """
import subprocess, sys, tempfile, time
from tfzoo.cli import stopping
stopping.PATIENCE_S = 0.5
with stopping.heeded() as stop:
    code = 0
    folder = tempfile.TemporaryDirectory()
    child = subprocess.Popen(["sleep", "600"])
    try:
        print(folder.name, child.pid, flush=True)
        BODY
    except KeyboardInterrupt:
        code = 130
    if stop.number is not None:
        stopping.end(stop.code(code))
"""

IDLE = "time.sleep(600)"

#: Does not heed an interrupt, as a library that is not written in Python.
DEAF = """while True:
            try:
                time.sleep(600)
            except KeyboardInterrupt:
                pass
"""


def started(body: str, *before: str) -> tuple[subprocess.Popen[str], Path, psutil.Process]:
    command = [*before, sys.executable, "-c", PROGRAM.replace("BODY", body)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder, child = process.stdout.readline().split()
    return process, Path(folder), psutil.Process(int(child))


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("number", "body"),
    [(signal.SIGINT, IDLE), (signal.SIGTERM, IDLE), (signal.SIGHUP, IDLE), (signal.SIGTERM, DEAF)],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP", "SIGTERM and deaf"],
)
def test_a_command_ends_with_its_children_and_its_folders(
    number: signal.Signals, body: str
) -> None:
    process, folder, child = started(body)
    assert folder.is_dir() and not gone(child)
    began = time.monotonic()
    for _ in range(2):  # As `timeout` does.
        process.send_signal(number)
    assert process.wait(90) == 128 + number
    assert time.monotonic() - began < 60
    assert not folder.exists()
    psutil.wait_procs([child], timeout=60)
    assert gone(child)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("half done"), SystemError()])
def test_whatever_a_signal_leaves_half_done_is_told_of_as_a_stop(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = Stop()
    stop.number = signal.SIGTERM
    monkeypatch.setattr(stopping, "_stop", stop)
    with pytest.raises(KeyboardInterrupt), stop_told("Stopped. Go on with:", "  this"):
        raise error
    assert capsys.readouterr().err == "Stopped. Go on with:\n  this\n"


def test_what_no_signal_did_is_told_of_as_what_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError), stop_told("Stopped."):
        raise RuntimeError("a fault")
    stop = Stop()
    stop.number = signal.SIGTERM
    monkeypatch.setattr(stopping, "_stop", stop)
    with pytest.raises(OutputError), stop_told("Stopped."):
        raise OutputError("the disk is full")
    assert capsys.readouterr().err == ""


def test_what_is_switched_off_stays_so() -> None:
    process, *_ = started("time.sleep(1.5)", "nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(90) == 128 + signal.SIGTERM


def test_a_thread_that_waits_for_ever_is_not_waited_for() -> None:
    body = "import threading; threading.Thread(target=time.sleep, args=(600,)).start(); "
    process, folder, _ = started(body + IDLE)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(90) == 128 + signal.SIGTERM
    assert time.monotonic() - began < 60
    assert not folder.exists()


def test_where_nothing_came_all_is_as_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with heeded() as stop:
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert stop.number is None
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_command_of_its_own_end_for_ctrl_c_keeps_its_code() -> None:
    stop = Stop()
    stop.number = signal.SIGINT
    assert [stop.code(code) for code in (0, 1, 130)] == [0, 1, 130]
    stop.number = signal.SIGTERM
    assert [stop.code(code) for code in (0, 1, 130)] == [143] * 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_benchmark_leaves_no_process_and_no_folder(number: signal.Signals, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = standins.save_yolov5(tmp_path / "model.onnx", side=64, rows=252)
    (tmp_path / "temporary").mkdir()
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "temporary"),
    }  # fmt: skip
    command = [sys.executable, "-m", "tfzoo", "benchmark", str(model), "--results", str(tmp_path)]
    process = psutil.Popen([*command, "--min-seconds", "600"], env=environment)
    children: list[psutil.Process] = []
    while not children:
        assert process.poll() is None
        children = process.children()
        time.sleep(0.02)
    time.sleep(0.7)  # So that it is at work, and knows whose it is.
    began = time.monotonic()
    process.send_signal(number)
    process.wait(90)
    assert time.monotonic() - began < 60
    psutil.wait_procs(children, timeout=60)
    assert all(map(gone, children))
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert list((tmp_path / "temporary").iterdir()) == []
