"""Two runs into one folder: each has its own rows, or says that another is writing there."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.helpers.folders import fill, rows
from tests.helpers.paths import ROOT
from tfzoo.batch.lock import Holder, locked
from tfzoo.errors import OutputError

#: Reads requests, a line each: when to begin, and what `detect_folder` is called with.
RUNNER = """
import json, sys, time
from pathlib import Path
from tfzoo.batch.folder import detect_folder
from tfzoo.detections.labels import COCO
from tfzoo.detector import Detector
from tfzoo.errors import OutputError, UsageError
from tfzoo.runtimes.runtime import open_runtime
from tfzoo.store.models import StoredModel

model = Path(sys.argv[1])
detector = Detector(StoredModel("standin", model, ""), open_runtime("onnx", model, "cpu"), COCO)
print("ready", flush=True)
for line in sys.stdin:
    begin, images, out, options = json.loads(line)
    while time.time() < begin:
        pass
    try:
        summary = detect_folder(images, detector, out, **options)
        answer = ["done", summary.images, summary.resumed]
    except (OutputError, UsageError) as error:
        answer = [type(error).__name__, str(error), error.exit_code]
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="module")
def runners(onnx_model: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that run what they are told to."""
    command = [sys.executable, "-c", RUNNER, str(onnx_model)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        for _ in range(2)
    ]
    for runner in started:
        assert heard(runner) == "ready\n"
    yield started
    for runner in started:
        runner.kill()
        runner.wait()


def heard(runner: subprocess.Popen[str]) -> str:
    assert runner.stdout is not None
    return runner.stdout.readline()


def tell(runner: subprocess.Popen[str], *request: Any) -> None:
    assert runner.stdin is not None
    runner.stdin.write(json.dumps(request) + "\n")
    runner.stdin.flush()


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}], ids=str)
def test_of_two_runs_at_once_each_has_its_own_rows_or_is_refused(
    runners: list[subprocess.Popen[str]], tmp_path: Path, options: dict[str, bool]
) -> None:
    sources = [fill(tmp_path / "two", 2), fill(tmp_path / "three", 3)]
    draw = random.Random(7)
    for trial in range(int(os.environ.get("TRIALS", "5"))):
        out = tmp_path / f"out{trial}"
        began = time.time() + 0.01
        for runner, source in zip(runners, sources, strict=True):
            # Some begin at once, some while the other is at work, some when it has ended.
            later = draw.choice([0, 0, draw.random() * 0.1])
            tell(runner, began + later, str(source), str(out), {**options, "pictures": False})
        answers = [json.loads(heard(runner)) for runner in runners]
        names = {image["file_name"] for image in json.loads((out / "images.json").read_text())}
        journal = json.loads((out / "run.json").read_text())
        ended = [answer[0] == "done" for answer in answers]
        winner = [str(source) for source in sources].index(*journal["settings"]["sources"])
        assert ended[winner], answers
        assert names == {f"{i}.png" for i in range(winner + 2)}
        assert {row["image_id"] for row in rows(out)} == set(range(1, winner + 3))
        for source, answer in enumerate(answers):
            if answer[0] == "done":
                assert answer[1:] == [source + 2, 0]
            else:
                assert answer[2] == (3 if "another run is writing" in answer[1] else 2), answer
        if "overwrite" not in options:
            assert sum(ended) == 1, answers
        assert not list(out.rglob("*.tmp"))


def test_who_is_refused_is_told_whose_run_it_is_and_touches_nothing(tmp_path: Path) -> None:
    who = rf"another run is writing to .*out \(process {os.getpid()} on {socket.gethostname()}\)"
    with locked(tmp_path / "out") as hold:
        for sign in (lambda: None, lambda: hold.sign("abc")):
            sign()
            before = (tmp_path / "out" / ".lock").read_bytes()
            with pytest.raises(OutputError, match=who), locked(tmp_path / "out"):
                raise AssertionError("two hold it")
            assert (tmp_path / "out" / ".lock").read_bytes() == before


def test_who_says_nothing_is_another_run_all_the_same(tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".lock"),  # As an earlier version does.
        pytest.raises(OutputError, match=f"another run is writing to {tmp_path}; wait"),
        locked(tmp_path),
    ):
        raise AssertionError("two hold it")


def test_who_died_is_known_to_the_next_until_one_ends_in_order(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from tfzoo.batch.lock import locked\n"
        "with locked(Path(sys.argv[1])) as hold: hold.sign('abc'); os._exit(1)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    died = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environment)
    assert died.wait() == 1
    for _ in range(2):  # Whoever only looks leaves it to be known.
        with locked(tmp_path) as hold:
            assert hold.died == Holder("abc", died.pid, socket.gethostname())
    with locked(tmp_path) as hold:
        hold.sign("def")
    with locked(tmp_path) as hold:
        assert hold.died is None


def test_a_lock_is_left_where_a_run_lies_and_nowhere_else(tmp_path: Path) -> None:
    with locked(tmp_path) as hold:
        hold.sign("abc")
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path) as hold:
        hold.sign("abc")
        hold.stays = True
    for _ in range(2):
        with locked(tmp_path):
            pass
        assert (tmp_path / ".lock").read_bytes() == b""


@pytest.mark.parametrize("content", ["somebody's own", '{"locked": true}'])
def test_a_lock_of_somebody_elses_stays_as_it_is(tmp_path: Path, content: str) -> None:
    (tmp_path / ".lock").write_text(content)
    with locked(tmp_path) as hold:
        assert hold.died is None
        hold.sign("abc")
        with pytest.raises(OutputError, match="another run"), locked(tmp_path):
            raise AssertionError("two hold it")
    assert (tmp_path / ".lock").read_text() == content
