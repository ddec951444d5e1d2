"""Runtimes are measured apart and in turn, and one that fails is told of, not taken."""

import time
from contextlib import ExitStack
from typing import ClassVar

import numpy as np
import pytest

import tfzoo
from tests.helpers import one_stage
from tfzoo.detections.types import Detections
from tfzoo.errors import ModelFormatError
from tfzoo.prepare.choice import known_choice
from tfzoo.store.models import get_model
from tfzoo.trials import measure as trials
from tfzoo.trials.measure import measure, prepared_choice


def found(*scores: float) -> dict[str, object]:
    count = len(scores)
    left = np.arange(count, dtype=np.float32) * 50
    boxes = np.stack([left, left * 0, left + 40, left * 0 + 40], axis=1)
    return {
        "boxes": boxes,
        "scores": np.array(scores, np.float32),
        "class_ids": np.ones(count, np.int32),
        "image_size": (480, 640),
    }


PICTURES = [found(*(0.9 - 0.05 * i for i in range(8))), "too narrow", found(0.5, 0.4, 0.3, 0.1)]


class Stand:
    """A runtime without a process."""

    opens_s: ClassVar = {"tensorflow": 5.0, "frozen": 4.0, "openvino": 1.0}
    speeds: dict[str, float]
    outcomes: dict[str, list[object]]
    failures: dict[tuple[str, str], str]
    asked: list[tuple[str, str]]

    def __init__(self, model, runtime, device) -> None:
        self.runtime, self.closed = runtime, False
        self.born = time.perf_counter() - self.opens_s[runtime]
        self.verb = ""

    def begin(self, verb, *arguments) -> None:
        self.verb, self.arguments = verb, arguments

    def answer(self):
        assert not self.closed
        self.asked.append((self.runtime, self.verb))
        if failure := self.failures.get((self.runtime, self.verb)):
            raise ModelFormatError(failure)
        ms = self.speeds[self.runtime]
        if self.verb == "detect":
            outcomes = self.outcomes.get(self.runtime, PICTURES)
            return outcomes + outcomes[::-1] if self.arguments[1] else outcomes
        return {"seconds": ms / 1000, "one_by_one": [ms / 1000] * 4, "together": 1000 / ms}.get(
            self.verb
        )

    def ask(self, verb, *arguments):
        self.begin(verb, *arguments)
        return self.answer()

    def close(self) -> None:
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.close()


@pytest.fixture
def stands(monkeypatch):
    Stand.speeds = {"tensorflow": 40.0, "frozen": 20.0, "openvino": 30.0, "onnx": 35.0}
    Stand.outcomes, Stand.failures, Stand.asked = {}, {}, []
    monkeypatch.setattr(trials, "Contestant", Stand)
    return Stand


def contest(names=("tensorflow", "frozen", "openvino")):
    steps: list[tuple[str, int, int]] = []
    choice = measure(None, "cpu", list(names), lambda *step: steps.append(step))  # type: ignore[arg-type]
    return choice, {trial.runtime: trial for trial in choice.trials}, steps


def test_all_that_agree_are_timed_in_alternation_and_told(stands) -> None:
    choice, by_name, steps = contest()
    assert [trial.runtime for trial in choice.trials] == ["tensorflow", "frozen", "openvino"]
    assert all(trial.offered for trial in choice.trials)
    assert by_name["frozen"].latency_ms == 20.0
    assert by_name["frozen"].images_per_s == 50.0
    assert by_name["frozen"].spread == 0.0
    assert by_name["openvino"].reason == "gives TensorFlow's 20 detections"
    turns = [name for name, verb in stands.asked if verb == "one_by_one"]
    # First without the frozen form, and since it could still win, all once more.
    assert turns == ["tensorflow", "openvino"] * 3 + ["tensorflow", "openvino", "frozen"] * 3
    assert choice.date.startswith("20")
    # What is told has an end, and never goes back.
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)
    assert steps[0] == ("opening the export in TensorFlow", 0, 11)
    assert steps[-1] == ("done", 11, 11)


