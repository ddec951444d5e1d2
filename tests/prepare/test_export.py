"""Export to ONNX: the converter is a process of its own, its result is kept and cut."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import tfzoo
from tests.helpers import one_stage
from tfzoo.cli.main import app
from tfzoo.errors import ModelFormatError, OfflineError, RuntimeUnavailableError
from tfzoo.prepare import export
from tfzoo.prepare.prepared import prepare
from tfzoo.store.models import get_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return one_stage.save(tmp_path_factory.mktemp("one_stage"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def stand_in(path: Path) -> Path:
    """An ONNX model that returns one raw box of class 3 whatever it sees."""
    from onnx import TensorProto, helper, numpy_helper

    boxes = np.float32([[[0.1, 0.2, 0.3, 0.4]]])
    scores = np.float32([[[0.1, 0.0, 0.0, 0.9, 0.0]]])
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
        for name, value in (("raw_detection_boxes", boxes), ("raw_detection_scores", scores))
    ]
    image = helper.make_tensor_value_info("input_tensor", TensorProto.FLOAT, ["n", 64, 64, 3])
    outputs = [
        helper.make_tensor_value_info("raw_detection_boxes", TensorProto.FLOAT, [1, 1, 4]),
        helper.make_tensor_value_info("raw_detection_scores", TensorProto.FLOAT, [1, 1, 5]),
    ]
    graph = helper.make_graph(nodes, "stand_in", [image], outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, path)
    return path


@pytest.fixture
def converter(tmp_path, monkeypatch) -> Path:
    """A converter that gives the stand-in, and notes each call."""
    made, calls = stand_in(tmp_path / "stand_in.onnx"), tmp_path / "calls"
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
    found = detector.detect(np.zeros((60, 80, 3), np.uint8), 0.3)
    assert found.class_ids.tolist() == [3]
    # 64x64 holds the picture in its upper 48 rows.
    np.testing.assert_allclose(found.boxes, [[16, 8, 32, 24]], rtol=1e-5)


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
