"""Rows in turn: what fails is a row, what was measured stays, what was fetched for it may go."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import standins
from tests.helpers.coco_data import random_data, write
from tests.helpers.paths import ROOT
from tests.helpers.store_faults import TRIALS
from tfzoo.errors import MeasurementError, OutputError
from tfzoo.reproduction import run
from tfzoo.reproduction.journal import NAME
from tfzoo.reproduction.places import PlaceLostError, Taken
from tfzoo.reproduction.run import reproduce
from tfzoo.reproduction.settings import ReproduceSettings
from tfzoo.results import read_rows
from tfzoo.store.models import get_model

#: Steps that take no time, in a process to be killed; each says that it was taken.
QUICK = """
import json, sys, time
from tfzoo.reproduction import run
from tests.reproduction.test_run import QuickPlace
taken = open(sys.argv[1], "a")
def told(step, model):
    time.sleep(0.02)
    taken.write(f"{step} {model}\\n")
    taken.flush()
given = json.loads(sys.argv[2])
run.local_places = lambda settings, check: [QuickPlace(told)] * given["jobs"]
print(json.dumps([row.to_json() for row in run.reproduce(given.pop("models"), **given)]))
"""


def measured(model: str) -> dict[str, dict[str, Any]]:
    shared = {"model": model, "model_digest": get_model(model).digest}
    shared |= {"runtime": "tensorflow 2.20.0"}
    shared |= {"precision": "float32", "device": "cpu", "date": f"2026-01-01T00:00:00 {model}"}
    figures = {"kind": "box", "images": 5, "image_set": "other", "AP": 0.3}
    accuracy = shared | figures | {"AP_low": 0.25, "AP_high": 0.35}
    return {"accuracy": accuracy, "speed": shared | {"mean_ms": 20.0, "cpu": "One", "cores": 2}}


class QuickPlace:
    """A place where steps take no time, and are told of; those of a real one are `test_places`'."""

    host = "here"

    def __init__(self, told: Callable[[str, str], None]) -> None:
        self._told = told

    def digest(self, model: str) -> str | None:
        return get_model(model).digest

    def runs(self, model: str, runtime: str) -> bool:
        return runtime != "frozen"

    def evaluate(self, model: str, runtime: str, on_count: object) -> Taken:
        self._told("accuracy", model)
        return Taken([measured(model)["accuracy"]], self.host, [("1", "2")])

    def time(self, model: str, runtime: str) -> Taken:
        self._told("speed", model)
        return Taken([measured(model)["speed"]], self.host, [("3", "4")])


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "images").mkdir()
    annotations = write(tmp_path / "instances.json", random_data(0, images=5)[0])
    images = {"images": str(tmp_path / "images"), "annotations": str(annotations)}
    folders = {name: str(tmp_path / name) for name in ("results", "report")}
    return {**images, **folders}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    one = standins.save("standard", folder / "one")
    copies = [shutil.copytree(one, folder / name) for name in ("two", "three")]
    return list(map(str, [one, *copies]))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The steps that were taken, each in no time."""
    steps: list[tuple[str, str]] = []

    def told(step: str, model: str) -> None:
        steps.append((step, Path(model).name))
        if (step, Path(model).name) == ("speed", "two"):
            raise MeasurementError("it does not fit into the memory")

    def places(settings: ReproduceSettings, check: object) -> list[QuickPlace]:
        return [QuickPlace(told)] * (settings.jobs or 1)

    monkeypatch.setattr(run, "local_places", places)
    return steps


def test_a_model_that_fails_is_a_row_and_the_others_go_on(
    models: list[str], given: dict[str, Any], taken: list[tuple[str, str]]
) -> None:
    told: list[str] = []
    rows = reproduce(models, **given, on_row=lambda row: told.append(Path(row.id).name))
    assert told == ["one", "two", "three"]
    assert [row.error for row in rows] == [None, "it does not fit into the memory", None]
    assert [row.speed.measured_ms for row in rows] == [20.0, None, 20.0]
    assert rows[1].accuracy["box"].measured == 30.0
    shown = (Path(given["report"]) / "index.html").read_text()
    assert "it does not fit into the memory" in shown and "<svg" in shown
    assert len(read_rows(Path(given["results"]) / "accuracy.csv")) == 3


def test_what_was_measured_is_not_measured_again_unless_asked(
    models: list[str], given: dict[str, Any], taken: list[tuple[str, str]]
) -> None:
    first = reproduce(models, **given)
    del taken[:]
    assert reproduce(models, **given) == first
    assert taken == [("speed", "two")]  # What failed is tried again.
    del taken[:]
    reproduce(models[:1], **given, again=True)
    assert taken == [("accuracy", "one"), ("speed", "one")]
    del taken[:]
    reproduce(models[:1], **given, limit=3)
    assert taken == [("accuracy", "one")]


def test_a_model_that_has_changed_is_measured_anew(
    given: dict[str, Any], taken: list[tuple[str, str]], tmp_path: Path
) -> None:
    model = standins.save("standard", tmp_path / "mine")
    for kind in ("standard", "centernet"):
        standins.save(kind, model)
        reproduce([model], **given)
        # However its path is written, it is the same.
        reproduce([model / ".." / "mine"], **given)
    assert taken == 2 * [("accuracy", "mine"), ("speed", "mine")]


@pytest.mark.parametrize("name", ["index.html", "index.md"])
def test_a_report_replaces_one_of_ours_and_no_file_of_somebody_elses(
    models: list[str], given: dict[str, Any], taken: list[tuple[str, str]], name: str
) -> None:
    reproduce(models[:1], **given)
    reproduce(models[:1], **given)
    file = Path(given["report"]) / name
    file.write_text("mine")
    del taken[:]
    with pytest.raises(OutputError, match=r"no report that tfzoo wrote.*--report"):
        reproduce(models[:1], **given, again=True)
    assert taken == [] and file.read_text() == "mine"


def test_json_has_the_keys_that_are_promised(
    models: list[str], given: dict[str, Any], taken: list[tuple[str, str]]
) -> None:
    (row,) = reproduce(models[:1], **given)
    shown = json.loads(json.dumps(row.to_json(), allow_nan=False))
    assert {"id", "accuracy", "speed", "error"} <= set(shown)
    keys = {"reported", "measured", "low", "high", "images", "verdict"}
    assert keys <= set(shown["accuracy"]["box"])
    assert {"reported_ms", "measured_ms", "verdict"} <= set(shown["speed"])


@pytest.mark.parametrize("jobs", [1, 3])
def test_killed_at_any_moment_it_goes_on_and_measures_nothing_twice(
    models: list[str], given: dict[str, Any], tmp_path: Path, jobs: int
) -> None:
    given["jobs"] = jobs
    chance = random.Random(0)
    for trial in range(TRIALS):
        place = tmp_path / str(trial)
        place.mkdir()
        asked = given | {"results": str(place / "results"), "report": str(place / "report")}
        log = place / "taken"
        command = [sys.executable, "-c", QUICK, str(log), json.dumps({"models": models, **asked})]
        killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
        while not log.exists() and killed.poll() is None:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.2))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
        rows = json.loads(done.stdout)
        assert [Path(row["id"]).name for row in rows] == ["one", "two", "three"]
        assert all(row["error"] is None for row in rows)
        for name in ("accuracy.csv", "timing.csv"):
            listed = [row["model"] for row in read_rows(place / "results" / name)]
            assert sorted(listed) == sorted(models)
        # Steps that were under way when the kill came are the only ones to be taken again.
        assert len(log.read_text().splitlines()) <= 2 * len(models) + jobs
        assert (place / "report" / "index.html").read_text().endswith("</html>\n")
    assert os.environ.get("TFZOO_CACHE")


def test_several_at_once_give_the_rows_in_the_order_of_the_plan(
    models: list[str], given: dict[str, Any], taken: list[tuple[str, str]]
) -> None:
    steps: list[str] = []
    rows = reproduce(
        models, **given, jobs=2, runtimes=["tensorflow", "onnx", "frozen"],
        on_step=lambda doing, done, of: steps.append(doing),
    )  # fmt: skip
    names = [(Path(row.id).name, row.runtime) for row in rows]
    assert names == [(n, r) for n in ("one", "two", "three") for r in ("tensorflow", "onnx")]
    assert sorted(taken) == sorted(
        2 * [(step, name) for step in ("accuracy", "speed") for name in ("one", "two", "three")]
    )
    assert {step.partition(",")[0] for step in steps} == {"1 of 3", "2 of 3", "3 of 3"}


def test_a_machine_that_leaves_gives_its_model_to_the_others(
    models: list[str], given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []

    def leave(step: str, model: str) -> None:
        if step == "speed":
            raise PlaceLostError("a node has left")

    def stay(step: str, model: str) -> None:
        told.append((step, Path(model).name))

    places = [QuickPlace(leave), QuickPlace(stay)]
    monkeypatch.setattr(run, "local_places", lambda settings, check: list(places))
    rows = reproduce(models, **given)
    assert [row.error for row in rows] == [None, None, None]
    # What was measured before it left is not measured again.
    kept = [json.loads(line)["measured"] for line in journal_of(given)]
    assert len({(one["model"], one["step"]) for one in kept}) == len(kept) == 6
    del places[1]
    (row,) = reproduce(models[:1], **given, again=True)
    assert row.error is not None and "every machine" in row.error


def journal_of(given: dict[str, Any]) -> list[str]:
    return (Path(given["results"]) / NAME).read_text().splitlines()


def test_an_error_of_ours_ends_all_and_is_told(
    models: list[str], given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(step: str, model: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(run, "local_places", lambda settings, check: [QuickPlace(told)] * 2)
    with pytest.raises(ZeroDivisionError):
        reproduce(models, **given)


def test_what_was_fetched_for_it_is_removed_and_what_was_there_stays(
    models: list[str], given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, removed = {models[0]}, []

    class Disk(QuickPlace):
        def digest(self, model: str) -> str | None:
            return get_model(model).digest if model in there else None

        def fetch(self, model: str, on_count: object) -> str:
            # Noted before it is begun: killed here, the next run knows whose it is.
            assert f'"fetching": "{model}"' in "".join(journal_of(given))
            there.add(model)
            return get_model(model).digest

        def remove(self, model: str) -> None:
            there.discard(model)
            removed.append(model)

    place = Disk(lambda step, model: None)
    monkeypatch.setattr(run, "local_places", lambda settings, check: [place] * 2)
    rows = reproduce(models, **given, jobs=2, free_disk=True)
    assert [row.error for row in rows] == [None, None, None]
    assert sorted(removed) == sorted(models[1:]) and there == {models[0]}
