"""Comparing: results files, models, runtimes; the page, the command, what it exits with."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

import tfzoo
from tests.helpers import standins
from tests.helpers.coco_data import HEIGHT, WIDTH, random_data, weaker, write
from tfzoo.cli.main import app
from tfzoo.errors import AnnotationError, OutputError, UsageError


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Annotations of 60 images, what one detector found in them, and what a weaker one did."""
    folder = tmp_path_factory.mktemp("compared")
    truth, rows = random_data(31, images=60, drawn=False)
    (folder / "images").mkdir()
    for image in truth["images"]:
        Image.new("RGB", (WIDTH, HEIGHT), "gray").save(folder / "images" / image["file_name"])
    # A name that a page must not take for its own.
    truth["categories"][0]["name"] = "<b>cat</b>"
    return {
        "truth": write(folder / "truth.json", truth),
        "good": write(folder / "good.json", rows),
        "weak": write(folder / "weak.json", weaker(rows, 31, dropped=0.5)),
        "images": folder / "images",
    }


def test_a_file_with_half_of_the_detections_is_worse(files: dict[str, Path]) -> None:
    found = tfzoo.compare(files["good"], files["weak"], annotations=files["truth"])
    assert found.box is not None and found.box.difference is not None
    assert found.box.verdict == "worse" and found.keypoints is None and found.masks is None
    assert found.worse_by_more_than(0.5) and not found.worse_by_more_than(60)
    back = tfzoo.compare(files["weak"], files["good"], annotations=files["truth"]).box
    assert back is not None and back.verdict == "better"
    assert back.difference == pytest.approx(-found.box.difference)
    # The interval mirrors: the resamples are the same.
    assert back.low == pytest.approx(-found.box.high)


def test_a_file_against_itself_is_no_difference(files: dict[str, Path]) -> None:
    few = tfzoo.compare(files["good"], files["good"], annotations=files["truth"], limit=5)
    assert few.box is not None and few.images == 5
    assert (few.box.difference, few.box.low, few.box.high) == (0, 0, 0)
    assert few.box.verdict == "no difference" and few.changes == []
    assert not few.worse_by_more_than(0)


def test_the_images_that_changed_come_with_the_most_changed_first(files: dict[str, Path]) -> None:
    found = tfzoo.compare(files["good"], files["weak"], annotations=files["truth"])
    rows = [json.loads(files[name].read_text()) for name in ("good", "weak")]
    objects: dict[Any, int] = {}
    for one in json.loads(files["truth"].read_text())["annotations"]:
        objects[one["image_id"]] = objects.get(one["image_id"], 0) + (not one["iscrowd"])
    weights = [abs(after - before) * objects[i] for i, before, after in found.changes]
    assert weights == sorted(weights, reverse=True) and weights[0] > 0.5
    changed = {i for i, *_ in found.changes}
    for image_id in changed:
        of_image = [[row for row in side if row["image_id"] == image_id] for side in rows]
        assert of_image[0] != of_image[1]


