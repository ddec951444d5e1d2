"""`tfzoo detect` as people and scripts run it: real processes, exit codes, fixed names."""

from __future__ import annotations

import inspect
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tests.helpers import standins
from tests.helpers.paths import ROOT
from tfzoo.batch import folder
from tfzoo.batch.folder import Summary, detect_folder
from tfzoo.cli.detect import detect_command, how_to_go_on
from tfzoo.cli.main import app


def save(path: Path, image: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[:, :, ::-1])
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "standin.onnx"
    return standins.save_yolov5(path, side=64, rows=252)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for i in range(4):
        picture = standins.paint(64, 64, person=(0, 0, 30, 40), dog=(35, 10, 60, 50))
        save(tmp_path / "photos" / f"{i}.png", picture)
    return tmp_path / "photos"


def detect(*arguments: object) -> Result:
    """Runs the command in this process; an error of ours is raised, as main() would print it."""
    return CliRunner().invoke(app, ["detect", *map(str, arguments)])


def process(*arguments: object, **settings: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tfzoo", "detect", *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **settings,
    )  # fmt: skip


def test_a_summary_for_people(model: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = detect(photos, "--model", model, "--out", out)
    assert result.exit_code == 0
    assert "4 images, 8 detections" in result.stdout
    assert "dog 4, person 4" in result.stdout
    assert f"{out}/detections.json" in result.stdout
    assert f"Pictures: {out}/annotated" in result.stdout


@pytest.mark.parametrize(("kinds", "more"), [(10, ""), (13, ", and 3 more")])
def test_ten_categories_are_named_and_the_others_counted(
    kinds: int, more: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    categories = {f"kind{n}": 20 - n for n in range(kinds)}
    summary = Summary(4, 0, 99, categories, 0, 0, 1.0, 4.0, "mine", "onnx 1", "cpu", tmp_path)
    monkeypatch.setattr(folder, "detect_folder", lambda *_, **__: summary)
    named = ", ".join(f"kind{n} {20 - n}" for n in range(10))
    assert f"{named}{more}\n" in detect(photos).stdout


def test_a_summary_for_programs(model: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = detect(photos, "--model", model, "--out", out, "--json", "--no-images")
    summary = json.loads(result.stdout)
    assert {"images": 4, "failed": 0, "detections": 8, "resumed": 0}.items() <= summary.items()
    assert summary["categories"] == {"dog": 4, "person": 4}
    assert summary["images_per_s"] > 0
    assert "annotated" not in summary["files"]
    assert all(Path(path).exists() for path in summary["files"].values())
    assert not (out / "annotated").exists()


def test_what_was_left_out_is_said_at_the_end(model: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "notes.txt").touch()
    options = ["-m", model, "-o", tmp_path / "out", "--no-images", "--overwrite"]
    assert "1 file left out: 1 .txt\n" in detect(photos, *options).stdout
    assert json.loads(detect(photos, *options, "--json").stdout)["left_out"] == {".txt": 1}


def test_options_reach_the_run(model: Path, photos: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": [{"id": 77, "file_name": "2.png"}]}))
    out = tmp_path / "out"
    options = ["--annotations", truth, "--classes", "dog, 1", "--max-detections", "1"]
    assert detect(photos, "-m", model, "-o", out, *options).exit_code == 0
    (row,) = json.loads((out / "detections.json").read_text())
    assert row["image_id"] == 77
    (tmp_path / "scores.yaml").write_text("person: 0.99\ndefault: 0.2")
    for given in ("person=0.99,0.2", str(tmp_path / "scores.yaml")):
        options = ["--min-score", given, "--exclude", "17,cat", "--json", "--overwrite"]
        result = detect(photos, "-m", model, "-o", out, *options)
        assert json.loads(result.stdout)["categories"] == {"dog": 4}


def test_formats_and_crops_are_told_of(model: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["-m", model, "-o", out, "--format", "coco,counts", "--format", "yolo", "--crops"]
    said = detect(photos, *options).stdout
    assert f"Formats: {out}/coco.json, yolo/labels, counts.csv" in said
    assert f"Crops: {out}/crops" in said
    again = detect(photos, *options, "--resume", "--format", "voc", "--json")
    files = json.loads(again.stdout)["files"]
    assert {"coco.json", "yolo/labels", "voc/Annotations", "counts.csv", "crops"} < files.keys()
    assert all(Path(path).exists() for path in files.values())


def test_labels_of_a_fine_tuned_model(model: Path, photos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "label_map.pbtxt"
    labels.write_text("item { id: 1 name: 'red fox' }\nitem { id: 18 name: 'green fox' }")
    out = tmp_path / "out"
    options = ["--labels", labels, "--classes", "red fox", "--json"]
    result = detect(photos, "-m", model, "-o", out, *options)
    assert json.loads(result.stdout)["categories"] == {"red fox": 4}


def test_defaults_are_those_of_the_python_function() -> None:
    """The command names them itself: it loads no library before it runs."""
    in_python = inspect.signature(detect_folder).parameters
    names = {"out_folder": "out", "model": None, "as_json": None, "manifest": None}
    names |= {"offline": None, "verify": None}
    for name, option in inspect.signature(detect_command).parameters.items():
        name = names.get(name, name)
        if name is not None and option.default is not inspect.Parameter.empty:
            expected = in_python[name].default
            assert option.default == (Path(expected) if name == "out" else expected), name


def test_the_embedded_model_is_taken_where_none_is_named(photos: Path, tmp_path: Path) -> None:
    result = detect(photos, "--out", tmp_path / "out", "--no-images")
    assert result.exit_code == 0
    assert "demo_centernet_kpts_256x256" in result.stdout


def test_exit_code_1_where_some_images_failed(model: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"")
    result = detect(photos, "-m", model, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "1 images failed; see" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere", "--model", "MODEL"], 2, "source nowhere does not exist"),
        (["PHOTOS", "--model", "no such model"], 2, "no model is called 'no such model'"),
        (["PHOTOS", "--model", "MODEL", "--min-score", "2"], 2, "expected a score from 0 to 1"),
        (["PHOTOS", "--model", "MODEL", "--classes", "unicorn"], 2, "Closest:"),
        (["PHOTOS", "--model", "MODEL", "--out", "/dev/null/out"], 3, "can't be written|is a file"),
        (["BAD", "--model", "MODEL"], 3, ""),
    ],
)
def test_exit_codes_and_messages(
    model: Path, photos: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    given = {"MODEL": model, "PHOTOS": photos, "BAD": tmp_path / "bad.png"}
    run = process(*(given.get(word, word) for word in arguments), cwd=tmp_path)
    _, stderr = run.communicate()
    assert run.returncode == code
    assert any(part in stderr for part in message.split("|"))
    assert "Traceback" not in stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_ends_cleanly_and_says_how_to_go_on(
    model: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    photos = tmp_path / "many photos"
    original = save(tmp_path / "photo.png", np.zeros((1000, 1000, 3), np.uint8))
    photos.mkdir()
    for i in range(300):
        (photos / f"{i:04}.png").symlink_to(original)
    out = tmp_path / "out"
    run = process(photos, "--model", model, "--out", out, "--no-images")
    while not (out / "run.json").exists():
        assert run.poll() is None
        time.sleep(0.02)
    time.sleep(0.1)
    run.send_signal(stop)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 128 + stop
    assert "Traceback" not in stderr
    first, command = stderr.splitlines()[-2:]
    assert first.startswith("Stopped. What was finished is kept")
    assert not list(out.rglob("*.tmp"))
    words = shlex.split(command)
    assert words[:2] == ["tfzoo", "detect"]
    resumed = process(*words[2:], "--json")
    summary = json.loads(resumed.communicate()[0])
    assert resumed.returncode == 0
    assert 0 <= summary["resumed"] < summary["images"] == 300


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("my photos", "Go on with:\n  tfzoo detect 'my photos' --json --resume"),
        ("https://me:secret@example.org/a.jpg", "Go on with the same command and --resume"),
    ],
)
def test_a_command_is_printed_to_go_on_with_only_where_it_works(
    monkeypatch: pytest.MonkeyPatch, source: str, told: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["tfzoo", "detect", source, "--overwrite", "--json"])
    assert how_to_go_on().startswith(told)


def test_a_run_in_the_way_is_told_of_and_resumed(model: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert detect(photos, "-m", model, "-o", out).exit_code == 0
    again = detect(photos, "-m", model, "-o", out)
    assert "--resume" in str(again.exception)
    result = detect(photos, "-m", model, "-o", out, "--resume")
    assert result.exit_code == 0
    assert "4 of them by an earlier run" in result.stdout
    assert detect(photos, "-m", model, "-o", out, "--overwrite").exit_code == 0


def test_the_real_model_finds_what_people_see(tmp_path: Path) -> None:
    """The real weights over the real photographs, scored by pycocotools alone."""
    if "TFZOO_TEST_DATA" not in os.environ:
        pytest.skip("needs TFZOO_TEST_DATA")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    data = Path(os.environ["TFZOO_TEST_DATA"])
    archive = data / "zoo" / "ssd_mobilenet_v1_0.75_300x300_coco.tar.gz"
    truth = data / "coco_val_mini" / "instances.json"
    images = data / "coco_val_mini" / "images"
    out = tmp_path / "out"
    options = ["--annotations", truth, "--min-score", "0", "--no-images", "--runtime", "tensorflow"]
    result = detect(images, "-m", archive, "-o", out, *options)
    assert result.exit_code == 0, result.exception
    coco = COCO(str(truth))
    scored = COCOeval(coco, coco.loadRes(str(out / "detections.json")), "bbox")
    scored.evaluate()
    scored.accumulate()
    scored.summarize()
    assert scored.stats[:3] == pytest.approx([0.241, 0.426, 0.226], abs=0.002)
