"""Int8: made when asked for, opened when asked for, its loss measured, its figures kept apart."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import tfzoo
from tests.helpers import free_sizes, one_stage, standins
from tfzoo.cli.main import app
from tfzoo.errors import ModelFormatError, RuntimeUnavailableError, UsageError
from tfzoo.prepare import int8
from tfzoo.prepare.choice import Choice, Trial
from tfzoo.results import read_rows
from tfzoo.store.models import get_model
from tfzoo.trials import measure as trials
from tfzoo.trials import quantise as quantising
from tfzoo.trials.quantise import calibration, quantise

pytest.importorskip("nncf")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pictures, one that can't be read and a film among them."""
    place = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(5)
    for i in range(24):
        pixels = random.integers(0, 256, (60 + i, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{i:02}.png")
    (place / "broken.png").write_bytes(b"no picture")
    return place


@pytest.fixture(scope="module")
def made(tmp_path_factory, folder):
    """A model, its cache, and what `quantise` told of it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TFZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        model = one_stage.save(tmp_path_factory.mktemp("one_stage"))
        steps: list[tuple[str, int, int]] = []
        told = quantise(get_model(model), folder, lambda *step: steps.append(step))
        yield model, told, steps


def test_what_it_costs_is_measured_on_images_kept_back(made, folder) -> None:
    _, told, steps = made
    assert (told["images"], told["kept_back"], told["folder"]) == (20, 4, str(folder))
    assert 0.3 < told["map"] <= 1
    assert all(size > 0 for size in told["size_mb"].values())
    assert all(speed > 0 for speed in told["images_per_s"].values())
    assert [done for _, done, _ in steps] == [0, 1, 2, 3, 4]


def test_it_is_opened_when_asked_for_and_only_then(made, folder, monkeypatch) -> None:
    model, told, _ = made
    detector = tfzoo.load(model, precision="int8")
    found = detector(folder / "00.png")
    assert found.run is not None
    assert (detector.runtime.name, found.run.precision) == ("openvino", "int8")
    monkeypatch.setenv("TFZOO_RUNTIME", "auto")
    assert tfzoo.load(model)(folder / "00.png").run.precision == "float32"  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="int8 runs with openvino alone, not with frozen"):
        tfzoo.load(model, precision="int8", runtime="frozen")
    found_form = int8.find_int8(get_model(model))
    assert found_form is not None and found_form[1] == told


def test_precision_is_part_of_what_a_run_and_a_measurement_are(made, folder, tmp_path) -> None:
    model, _, _ = made
    tfzoo.detect_folder(folder, model, tmp_path / "out", precision="int8", pictures=False)
    journal = json.loads((tmp_path / "out" / "run.json").read_text())
    assert journal["settings"]["precision"] == "int8"
    with pytest.raises(UsageError, match="precision"):
        tfzoo.detect_folder(folder, model, tmp_path / "out", pictures=False, resume=True)
    results = tmp_path / "results"
    timed = tfzoo.benchmark(
        model, precision="int8", results=results, min_images=1, min_seconds=0, images=folder
    )
    assert timed.error is None
    assert timed.precision == "int8" and str(timed.runtime).startswith("openvino")
    (row,) = read_rows(results / "timing.csv")
    assert row["model"] == str(model) and row["precision"] == "int8"
    names = [line["name"] for line in tfzoo.build_table(tfzoo.load_manifest(), results).others]
    assert names == [f"{model} (int8)"]


def test_an_opened_detector_s_precision_is_a_run_s_identity_too(made, folder, tmp_path) -> None:
    model, told, _ = made
    detector = tfzoo.load(model, precision="int8")
    tfzoo.detect_folder(folder, detector, tmp_path / "out", pictures=False)
    pinned = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert (pinned["precision"], pinned["calibrated_on"]) == ("int8", told["images_digest"])
    with pytest.raises(UsageError, match=r'precision: was "int8", now "float32"'):
        tfzoo.detect_folder(
            folder, model, tmp_path / "out", runtime="openvino", pictures=False, resume=True
        )


def test_saved_predictions_of_another_precision_or_calibration_are_not_gone_on_with(
    made, folder, tmp_path, monkeypatch
) -> None:
    images = [{"id": i, "file_name": f"{i:02}.png", "width": 80, "height": 60 + i} for i in (0, 1)]
    box = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
    truth = {"images": images, "annotations": [box], "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))

    def evaluate(model, **how):
        return tfzoo.evaluate(
            model,
            images=folder,
            annotations=tmp_path / "truth.json",
            results=tmp_path / "results",
            **how,
        )

    model, _, _ = made
    assert evaluate(model, precision="int8").precision == "int8"
    assert evaluate(tfzoo.load(model, precision="int8")).precision == "int8"
    saved = tmp_path / "results" / "predictions"
    assert len(list(saved.glob("*.jsonl"))) == 1
    assert evaluate(tfzoo.load(model, runtime="openvino")).precision == "float32"
    assert len(list(saved.glob("*.jsonl"))) == 2
    monkeypatch.setattr("tfzoo.accuracy.evaluate.calibrated_on", lambda model: "others")
    evaluate(model, precision="int8")
    assert len(list(saved.glob("*.jsonl"))) == 3


@pytest.mark.parametrize(
    "use",
    [
        lambda model, folder: tfzoo.load(model, precision="int4"),
        lambda model, folder: tfzoo.prepare_model(model, precision="int4", calibrate=folder),
        lambda model, folder: tfzoo.benchmark(model, precision="int4", results=None),
        lambda model, folder: tfzoo.detect_folder(folder, model, folder, precision="int4"),
    ],
)
def test_a_precision_that_there_is_none_of_is_named(made, folder, use) -> None:
    with pytest.raises(UsageError, match="no precision 'int4'; expected float32 or int8"):
        use(made[0], folder)


def test_without_its_form_int8_is_refused_with_the_way_to_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    model = one_stage.save(tmp_path / "model")
    with pytest.raises(UsageError, match="--precision int8 --calibrate FOLDER"):
        tfzoo.load(model, precision="int8")


def test_too_few_images_are_refused_and_nothing_is_left(tmp_path, folder, made) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for i in range(17):
        (few / f"{i}.png").symlink_to(folder / f"{i:02}.png")
    with pytest.raises(
        UsageError, match=r"holds 17 images that can be read.*needs 16 to calibrate"
    ):
        quantise(get_model(made[0]), few, lambda *step: None)
    assert int8.find_int8(get_model(made[0])) is not None


def test_an_earlier_form_stays_until_the_new_one_is_whole(made, folder, monkeypatch) -> None:
    model, told, _ = made
    stored = get_model(model)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(quantising, "agreement_map", stop)
    with pytest.raises(KeyboardInterrupt):
        quantise(stored, folder, lambda *step: None)
    monkeypatch.setattr(quantising, "agreement_map", lambda *_: 0.2)
    with pytest.raises(ModelFormatError, match=r"something else in int8: mAP 0\.200"):
        quantise(stored, folder, lambda *step: None)
    monkeypatch.setattr("nncf.quantize", lambda *_, **__: 1 / 0)
    with pytest.raises(ModelFormatError, match="NNCF fails on it: division by zero"):
        quantise(stored, folder, lambda *step: None)
    found = int8.find_int8(stored)
    assert found is not None and found[1] == told
    assert not list(found[0].folder.parent.glob(".*.tmp"))


def test_a_form_is_opened_where_nncf_is_missing_but_not_for_another_config(
    made, monkeypatch
) -> None:
    stored = get_model(made[0])
    monkeypatch.setattr(int8, "library_version_of", lambda package: "")
    assert int8.find_int8(stored) is not None
    monkeypatch.setattr(int8, "find_config", lambda *_: "another")
    assert int8.find_int8(stored) is None


def test_of_very_many_images_some_of_all_are_taken(folder, monkeypatch) -> None:
    monkeypatch.setattr(quantising, "MOST", 20)
    monkeypatch.setattr(quantising, "FEWEST", 10)
    chosen = calibration(folder)
    taken = sorted(Path(path).name for path in (*chosen.images, *chosen.kept_back))
    assert (taken[0], taken[-1], len(taken)) == ("00.png", "23.png", 20)
    monkeypatch.setattr(quantising, "MOST", 19)
    assert calibration(folder).digest != chosen.digest


def test_a_network_whose_size_goes_with_the_image_is_quantised_too(
    folder, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    model = free_sizes.save(tmp_path / "free")
    told = quantise(get_model(model), folder, lambda *step: None)
    assert told["map"] > 0.6
    assert len(tfzoo.load(model, precision="int8")(folder / "03.png")) > 0


def test_nncf_says_and_reports_nothing(made, folder) -> None:
    # In a process of its own: in pytest it reports nothing anyway, and its level is set at import.
    code = (
        "import os, sys; from tfzoo.prepare import int8\n"
        "with int8._quiet():\n"
        "    import nncf; nncf.common.logging.nncf_logger.error('said')\n"
        "    from nncf.common.logging.track_progress import track; list(track([1, 2]))\n"
        "from nncf.telemetry.wrapper import telemetry\n"
        "assert 'NNCF_CI' not in os.environ and 'Mock' in type(telemetry).__name__, telemetry"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_can_t_be_quantised_is_refused_with_the_reason(tmp_path, folder, monkeypatch) -> None:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    whole = standins.save("standard", tmp_path / "whole")
    with pytest.raises(ModelFormatError, match="can't be made int8: of a graph that holds its"):
        quantise(get_model(whole), folder, lambda *step: None)
    pytest.importorskip("onnxruntime")
    onnx = standins.save_yolov5(tmp_path / "model.onnx", side=64, rows=252)
    with pytest.raises(UsageError, match=r"is an \.onnx file"):
        quantise(get_model(onnx), folder, lambda *step: None)
    with pytest.raises(UsageError, match=r"is an \.onnx file"):
        tfzoo.load(onnx, precision="int8")
    monkeypatch.setattr(int8, "library_version_of", lambda package: "")
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'tfzoo\[int8\]'"):
        quantise(get_model(whole), folder, lambda *step: None)


def test_the_command_needs_both_and_shows_what_it_costs(made, folder, monkeypatch) -> None:
    model, _, _ = made
    choice = Choice((Trial("tensorflow", "1", True, "the export as it is", 1.0, 1.0, 1.0, 0.0),))
    monkeypatch.setattr(trials, "measure", lambda *_: choice)
    for half in (["--precision", "int8"], ["--calibrate", str(folder)]):
        done = CliRunner().invoke(app, ["prepare", str(model), *half])
        assert isinstance(done.exception, UsageError)
    command = ["prepare", str(model), "--precision", "int8", "--calibrate", str(folder)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    told = " ".join(done.stdout.split())
    assert "int8, calibrated on 20 images of" in told
    assert "with full precision taken as true, on 4 images kept back" in told
    shown = CliRunner().invoke(app, ["info", str(model), "--runtimes", "--json"])
    assert json.loads(shown.stdout)["int8"]["kept_back"] == 4
