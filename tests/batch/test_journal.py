"""A run is pinned: stopped, killed and resumed it ends with the same rows, or says why not."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.folders import everything, fill, parts_of, stop_after
from tests.helpers.paths import ROOT
from tfzoo.batch import folder, parts
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.journal import read_journal
from tfzoo.detector import Detector
from tfzoo.errors import OutputError, UsageError
from tfzoo.outside import keyed
from tfzoo.store.cache import Entry
from tfzoo.store.models import StoredModel
from tfzoo.store.provenance import Provenance, now


def test_a_folder_that_holds_a_run_is_not_written_over(standard: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 2)
    out = tmp_path / "out"
    detect_folder(images, standard, out)
    before = everything(out)
    with pytest.raises(UsageError, match=r"--resume[\s\S]*--overwrite[\s\S]*--out"):
        detect_folder(images, standard, out)
    assert everything(out) == before
    (out / "notes.txt").write_text("mine")
    detect_folder(images / "0.png", standard, out, overwrite=True)
    assert [path.name for path in (out / "annotated").iterdir()] == ["0.png"]
    assert (out / "notes.txt").read_text() == "mine"


def test_parts_without_a_journal_are_not_taken_for_this_runs(
    standard: Detector, tmp_path: Path
) -> None:
    images = fill(tmp_path / "photos", 2)
    detect_folder(images, standard, tmp_path / "out")
    (tmp_path / "out" / "run.json").unlink()
    with pytest.raises(UsageError, match=r"no run\.json"):
        detect_folder(images, standard, tmp_path / "out", resume=True)


def test_two_runs_do_not_write_into_one_folder(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 2)
    told = []

    def intrude(done: int, total: int | None) -> None:
        if not told:
            with pytest.raises(OutputError, match="another run is writing") as raised:
                detect_folder(images, watched, tmp_path / "out", resume=True)
            told.append(raised)

    detect_folder(images, watched, tmp_path / "out", on_progress=intrude)
    assert told


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"min_score": 0.5}, "min_score: was 0.3, now 0.5"),
        ({"classes": ["dog"]}, r"classes: was null, now \[18\]"),
        ({"exclude": ["dog"]}, r"exclude: was null, now \[18\]"),
        ({"min_score": {"dog": 0.5}}, r'min_score: was 0.3, now {"default": 0.3, "18": 0.5}'),
        ({"max_detections": 3}, "max_detections"),
        ({"class_agnostic": True}, "class_agnostic: was false, now true"),
        ({"soft_nms": 0.5}, "soft_nms: was null, now 0.5"),
        ({"recursive": True}, "recursive"),
        ({"pictures": False}, "pictures"),
    ],
)
def test_a_changed_setting_is_refused(
    watched: Detector, tmp_path: Path, changed: dict[str, Any], named: str
) -> None:
    images = fill(tmp_path / "photos", 2)
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, tmp_path / "out", on_progress=stop_after(1))
    with pytest.raises(UsageError, match=named):
        detect_folder(images, watched, tmp_path / "out", resume=True, **changed)


def test_a_changed_model_or_source_is_refused(
    watched: Detector, standard: Detector, tmp_path: Path
) -> None:
    images = fill(tmp_path / "photos", 2)
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, tmp_path / "out", on_progress=stop_after(1))
    with pytest.raises(UsageError, match=r"model: was[\s\S]*runtime: was \"onnx"):
        detect_folder(images, standard, tmp_path / "out", resume=True)
    watched.model = StoredModel("standin", watched.model.path, "sha256:2")
    with pytest.raises(UsageError, match='digest: was "sha256:1", now "sha256:2"'):
        detect_folder(images, watched, tmp_path / "out", resume=True)
    watched.model = StoredModel("standin", watched.model.path, "sha256:1")
    with pytest.raises(UsageError, match="sources: was"):
        detect_folder(images / "1.png", watched, tmp_path / "out", resume=True)


@pytest.mark.parametrize("stops", [[3], [0, 1, 2], [4, 8, 11], [5, 9]])
def test_a_stopped_run_goes_on_and_detects_nothing_twice(
    watched: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: list[int]
) -> None:
    monkeypatch.setattr(folder, "PART_IMAGES", 4)
    images = fill(tmp_path / "photos", 11)
    detect_folder(images, watched, tmp_path / "whole")
    out = tmp_path / "out"
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            detect_folder(images, watched, out, resume=True, on_progress=stop_after(stop))
        kept = sum(part.images for part in parts_of(out).sealed().values())
        assert kept == stop
    before = watched.runtime.runs
    summary = detect_folder(images, watched, out, resume=True)
    assert everything(out) == everything(tmp_path / "whole")
    assert summary.resumed == stops[-1]
    assert watched.runtime.runs - before == 1 + 11 - stops[-1]  # The blank image is one.


def test_resuming_a_finished_run_changes_nothing(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 5)
    detect_folder(images, watched, tmp_path / "out")
    before = everything(tmp_path / "out")
    summary = detect_folder(images, watched, tmp_path / "out", resume=True)
    assert (summary.images, summary.resumed, summary.images_per_s) == (5, 5, 0)
    assert everything(tmp_path / "out") == before


KILLED = """
import sys
from pathlib import Path
from tfzoo.batch import folder
from tfzoo.batch.exports import WRITTEN
from tfzoo.detector import Detector
from tfzoo.batch import local
from tfzoo.detections.labels import COCO
from tfzoo.runtimes.runtime import open_runtime
from tfzoo.store.models import StoredModel

