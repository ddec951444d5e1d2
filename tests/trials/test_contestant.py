"""A runtime in a process of its own: what it finds, how it fails, that it ends."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.helpers import standins
from tfzoo.errors import ModelFormatError
from tfzoo.store.models import get_model
from tfzoo.trials.contestant import Contestant


@pytest.fixture
def model(tmp_path):
    pytest.importorskip("onnxruntime")
    return get_model(standins.save_yolov5(tmp_path / "model.onnx", side=64, rows=252))


def test_it_opens_detects_and_is_timed(model) -> None:
    with Contestant(model, "onnx", "cpu") as process:
        process.ask("open")
        assert 0 < process.ask("seconds") < 5
        outcomes = process.ask("detect", 100.0, True)
        # So slow a model is shown few pictures, forwards and backwards.
        assert len(outcomes) == 8
        for there, back in zip(outcomes, outcomes[::-1], strict=True):
            np.testing.assert_array_equal(there["boxes"], back["boxes"])
        assert process.ask("together", 0.05) > 0
        taken = process.ask("one_by_one", 0.05)
        assert taken and sum(taken) >= 0.05


def test_an_error_of_ours_arrives_as_what_it_was(tmp_path) -> None:
    # It begins as such a file does, and is none.
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x07\x12\x03one")
    with (
        Contestant(get_model(tmp_path / "broken.onnx"), "onnx", "cpu") as process,
        pytest.raises(ModelFormatError, match="can't be read as ONNX"),
    ):
        process.ask("open")


def test_a_process_that_dies_is_an_error_that_says_how(model) -> None:
    with Contestant(model, "onnx", "cpu") as process:
        process.ask("open")
        os.kill(process._process.pid, signal.SIGSEGV)
        with pytest.raises(ModelFormatError, match="onnx can't be run: the process was killed by"):
            process.ask("seconds")
        with pytest.raises(ModelFormatError, match="SIGSEGV"):
            process.ask("seconds")


def test_whatever_else_it_raises_ends_it_with_its_last_words(model) -> None:
    with (
        Contestant(model, "onnx", "cpu") as process,
        pytest.raises(ModelFormatError, match="AttributeError"),
    ):
        process.ask("no_such_thing")


def test_closing_ends_a_process_that_is_at_work(model) -> None:
    process = Contestant(model, "onnx", "cpu")
    process.begin("one_by_one", 1e9)
    time.sleep(0.1)
    process.close()
    assert process._process.returncode is not None


def test_one_that_ignores_the_polite_way_is_killed(model, monkeypatch) -> None:
    process = Contestant(model, "onnx", "cpu")
    monkeypatch.setattr(process._process, "terminate", lambda: None)
    told: list[float | None] = []
    wait = process._process.wait

    def patient(timeout=None):
        told.append(timeout)
        if timeout is not None:
            raise subprocess.TimeoutExpired("it", timeout)
        return wait()

    monkeypatch.setattr(process._process, "wait", patient)
    process.close()
    assert told == [5.0, None]
