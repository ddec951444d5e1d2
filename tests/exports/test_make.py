"""Exports: verified before they get their name, and nothing of the user's is replaced."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tfzoo
from tests.helpers import one_stage
from tfzoo.cli.main import app
from tfzoo.errors import ModelFormatError, UsageError
from tfzoo.exports import make
from tfzoo.exports.settings import ExportSettings
from tfzoo.exports.source import Written
from tfzoo.store.models import StoredModel


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["export", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_writes_tells_and_replaces_only_when_told(model, folder, tmp_path) -> None:
    place = tmp_path / "a.tflite"
    place.write_text("mine")
    arguments = [model, "--format", "tflite", "--check", folder, "-o", place]
    done = CliRunner().invoke(app, ["export", *map(str, arguments)])
    assert isinstance(done.exception, UsageError) and "--overwrite" in str(done.exception)
    assert place.read_text() == "mine"
    told = json.loads(run(*arguments, "--overwrite", "--json"))
    assert told["path"] == str(place) and told["verified"]["agrees"]
    assert told["verified"]["images"] == 20 and place.stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["a.tflite"]


def test_a_folder_is_replaced_only_where_it_is_an_export(model, folder, tmp_path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "diary").touch()
    with pytest.raises(UsageError, match="is a folder that tfzoo did not export"):
        tfzoo.export_model(model, format="openvino", output=mine, overwrite=True)
    assert (mine / "diary").exists()
    ours = tmp_path / "ours"
    tfzoo.export_model(model, format="openvino", output=ours, check=folder)
    before = (ours / "model.xml").stat().st_ino
    tfzoo.export_model(model, format="openvino", output=ours, overwrite=True, check=folder)
    assert (ours / "model.xml").stat().st_ino != before
    assert json.loads((ours / "tfzoo_export.json").read_text())["format"] == "openvino"


def test_what_finds_something_else_is_not_written(model, folder, tmp_path, monkeypatch) -> None:
    def wrong(source, folder: Path) -> Written:
        file = folder / "model.tflite"
        file.touch()
        detect = tfzoo.load(model, runtime="tensorflow").detect

        def shifted(image):
            found = detect(image)
            return replace(found, boxes=found.boxes + 5)

        return Written(file, "wrong", shifted)

    monkeypatch.setitem(make._WRITERS, "tflite", wrong)
    with pytest.raises(ModelFormatError, match="does not find what TensorFlow finds in 20 images"):
        tfzoo.export_model(model, format="tflite", check=folder, output=tmp_path / "a.tflite")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_came_in_between_is_not_replaced(model, folder, tmp_path, monkeypatch) -> None:
    place = tmp_path / "[a].tflite"

    def slow(source, folder: Path) -> Written:
        (folder / "model.tflite").write_bytes(b"made")
        place.write_text("somebody's")
        return Written(folder / "model.tflite", "", tfzoo.load(model, runtime="tensorflow").detect)

    monkeypatch.setitem(make._WRITERS, "tflite", slow)
    with pytest.raises(UsageError, match="--overwrite"):
        tfzoo.export_model(model, format="tflite", check=folder, output=place)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["somebody's"]
    told = run(model, "--format", "tflite", "--check", folder, "-o", place, "--overwrite")
    assert told.startswith(str(place)) and place.read_bytes() == b"made"


def test_an_export_without_a_name_goes_here_under_the_model_s(
    model, folder, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export = tfzoo.export_model(model, format="tflite", precision="float16", check=folder)
    assert export.path == tmp_path / "detector_float16.tflite"


def test_a_two_stage_detector_is_refused_with_the_reason(tmp_path) -> None:
    model = one_stage.save(tmp_path / "two", two_stage=True)
    with pytest.raises(ModelFormatError, match="its NMS works on other tensors"):
        tfzoo.export_model(model, format="tflite", output=tmp_path / "a.tflite")


def test_what_is_exported_already_is_told(model, folder, tmp_path) -> None:
    lite = tfzoo.export_model(model, format="tflite", check=folder, output=tmp_path / "a.tflite")
    with pytest.raises(UsageError, match=r"a\.tflite is \.tflite already; exports are made of"):
        tfzoo.export_model(lite.path, format="openvino")


def test_a_model_by_address_is_called_by_its_file(tmp_path) -> None:
    model = StoredModel("https://example.org/a/my%20ssd.tar.gz?key=***#0123456789ab", tmp_path)
    settings = ExportSettings(model.id, format="tflite")
    assert make._name_of(model, settings) == "my ssd.tflite"