model, images, out = map(Path, sys.argv[1:])
folder.PART_IMAGES = 16
local.CHECKPOINT_S = 0.02
detector = Detector(StoredModel("standin", model, ""), open_runtime("onnx", model, "cpu"), COCO)
print("ready", flush=True)
folder.detect_folder(images, detector, out, resume=True, pictures=False)
"""


def test_a_run_killed_at_any_moment_ends_with_the_same_rows(
    onnx_model: Path, tmp_path: Path
) -> None:
    trials = int(os.environ.get("TRIALS", "5"))
    data = os.environ.get("TFZOO_TEST_DATA")
    images = Path(data, "coco_val_mini", "images") if data else fill(tmp_path / "photos", 79)
    draw = random.Random(9)

    def start(out: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", KILLED, str(onnx_model), str(images), str(out)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        return run

    whole = tmp_path / "whole"
    began = time.monotonic()
    assert start(whole).wait() == 0
    taken = time.monotonic() - began
    killed_at = []
    for trial in range(trials):
        out = tmp_path / f"out{trial}"
        run = start(out)
        time.sleep(draw.random() * taken)
        run.kill()
        if run.wait() != 0:
            written = parts.Parts(out / "parts", 16, parts.Columns())
            killed_at.append(sum(part.images for part in written.sealed().values()))
        assert start(out).wait() == 0
        assert everything(out) == everything(whole)
        assert not list(out.rglob("*.tmp"))
    assert killed_at, "no run was killed before its end"


def test_a_run_says_what_vouches_for_its_model(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 1)
    record = Provenance("m", "https://h/m", "archive", "sha256:1", 1, (), now(), "1", "m", {})
    for vouched_by, told in [((), "nothing"), (("https", "digest"), "https; digest")]:
        entry = Entry(tmp_path, replace(record, vouched_by=vouched_by))
        watched.model = replace(watched.model, entry=entry)
        summary = detect_folder(images, watched, tmp_path / "out", overwrite=True)
        begun = json.loads((tmp_path / "out" / "run.json").read_text())
        assert (summary.vouched_by, begun["vouched_by"]) == (told, told)
    # What an earlier version wrote, with all that an address hides, is gone on with.
    begun.pop("vouched_by")
    begun["settings"]["sources"] = ["https://user:hunter2@h/a.png?sig=S3CR"]
    (tmp_path / "out" / "run.json").write_text(json.dumps(begun))
    known = read_journal(tmp_path / "out")
    assert known is not None and known.vouched_by is None
    (source,) = begun["settings"]["sources"]
    known.check({**begun["settings"], "sources": [keyed(source)]}, tmp_path / "out")
    with pytest.raises(UsageError, match="sources: was") as caught:
        known.check({**begun["settings"], "sources": [keyed(source + "0")]}, tmp_path / "out")
    assert "hunter2" not in str(caught.value) and "S3CR" not in str(caught.value)


def test_damage_in_what_a_run_keeps_is_told_of(standard: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 3)
    out = tmp_path / "out"
    detect_folder(images, standard, out, pictures=False)
    good = json.loads((out / "run.json").read_text())
    wrong: list[Any] = [[], "text", None, 5, {}, good | {"settings": "x"}, good | {"settings": {}}]
    wrong += [good | {"images": "3"}, good | {"left_out": []}, good | {"format": []}]
    for content in wrong:
        (out / "run.json").write_text(json.dumps(content))
        with pytest.raises(UsageError, match=r"is no journal of a run|whose runs"):
            detect_folder(images, standard, out, pictures=False, resume=True)
    (out / "run.json").write_text("[" * 100_000)
    with pytest.raises(UsageError, match="is no journal of a run"):
        detect_folder(images, standard, out, pictures=False, resume=True)
