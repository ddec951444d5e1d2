"""The report of an evaluation: its files, its page, the command; in a real browser."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

import tfzoo
from tests.helpers.coco_data import HEIGHT, WIDTH, random_data, weaker, write
from tfzoo.accuracy.evaluate import evaluate_predictions
from tfzoo.cli.main import app
from tfzoo.errors import OutputError, UsageError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.filterwarnings("ignore::tfzoo.accuracy.measured.AccuracyWarning")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Annotations, images, and what a detector found in them, of 30 images."""
    folder = tmp_path_factory.mktemp("explained")
    truth, rows = random_data(81, images=30)
    truth["categories"][0]["name"] = "<b>кошка</b>"
    (folder / "images").mkdir()
    for image in truth["images"]:
        Image.new("RGB", (WIDTH, HEIGHT), "gray").save(folder / "images" / image["file_name"])
    # Now and then, one category is sure to be taken for another.
    slips = [{**row, "category_id": 4, "score": 0.99} for row in rows[::9]]
    rows = [row for i, row in enumerate(rows) if i % 9] + slips
    write(folder / "truth.json", truth)
    write(folder / "found.json", rows)
    write(folder / "other.json", weaker(rows, 1))
    return folder


@pytest.fixture(scope="module")
def report(data: Path) -> Path:
    """A report with pictures, made by the command."""
    folder = data / "report"
    arguments = ["--predictions", data / "found.json", "--annotations", data / "truth.json"]
    arguments += ["--images", data / "images", "--report", folder]
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_figures_are_those_of_the_measurement(data: Path, report: Path) -> None:
    measured = evaluate_predictions(data / "found.json", data / "truth.json")
    assert measured.box is not None
    figures = json.loads((report / "figures.json").read_text())
    assert figures["measurement"]["box"] == json.loads(json.dumps(measured.box.to_json()))
    classes = figures["box"]["per_class"]
    for name, ap in measured.box.per_class.items():
        assert classes[name]["AP"] == ap
        mean = sum(classes[name]["precision_by_recall"]["0.50:0.95"]) / 101
        assert mean == pytest.approx(ap, abs=1e-4)
    ap50 = sum(figures["box"]["precision_by_recall"]["0.50"]) / 101
    assert ap50 == pytest.approx(measured.box.values["AP50"], abs=1e-4)
    listed = rows_of(report / "box_classes.csv")
    assert [row["category"] for row in listed] == list(classes)
    assert [int(row["objects"]) for row in listed] == [one["objects"] for one in classes.values()]
    matrix = rows_of(report / "box_confusion.csv")
    assert len(matrix) == 5 and matrix[-1]["background"] == "0"
    errors = {row["error"]: float(row["cost"]) for row in rows_of(report / "box_errors.csv")}
    assert errors == figures["box"]["errors"]["costs"] and max(errors.values()) > 0.01
    assert len(rows_of(report / "box_curves.csv")) == 101
    assert len(rows_of(report / "box_calibration.csv")) == 15


def test_thresholds_are_a_score_a_category_by_name(report: Path) -> None:
    text = (report / "thresholds.yaml").read_text()
    thresholds = yaml.safe_load(text)
    figures = json.loads((report / "figures.json").read_text())["box"]["per_class"]
    assert thresholds == {name: one["best_score"] for name, one in figures.items()}
    assert text.startswith("# Scores that maximise F1") and "<b>кошка</b>: " in text


def test_the_page_shows_pictures_and_no_mark_up_of_others(report: Path) -> None:
    page = (report / "index.html").read_text()
    assert "<b>кошка</b>" not in page and "&lt;b&gt;кошка" in page and "{{" not in page
    # Truth beside detections: of the worst images and of the confusions, no more than so many.
    assert 2 * 8 < page.count("<img") <= 2 * (8 + 6)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_pages_are_readable_on_a_phone_and_a_desk_and_load_nothing(
    data: Path, report: Path
) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    compared = data / "compared"
    found, other = data / "found.json", data / "other.json"
    where = {"annotations": data / "truth.json", "images": data / "images"}
    tfzoo.compare(found, other, **where, report=compared)
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        for width in (360, 1600):
            context = browser.new_context(viewport={"width": width, "height": 900})
            for folder in (report, compared):
                page = context.new_page()
                asked: list[str] = []
                page.on("request", lambda one, asked=asked: asked.append(one.url))
                page.on("console", lambda message, asked=asked: asked.append(message.text))
                page.goto((folder / "index.html").as_uri())
                asked = [one for one in asked if not one.startswith("data:image/jpeg")]
                assert asked == [(folder / "index.html").as_uri()]
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                sizes = page.evaluate("[...document.images].map(one => one.naturalWidth)")
                assert min(sizes) == WIDTH
        browser.close()


def test_keypoints_and_masks_have_curves_and_no_matrix(data: Path, tmp_path: Path) -> None:
    for kind in ("keypoints", "masks"):
        measured = evaluate_predictions(data / "found.json", data / "truth.json", kind)
        tfzoo.explain_accuracy(measured, tmp_path / kind)
        names = {path.name for path in (tmp_path / kind).iterdir()}
        assert f"{kind}_curves.csv" in names and f"{kind}_confusion.csv" not in names
        assert f"{kind}: precision, recall" in (tmp_path / kind / "index.html").read_text()


def test_without_an_interval_or_images_the_report_is_the_same_but_for_the_pictures(
    data: Path, report: Path, tmp_path: Path
) -> None:
    bare = evaluate_predictions(data / "found.json", data / "truth.json", resamples=0)
    page = tfzoo.explain_accuracy(bare, tmp_path).read_text()
    assert "<img" not in page and "give --images FOLDER" in page
    assert (tmp_path / "box_curves.csv").read_text() == (report / "box_curves.csv").read_text()


def test_what_can_not_be_reported_is_told(data: Path, tmp_path: Path) -> None:
    measured: Any = tfzoo.Accuracy("m", 1, {}, (), "other", "", "", "")
    with pytest.raises(UsageError, match="does not hold what it was taken from"):
        tfzoo.explain_accuracy(measured, tmp_path)
    (tmp_path / "index.html").write_text("mine")
    whole = evaluate_predictions(data / "found.json", data / "truth.json")
    with pytest.raises(OutputError, match="no evaluation that tfzoo wrote"):
        tfzoo.explain_accuracy(whole, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    file = data / "truth.json"
    arguments = ["--predictions", data / "found.json", "--annotations", file, "--report", file]
    told = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    assert isinstance(told.exception, OutputError) and "is a file" in str(told.exception)
