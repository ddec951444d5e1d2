"""Export to ONNX: the converter is a process of its own, its result is kept and cut."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import tfzoo
from tests.helpers import one_stage
from tfzoo.cli.main import app
from tfzoo.detections.agreement import compare
from tfzoo.errors import ModelFormatError, OfflineError, RuntimeUnavailableError
from tfzoo.prepare import export
from tfzoo.prepare.prepared import prepare
from tfzoo.store.models import get_model

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return one_stage.save(tmp_path_factory.mktemp("one_stage"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def converter(tmp_path, monkeypatch) -> Path:
    """A converter that gives the network in ONNX, and notes each call."""
    made, calls = one_stage.save_onnx(tmp_path / "stand_in.onnx"), tmp_path / "calls"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {calls}\ncp {made} "$6"\n')
    python.chmod(0o755)
    monkeypatch.setattr(export, "converter", lambda: python)
    return calls


def test_an_export_is_cut_kept_and_opened_by_onnx_runtime(model, converter, tmp_path) -> None:
    copy = tmp_path / "copy.onnx"
    for _ in range(2):
        done = CliRunner().invoke(app, ["export", str(model), "--out", str(copy)])
        assert done.exit_code == 0, done.output
    assert "cut at raw_detection_boxes" in done.output
    (call,) = converter.read_text().splitlines()
    assert call.startswith("-m tf2onnx.convert --saved-model ")
    assert copy.is_file()
    detector = tfzoo.load(model, runtime="onnx")
    # What was converted is a frozen form: cut already, and with a free batch.
    assert detector.cut == prepare(get_model(model), "frozen").cut
    assert detector.takes_batches
    image = np.random.default_rng(2).integers(0, 256, (60, 80, 3), np.uint8)
    pair = [[tfzoo.load(model).detect(image)], [detector.detect(image)]]
    assert compare(*pair) == (True, "gives TensorFlow's 28 detections")


def test_a_model_that_was_not_exported_says_how_to(model) -> None:
    with pytest.raises(RuntimeUnavailableError, match="tfzoo export"):
        tfzoo.load(model, runtime="onnx")


def test_a_converter_that_fails_leaves_nothing_behind_and_is_quoted(model, converter) -> None:
    converter.parent.joinpath("stand_in.onnx").unlink()
    with pytest.raises(ModelFormatError, match=r"can't be converted to ONNX(.|\n)*stand_in\.onnx"):
        export.export_onnx(get_model(model))
    assert export.find_export(get_model(model)) is None


def test_no_converter_is_installed_when_downloads_are_off(model, monkeypatch) -> None:
    monkeypatch.setenv("TFZOO_OFFLINE", "1")
    with pytest.raises(OfflineError, match="tf2onnx"):
        export.export_onnx(get_model(model))


@pytest.mark.parametrize("found", [None, "false"])
def test_a_python_for_the_converter_that_is_missing_or_does_not_run_is_named(
    model, monkeypatch, found
) -> None:
    path = found and shutil.which(found)
    monkeypatch.setattr(export.sys, "version_info", (3, 12))
    monkeypatch.setattr(shutil, "which", lambda name: path)
    with pytest.raises(RuntimeUnavailableError, match=r"Python 3\.11"):
        export.export_onnx(get_model(model))


def test_the_converter_is_installed_once_and_what_a_stop_left_of_it_is_deleted(
    own_cache, monkeypatch
) -> None:
    folder = own_cache / "converters" / "tf2onnx-1.17"
    folder.mkdir(parents=True)
    (folder / "left by a stop").touch()
    commands = []

    def note(command, failure) -> None:
        commands.append(command)
        folder.mkdir(exist_ok=True)

    monkeypatch.delenv("TFZOO_OFFLINE", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(export, "_run", note)
    python = export.converter()
    assert python.is_relative_to(folder)
    assert not (folder / "left by a stop").exists()
    environment, packages = commands
    assert environment[1:] == ["-m", "venv", str(folder)]
    assert packages[0] == str(python) and packages[-4:] == list(export.REQUIREMENTS)
    assert export.converter() == python
    assert len(commands) == 2