def test_the_frozen_form_is_not_made_where_another_is_far_ahead(stands) -> None:
    stands.speeds["openvino"] = 10.0
    _, by_name, _ = contest()
    assert by_name["frozen"].reason == "not tried: openvino is 4.0 times as fast as the export"
    assert not by_name["frozen"].offered
    assert ("tensorflow", "prepare") not in stands.asked


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ([PICTURES[0], "too narrow", "no rows"], "fails on a picture that TensorFlow detects"),
        ([PICTURES[0], found(0.9), PICTURES[2]], "detects a picture that TensorFlow refuses"),
        ([found(0.9), "too narrow", PICTURES[2]], "14 of TensorFlow's 22 detections have no twin"),
    ],
)
def test_a_runtime_that_does_not_do_as_tensorflow_does_is_not_offered(
    stands, outcomes, reason
) -> None:
    stands.outcomes["openvino"] = outcomes
    choice, by_name, _ = contest()
    assert by_name["openvino"].reason.startswith(reason)
    assert not by_name["openvino"].offered
    assert by_name["openvino"].latency_ms is None
    assert choice.best(1).runtime == "frozen"


@pytest.mark.parametrize("verb", ["prepare", "open", "detect", "one_by_one"])
def test_a_runtime_that_fails_at_any_step_is_not_offered_and_says_why(stands, verb) -> None:
    stands.failures["openvino", verb] = "its process was killed by SIGSEGV"
    choice, by_name, _ = contest()
    assert by_name["openvino"].reason == "its process was killed by SIGSEGV"
    assert not by_name["openvino"].offered
    assert choice.best().runtime == "frozen"


def test_a_frozen_form_that_can_t_be_made_leaves_the_others(stands) -> None:
    stands.failures["tensorflow", "prepare"] = "an operation that nobody can freeze"
    choice, by_name, _ = contest()
    assert by_name["frozen"].reason == "an operation that nobody can freeze"
    assert choice.best().runtime == "openvino"


def test_where_tensorflow_fails_there_is_nothing_to_compare_with(stands) -> None:
    stands.failures["tensorflow", "open"] = "no model at all"
    with pytest.raises(ModelFormatError, match="no model at all"):
        contest()


def test_a_slow_model_takes_one_turn(stands) -> None:
    stands.speeds |= {"tensorflow": 2000.0, "openvino": 1500.0}
    _, by_name, _ = contest(["tensorflow", "openvino"])
    assert [turn for turn in stands.asked if turn[1] == "one_by_one"] == [
        ("tensorflow", "one_by_one"),
        ("openvino", "one_by_one"),
    ]
    assert by_name["openvino"].images_per_s == pytest.approx(1 / 1.5, rel=1e-3)
    assert ("openvino", "together") not in stands.asked


def test_a_measurement_beside_other_work_is_provisional(stands, monkeypatch) -> None:
    monkeypatch.setattr(trials.Neighbours, "cores", lambda self: 0.9)
    assert contest()[0].provisional == "other processes used 0.9 cores meanwhile"
    monkeypatch.setattr(trials.Neighbours, "cores", lambda self: 0.2)
    assert contest()[0].provisional == ""


def test_a_model_is_measured_once_by_real_processes_and_kept(tmp_path, monkeypatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFZOO_RUNTIME", "auto")
    # The frozen form costs a second import of TensorFlow.
    monkeypatch.setattr(trials, "candidates", lambda model, gpu: ["tensorflow", "openvino"])
    folder = one_stage.save(tmp_path / "model")
    first = tfzoo.prepare_model(folder)
    assert known_choice(get_model(folder)) == first
    offered = {trial.runtime: trial for trial in first.trials if trial.offered}
    assert {"tensorflow", "openvino"} <= set(offered)
    assert all(trial.open_s and trial.open_s > 0.1 for trial in offered.values())
    # It takes TensorFlow longer to be imported alone.
    assert first.best(1).runtime == "openvino"
    assert tfzoo.load(folder).runtime.name == "openvino"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trials, "Contestant", None)
        assert tfzoo.prepare_model(folder) == first
        with pytest.raises(TypeError):
            tfzoo.prepare_model(folder, again=True)


def test_a_cache_that_can_t_be_written_is_no_reason_to_fail(stands, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "file" / "cache"))
    model = get_model(one_stage.save(tmp_path / "model"))
    assert prepared_choice(model, "cpu").best().runtime in stands.speeds


def test_processes_end_with_the_measurement(stands) -> None:
    with ExitStack() as processes:
        opened = trials._Contest(None, "cpu", ["tensorflow"], lambda *step: None, processes)  # type: ignore[arg-type]
        opened.run()
        process = opened._opened["tensorflow"]
        assert not process.closed  # type: ignore[attr-defined]
    assert process.closed  # type: ignore[attr-defined]
    assert isinstance(opened._found["tensorflow"][0], Detections)
