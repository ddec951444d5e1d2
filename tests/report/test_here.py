"""What models take here: measured where they were timed, else forecast, and each says which."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.measurements import add
from tfzoo.errors import MeasurementError, UsageError
from tfzoo.hardware import cpu_name, usable_cores
from tfzoo.report.here import LatenciesHere, LatencyHere, forecast_here, latencies_from
from tfzoo.report.recommend import recommend
from tfzoo.report.speed import Machine
from tfzoo.results import read_rows
from tfzoo.zoo.manifest import DEFAULT_MODEL, load_manifest

D0 = "efficientdet_d0_coco17_tpu-32"
D1 = "efficientdet_d1_coco17_tpu-32"
MOBILENET = "ssd_mobilenet_v2_320x320_coco17_tpu-8"
MANIFEST = load_manifest()
HERE = Machine("cpu", "Some CPU, 2 cores", "tensorflow 2.20.0", "generated 600x600")


def latencies(results: Path, machine: Machine = HERE) -> LatenciesHere:
    return latencies_from(MANIFEST, read_rows(results / "timing.csv"), machine)


def of(found: LatenciesHere, model: str) -> LatencyHere:
    return next(one for one in found.models if one.spec.id == model)


def test_every_model_is_measured_or_forecast_or_says_why_not(tmp_path: Path) -> None:
    add(tmp_path, D0, 90.0)
    found = latencies(tmp_path)
    assert [one.spec for one in found.models] == list(MANIFEST.all_models)
    for one in found.models:
        assert (one.measured_ms is not None) == (one.spec.id == D0)
        if one.spec.family == "extremenet":
            assert one.forecast is None
            assert one.reason == "what it computes is not known: no public config or graph says"
        elif one.spec.family == "yolov5":
            assert one.reason == "it comes as .onnx, which tensorflow does not open"
        elif one.spec.id == D0:
            assert one.reason == "nothing else was timed here to forecast it from"
        else:
            assert one.reason is None
            assert one.forecast is not None
            assert one.forecast.low_ms < one.forecast.ms < one.forecast.high_ms
    assert [one.spec.id for one in found.timed] == [D0]
    assert found.error is None


def test_a_runtime_that_opens_onnx_has_a_forecast_for_it(tmp_path: Path) -> None:
    add(tmp_path, D0, 50.0, runtime="openvino 2026.4.1")
    found = latencies(tmp_path, replace(HERE, runtime="openvino 2026.4.1"))
    assert of(found, "yolov5s").forecast is not None


def test_times_of_other_conditions_say_nothing(tmp_path: Path) -> None:
    add(tmp_path, D0, 90.0)
    alone = latencies(tmp_path)
    add(tmp_path, MOBILENET, 9.0, runtime="openvino 2026.4.1")
    add(tmp_path, MOBILENET, 9.0, cores=8)
    add(tmp_path, MOBILENET, 9.0, precision="int8")
    add(tmp_path, MOBILENET, 9.0, batch=4)
    add(tmp_path, MOBILENET, 9.0, image_set="photos: 79 images")
    add(tmp_path, MOBILENET, None, error="gave up")
    add(tmp_path, "/models/mine", 9.0)
    assert latencies(tmp_path) == alone


def test_what_was_measured_later_is_held_against_its_forecast(tmp_path: Path) -> None:
    add(tmp_path, D0, 90.0)
    before = of(latencies(tmp_path), MOBILENET).forecast
    add(tmp_path, MOBILENET, 20.0)
    add(tmp_path, MOBILENET, 25.0)
    found = latencies(tmp_path)
    mobilenet = of(found, MOBILENET)
    assert before is not None
    # Its own time, the newest, is no part of its forecast.
    assert mobilenet.forecast == before
    assert mobilenet.measured_ms == 25
    assert mobilenet.error == 25 / before.ms
    error = found.error
    assert error is not None
    # From one another: where one is over, the other is as much under.
    factor = max(mobilenet.error, 1 / mobilenet.error)
    assert error.models == 2
    assert error.median_factor == pytest.approx(factor, rel=0.01)
    assert error.worst_factor == pytest.approx(factor, rel=0.01)
    assert error.within == (2 if before.holds(25) else 0)
    # A third tells the others more than the first alone did.
    now, then = of(found, D1).forecast, before
    assert now is not None
    assert now.high_ms / now.low_ms < then.high_ms / then.low_ms


def test_points_tell_a_forecast_from_a_measured_time(tmp_path: Path) -> None:
    add(tmp_path, D0, 90.0)
    found = latencies(tmp_path)
    points = {point.id: point for point in found.points()}
    assert points[D0].latency_ms == 90
    assert points[D0].latency_interval is None
    assert points[D0].speed_notes == (f"Timed on {HERE}.",)
    forecast = of(found, D1).forecast
    assert forecast is not None
    assert points[D1].latency_interval == (forecast.low_ms, forecast.high_ms)
    assert points[D1].fps == 1000 / forecast.ms
    assert points[D1].speed_notes == (f"A forecast for {HERE}.",)
    # A model without a time is none, and the project's own has no part in the zoo's choice.
    assert {"extremenet_20210507", "yolov5s", DEFAULT_MODEL}.isdisjoint(points)
    chosen = recommend(list(points.values()), max_latency_ms=forecast.ms + 1)
    assert D1 in [point.id for point in chosen]
    assert all((point.latency_ms or 0) <= forecast.ms + 1 for point in chosen)


def test_a_model_that_could_not_be_timed_is_named_beside_the_forecast(tmp_path: Path) -> None:
    add(tmp_path, D0, 90.0)
    found = latencies_from(MANIFEST, read_rows(tmp_path / "timing.csv"), HERE, ["demo: gave up"])
    assert found.to_json()["failed"] == ["demo: gave up"]
    assert latencies(tmp_path).failed == ()


def test_without_any_time_there_is_no_forecast_and_the_reasons_are_told() -> None:
    with pytest.raises(MeasurementError, match="none of the models here could be timed") as caught:
        latencies_from(MANIFEST, [], HERE, ["demo: gave up"])
    assert str(caught.value).endswith("\n  demo: gave up")


def test_an_unknown_runtime_is_refused() -> None:
    with pytest.raises(
        UsageError, match="no runtime is called 'torch'; there are auto, tensorflow"
    ):
        forecast_here(runtime="torch", results=None)


def command(results: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    arguments = [sys.executable, "-m", "tfzoo", "recommend", "--results", str(results), *more]
    return subprocess.run(arguments, capture_output=True, text=True)


def timed_here(results: Path) -> None:
    """Times as if `tfzoo benchmark` had taken them on this machine, so that none is taken now."""
    import tensorflow as tf

    of_here = {"cpu": cpu_name(), "cores": usable_cores()}
    version = f"tensorflow {tf.__version__}"
    add(results, DEFAULT_MODEL, 5.0, runtime=version, **of_here)
    add(results, D0, 120.0, runtime=version, **of_here)
    busy = "other processes used 1.1 cores (of 2)"
    add(results, MOBILENET, 30.0, runtime=version, notes=busy, **of_here)


HERE_ONLY = ("--here", "--runtime", "tensorflow", "--device", "cpu")


def test_the_command_marks_forecasts_and_says_what_they_are_worth(tmp_path: Path) -> None:
    timed_here(tmp_path)
    before = (tmp_path / "timing.csv").read_bytes()
    done = command(tmp_path, *HERE_ONLY, "--max-latency", "400ms", "--all")
    assert done.returncode == 0, done.stderr
    # What was timed before is not timed again.
    assert (tmp_path / "timing.csv").read_bytes() == before
    said = " ".join(done.stdout.split())
    assert re.search(r"EfficientDet D1 640x640 38.4 \S+ \S+ forecast, \d+ to \d+ ms", said)
    assert "EfficientDet D0 512x512 33.6 120 8.333 measured" in said
    assert "May take more than 400 ms, by their intervals: " in said
    assert "Forecast against measured, each forecast from the others alone:" in said
    assert "EfficientDet D0 512x512: forecast " in said
    assert "), measured 120 ms" in said
    assert "Off by a factor of " in said
    assert "of 3 within the interval." in said
    assert "was timed beside other work (other processes used 1.1 cores (of 2))" in said
    assert "every model" in said
    assert "No forecast of ExtremeNet" in said


def test_the_command_prints_json_of_every_model(tmp_path: Path) -> None:
    timed_here(tmp_path)
    done = command(tmp_path, *HERE_ONLY, "--max-latency", "400ms", "--json")
    told = json.loads(done.stdout)
    assert told["timed"] == [D0, MOBILENET, DEFAULT_MODEL]
    assert told["error"]["models"] == 3
    models = {one["id"]: one for one in told["models"]}
    assert len(models) == len(MANIFEST.all_models)
    assert models[D0]["speed"] == "measured"
    assert models[D0]["measured_over_forecast"] == pytest.approx(120 / models[D0]["forecast"]["ms"])
    assert models[D1]["speed"] == "forecast"
    assert models[D1]["disturbed"] is None
    assert models[MOBILENET]["disturbed"] == "other processes used 1.1 cores (of 2)"
    assert models["extremenet_20210507"]["speed"] is None
    for chosen in told["recommended"]:
        assert chosen["forecast"] == (models[chosen["id"]]["speed"] == "forecast")
        assert (chosen["latency_interval_ms"] is None) != chosen["forecast"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--runtime", "frozen"], "--all, --runtime and --device are of this machine's times"),
        (["--here", "--speed-from", "measured"], "--here takes measured times where there are any"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: list[str], said: str, tmp_path: Path
) -> None:
    done = command(tmp_path, *options)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_what_is_here_is_timed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFZOO_PREPARE", "0")
    told: list[str] = []
    found = forecast_here(device="cpu", results=tmp_path, on_model=told.append)
    assert told[-1] == f"timing {DEFAULT_MODEL} with tensorflow"
    (row,) = read_rows(tmp_path / "timing.csv")
    assert row["model"] == DEFAULT_MODEL
    assert of(found, DEFAULT_MODEL).measured_ms == float(row["mean_ms"])
    assert of(found, D1).forecast is not None
    again = forecast_here(device="cpu", results=tmp_path, on_model=told.append)
    assert len(told) == 3  # The runtime was looked for, and nothing was timed.
    assert again == found
