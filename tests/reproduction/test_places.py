"""Places: real processes, several at once, and never one beside a timing."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from tests.helpers import standins
from tests.helpers.coco_data import random_data, write
from tests.helpers.paths import ROOT
from tfzoo.errors import MeasurementError, UsageError
from tfzoo.reproduction.places import LocalPlace, local_places
from tfzoo.reproduction.run import reproduce
from tfzoo.reproduction.settings import ReproduceSettings
from tfzoo.results import read_rows
from tfzoo.zoo.manifest import DEFAULT_MODEL

Span = tuple[str, str]


@pytest.fixture
def settings(tmp_path: Path) -> ReproduceSettings:
    return ReproduceSettings(
        [DEFAULT_MODEL], limit=3, resamples=0, min_images=2, min_seconds=0, results=tmp_path
    )


def test_a_model_is_evaluated_and_timed_and_told_of_as_it_goes(
    settings: ReproduceSettings, tmp_path: Path
) -> None:
    (place,) = local_places(settings)
    told: list[tuple[int, int]] = []
    good = place.evaluate(DEFAULT_MODEL, "tensorflow", lambda done, of: told.append((done, of)))
    assert told[-1] == (3, 3)
    assert [row["kind"] for row in good.rows] == ["box", "keypoints"]
    assert all(row["model"] == DEFAULT_MODEL and row["images"] == 3 for row in good.rows)
    fast = place.time(DEFAULT_MODEL, "tensorflow")
    (row,) = fast.rows
    assert row["model"] == DEFAULT_MODEL and row["mean_ms"] > 0 and row["images"] >= 2
    # Only whoever keeps the journal adds them to the tables.
    assert not list(tmp_path.glob("*.csv"))


def test_what_fails_says_why(settings: ReproduceSettings, tmp_path: Path) -> None:
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no graph")
    annotations = write(tmp_path / "instances.json", random_data(0, images=5)[0])
    place = LocalPlace(replace(settings, images=tmp_path, annotations=annotations))
    with pytest.raises(MeasurementError, match="evaluating failed"):
        place.evaluate(str(broken), "onnx", lambda done, of: None)
    with pytest.raises(MeasurementError, match="timing failed"):
        place.time(str(broken), "onnx")


def test_a_gpu_has_one_model_and_is_all_that_its_process_sees(
    settings: ReproduceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    two = replace(settings, device="gpu:0,gpu:2")

    def seen() -> list[str]:
        return [place.variables["CUDA_VISIBLE_DEVICES"] for place in local_places(two)]

    assert seen() == ["0", "2"]
    assert {place.settings.device for place in local_places(two)} == {"gpu"}
    assert len(local_places(replace(two, jobs=1))) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    assert seen() == ["4", "7"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    with pytest.raises(UsageError, match="no gpu:2"):
        seen()
    for device, jobs in (("gpu:0,gpu:1", 3), ("gpu:1", 2)):
        with pytest.raises(UsageError, match="one model at a time"):
            local_places(replace(settings, device=device, jobs=jobs))


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, Any]]:
    """Two models that open fast, and what they are measured on."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("quick")
    models = [standins.save_yolov5(folder / f"{n}.onnx", side=64, rows=252) for n in ("one", "two")]
    truth, _ = random_data(0, images=4)
    (folder / "images").mkdir()
    for image in truth["images"]:
        picture = Image.new("RGB", (image["width"], image["height"]))
        picture.save(folder / "images" / image["file_name"])
    given = {"images": folder / "images", "annotations": write(folder / "truth.json", truth)}
    measured = {"runtimes": ["onnx"], "device": "cpu", "min_images": 5, "min_seconds": 0.5}
    return list(map(str, models)), {**given, **measured, "resamples": 0}


def stretches(results: Path) -> dict[tuple[str, str], list[Span]]:
    lines = map(json.loads, (results / "reproduce.jsonl").read_text().splitlines())
    measured = [line["measured"] for line in lines if "measured" in line]
    assert {one["host"] for one in measured} == {os.uname().nodename}
    return {
        (Path(one["model"]).stem, one["step"]): [
            (began, ended) for began, ended in one["stretches"]
        ]
        for one in measured
    }


def overlaps(first: Span, second: Span) -> bool:
    return first[0] < second[1] and second[0] < first[1]


def test_of_several_at_once_none_computes_while_another_is_timed(
    quick: tuple[list[str], dict[str, Any]], tmp_path: Path
) -> None:
    models, given = quick
    rows = reproduce(
        models, **given, jobs=2, results=tmp_path / "results", report=tmp_path / "report"
    )
    assert [row.error for row in rows] == [None, None]
    assert len(read_rows(tmp_path / "results" / "timing.csv")) == 2
    when = stretches(tmp_path / "results")
    assert sorted(when) == [(m, step) for m in ("one", "two") for step in ("accuracy", "speed")]
    spans = [(span, step) for (_, step), found in when.items() for span in found]
    assert all(began < ended for (began, ended), _ in spans)
    for (first, step), (second, other) in combinations(spans, 2):
        if "speed" in (step, other):
            assert not overlaps(first, second)
    # They do stand side by side, or this shows nothing.
    good = (when[name, "accuracy"] for name in ("one", "two"))
    assert any(overlaps(first, second) for first in next(good) for second in next(good))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_is_stopped_leaves_no_process_behind(
    quick: tuple[list[str], dict[str, Any]], tmp_path: Path, number: signal.Signals
) -> None:
    models, given = quick
    command = [sys.executable, "-m", "tfzoo", "reproduce", *models, "--runtime", "onnx"]
    command += ["--images", str(given["images"]), "--annotations", str(given["annotations"])]
    command += ["--device", "cpu", "--jobs", "2", "--min-seconds", "600"]
    command += ["--results", str(tmp_path / "results"), "--report", str(tmp_path / "report")]
    process = psutil.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    journal = tmp_path / "results" / "reproduce.jsonl"
    # Until one is timed, and the other halted or waiting for it.
    while not (journal.exists() and b"accuracy" in journal.read_bytes() and process.children()):
        assert process.poll() is None
        time.sleep(0.02)
    children = process.children()
    process.send_signal(number)
    process.wait(60)
    psutil.wait_procs(children, timeout=60)
    assert not any(one.is_running() and one.status() != "zombie" for one in children)
    if number == signal.SIGINT:
        assert process.returncode == 128 + number
    assert not (tmp_path / "report").exists()