def test_the_report_holds_figures_and_pictures_and_loads_nothing(
    files: dict[str, Path], tmp_path: Path
) -> None:
    report = tmp_path / "report"
    where = {"annotations": files["truth"], "images": files["images"]}
    found = tfzoo.compare(files["good"], files["weak"], **where, report=report)
    page = (report / "index.html").read_text()
    assert page.count("<img") == 3 * 12 and "http" not in page.replace("http-equiv", "")
    assert "<b>cat</b>" not in page and "&lt;b&gt;cat" in page
    assert "{{" not in page and 'class="verdict worse"' in page
    assert json.loads((report / "comparison.json").read_text()) == json.loads(
        json.dumps(found.to_json())
    )
    with (report / "differences.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["of"] for row in rows] == ["overall", *["size"] * 3, *["class"] * 4]
    assert found.box is not None and float(rows[0]["difference"]) == found.box.difference
    # A second run replaces its own page, and nobody else's.
    again = tfzoo.compare(
        files["good"], files["good"], annotations=files["truth"], report=report, limit=20
    )
    assert again.images == 20
    assert "In no image did anything change" in (report / "index.html").read_text()
    (report / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="no comparison that tfzoo wrote"):
        tfzoo.compare(files["good"], files["weak"], **where, report=report)


def test_the_command_says_the_verdict_and_exits_by_what_is_shown(files: dict[str, Path]) -> None:
    sides = [str(files["good"]), str(files["weak"]), "--annotations", str(files["truth"])]
    told = CliRunner().invoke(app, ["compare", *sides, "--fail-if-worse", "60"])
    assert told.exit_code == 0, told.output
    last = [line for line in told.stdout.splitlines() if line][-1]
    assert last.startswith("box: B - A is -") and last.endswith(": worse")
    failed = CliRunner().invoke(app, ["compare", *sides, "--fail-if-worse", "0.5", "--json"])
    assert failed.exit_code == 1
    shown = json.loads(failed.stdout)
    assert shown["box"]["verdict"] == "worse" and shown["keypoints"] is None
    assert shown["box"]["low"] < shown["box"]["difference"] < 0
    undecided = CliRunner().invoke(app, ["compare", *sides, "--limit", "5"])
    assert "undecided: fewer than 10 images" in undecided.stdout


def test_what_would_decide_is_said(files: dict[str, Path], tmp_path: Path) -> None:
    rows = json.loads(files["good"].read_text())
    almost = write(tmp_path / "almost.json", weaker(rows, 2, dropped=0.0))
    found = tfzoo.compare(files["good"], almost, annotations=files["truth"], margin=0.001)
    assert found.box is not None and found.box.verdict == "undecided"
    more = found.kinds["box"].more_images
    assert more is not None and more > 0 and found.kinds["box"].images_needed == 60 + more


@pytest.mark.filterwarnings("ignore")
def test_a_model_is_compared_with_itself_by_another_runtime_and_with_a_file(tmp_path: Path) -> None:
    model = standins.save("standard", tmp_path / "model")
    person = (16, 8, 96, 56)
    truth: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / "images").mkdir()
    for number in range(1, 13):
        name = f"{number}.png"
        Image.fromarray(standins.paint(96, 128, person=person)).save(tmp_path / "images" / name)
        truth["images"].append({"id": number, "file_name": name, "height": 96, "width": 128})
        truth["annotations"].append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "bbox": [16, 8, 80, 48],
                "area": 3840,
                "iscrowd": 0,
            }
        )
    where = {
        "annotations": write(tmp_path / "truth.json", truth),
        "images": tmp_path / "images",
        "results": tmp_path / "results",
    }
    seen: list[tuple[int, int]] = []
    found = tfzoo.compare(
        model, runtime="tensorflow,frozen", **where, on_progress=lambda *now: seen.append(now)
    )
    assert found.box is not None
    assert (found.box.a, found.box.b, found.box.verdict) == (1, 1, "no difference")
    assert found.a.runtime.startswith("tensorflow") and found.b.runtime.startswith("frozen")
    assert found.a.model_digest == found.b.model_digest != "" and seen[-1] == (12, 12)
    empty = write(
        tmp_path / "one.json",
        [{"image_id": 1, "category_id": 1, "bbox": [16, 8, 80, 48], "score": 0.9}],
    )
    against = tfzoo.compare(model, empty, **where)
    assert against.box is not None and against.box.verdict == "worse"
    assert against.b.runtime == "" and against.b.name == str(empty)


def test_files_need_annotations_and_something_to_compare(
    files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--annotations FILE"):
        tfzoo.compare(files["good"], files["weak"])
    nothing = write(tmp_path / "nothing.json", [])
    with pytest.raises(AnnotationError, match="holds nothing that the annotations hold"):
        tfzoo.compare(files["good"], nothing, annotations=files["truth"])
    stray = [{"image_id": 999, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]
    with pytest.raises(AnnotationError, match="999"):
        tfzoo.compare(
            files["good"], write(tmp_path / "stray.json", stray), annotations=files["truth"]
        )
