"""`tfzoo prepare`: what was measured is shown, and kept; text stays text, brackets and all."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tfzoo
from tests.helpers import one_stage
from tfzoo.cli.main import app
from tfzoo.cli.prepare import prepare_afterwards, print_choice
from tfzoo.errors import ModelFormatError
from tfzoo.prepare.choice import Choice, Trial, known_choice
from tfzoo.store.models import get_model
from tfzoo.trials import measure as trials

CHOICE = Choice(
    (
        Trial("tensorflow", "2.1", True, "the export as it is", 5.0, 40.0, 25.0, 0.1),
        Trial("openvino", "6.1", True, "gives TensorFlow's 99 detections", 0.5, 12.0, 90.0, 0.2),
        Trial("onnx", "1.2", False, "failed: [bold] is no shape [/x]"),
    ),
    "2026-01-02T03:04:05+00:00",
)


@pytest.fixture
def model(tmp_path, monkeypatch) -> Path:
    """A model in a new cache, whose measurement stands fixed; counts how often it was made."""
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFZOO_RUNTIME", "auto")
    monkeypatch.setattr(trials, "measure", lambda *_: CHOICE)
    return one_stage.save(tmp_path / "model")


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


def test_what_was_measured_is_shown_with_what_stands_in_brackets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_choice(CHOICE)
    printed = " ".join(capsys.readouterr().out.split())
    assert "failed: [bold] is no shape [/x]" in printed
    assert "openvino 6.1 0.5 12 10% 90 yes gives TensorFlow's 99 detections" in printed
    for line in (
        "auto takes openvino for 1 image: 0.51 s in all",
        "auto takes openvino for 100 images: 1.6 s in all",
        "auto takes openvino for 10000 images: 1.1e+02 s in all",
        "Why: the least time for 100 images, 1.6 s; gives TensorFlow's 99 detections",
        "Measured 2026-01-02T03:04:05+00:00",
    ):
        assert line in printed
    assert "Provisional" not in printed


def test_a_provisional_measurement_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_choice(Choice(CHOICE.trials, "", "[others] were at work"))
    printed = " ".join(capsys.readouterr().out.split())
    assert "Provisional: [others] were at work. It is measured again" in printed


def test_prepare_measures_once_info_shows_it_and_again_measures_anew(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not measured on this machine yet" in run("info", str(model), "--runtimes")
    assert "model runtime" in run("prepare", str(model))
    assert "auto takes openvino for 1 image" in run("info", str(model), "--runtimes")
    (row,) = json.loads(run("prepare", str(model), "--json"))
    assert row == json.loads(run("info", str(model), "--runtimes", "--json")) | {
        "model": str(model)
    }
    assert row["runtime"] == "openvino" and row["runtime_by_images"]["10000"] == "openvino"
    assert [trial["runtime"] for trial in row["trials"]] == ["tensorflow", "openvino", "onnx"]
    monkeypatch.setattr(trials, "measure", lambda *_: Choice(CHOICE.trials[:1]))
    assert "openvino" in run("prepare", str(model))
    assert "openvino" not in run("prepare", str(model), "--again")
    assert tfzoo.load(model).runtime.name == "tensorflow"


def test_on_a_gpu_it_is_measured_apart(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # There is none here: what counts is which measurement is kept.
    monkeypatch.setattr(trials, "on_gpu", lambda device: True)
    run("prepare", str(model))
    assert known_choice(get_model(model), gpu=False) is None
    assert known_choice(get_model(model), gpu=True) == CHOICE


def test_a_run_prepares_its_model_when_the_results_are_there(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_afterwards(str(model), "auto", "auto")
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith(f"Preparing {model} so that it opens fast the next time; once")
    assert told.endswith("auto opens it with openvino from now on.")
    prepare_afterwards(str(model), "auto", "auto")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("TFZOO_CACHE", str(model.parent / "another"))
    monkeypatch.setenv("TFZOO_PREPARE", "0")
    prepare_afterwards(str(model), "auto", "auto")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (KeyboardInterrupt(), "Not prepared; the results are kept."),
        (ModelFormatError("an [odd] end"), "Not prepared: an [odd] end"),
    ],
)
def test_what_ends_it_harms_nothing(
    model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    told: str,
) -> None:
    def measure(*_: object) -> Choice:
        raise raised

    monkeypatch.setattr(trials, "measure", measure)
    prepare_afterwards(str(model), "auto", "auto")
    assert told in capsys.readouterr().err
    assert known_choice(get_model(model)) is None


def test_detect_prepares_afterwards_unless_told_not_to(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    Image.new("RGB", (90, 60)).save(tmp_path / "one.png")
    arguments = ["detect", str(tmp_path / "one.png"), "--model", str(model), "--overwrite"]
    arguments += ["--out", str(tmp_path / "out"), "--no-images"]
    assert "1 images" in run(*arguments, "--no-prepare")
    assert known_choice(get_model(model)) is None

    def measure(*_: object) -> Choice:
        # The results are on disk before it begins.
        assert (tmp_path / "out" / "detections.json").is_file()
        return CHOICE

    monkeypatch.setattr(trials, "measure", measure)
    run(*arguments)
    assert known_choice(get_model(model)) == CHOICE


def test_two_processes_that_measure_a_model_measure_it_once(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, told, measured = threading.Event(), threading.Event(), []

    def measure(*_: object) -> Choice:
        measured.append(None)
        begun.set()
        assert told.wait(10)
        return CHOICE

    def on_step(doing: str, done: int, steps: int) -> None:
        assert doing == "waiting for another process that measures it"
        told.set()

    monkeypatch.setattr(trials, "measure", measure)
    stored = get_model(model)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(trials.prepared_choice, stored, "cpu")
        assert begun.wait(10)
        # Also who wants it anew is content with what was found at this moment.
        second = pool.submit(trials.prepared_choice, stored, "cpu", True, on_step)
        assert first.result() == second.result() == CHOICE
    assert len(measured) == 1
    trials.prepared_choice(stored, "cpu", again=True)
    assert len(measured) == 2
