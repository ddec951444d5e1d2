"""Evaluating models: stand-ins whose AP is known, killed runs, several models, the command."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

import tfzoo
from tests.helpers import standins
from tests.helpers.coco_data import random_data, write
from tfzoo.accuracy import evaluate as evaluating
from tfzoo.accuracy.evaluate import evaluate_predictions
from tfzoo.accuracy.measured import Accuracy, AccuracyWarning
from tfzoo.cli.main import app
from tfzoo.detector import Detector
from tfzoo.errors import AnnotationError, ImageError, MeasurementError, UsageError
from tfzoo.hardware import hardware_name
from tfzoo.zoo.schema import HeldOut

DATA = os.environ.get("TFZOO_TEST_DATA")

HEIGHT, WIDTH = 96, 128
PERSON, DOG = (16, 8, 96, 56), (72, 60, 120, 92)

# Stand-ins give nothing of a low score, which looks like a threshold left on.
pytestmark = pytest.mark.filterwarnings("ignore::tfzoo.accuracy.evaluate.AccuracyWarning")


def annotation(
    number: int, image_id: int, category_id: int, box: tuple[int, ...]
) -> dict[str, Any]:
    """What the stand-ins find for an object: its box, the box's left half, points along it."""
    x0, y0, x1, y1 = box
    half = [x0, y0, (x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x0, y1]
    along = [
        value for k in range(17) for value in (x0 + (x1 - x0) * k / 16, y0 + (y1 - y0) * k / 16, 2)
    ]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0) / 2,
        "segmentation": [half],
        "keypoints": along if category_id == 1 else [0] * 51,
        "num_keypoints": 17 if category_id == 1 else 0,
        "iscrowd": 0,
    }


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO folder of four painted images: two persons and dogs, one dog, one empty."""
    folder = tmp_path_factory.mktemp("painted")
    (folder / "images").mkdir()
    shown = [{"person": PERSON, "dog": DOG}, {"person": PERSON, "dog": DOG}, {"dog": DOG}, {}]
    ids = {"person": 1, "dog": 18}
    truth: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [
            {"id": 1, "name": "person", "keypoints": list(map(str, range(17)))},
            {"id": 18, "name": "dog"},
        ],
    }
    for image_id, objects in enumerate(shown, start=1):
        name = f"{image_id}.png"
        Image.fromarray(standins.paint(HEIGHT, WIDTH, **objects)).save(folder / "images" / name)
        size = {"height": HEIGHT, "width": WIDTH}
        truth["images"].append({"id": image_id, "file_name": name, **size})
        for what, box in objects.items():
            number = len(truth["annotations"]) + 1
            truth["annotations"].append(annotation(number, image_id, ids[what], box))
    write(folder / "instances.json", truth)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stand-ins of the kinds that boxes, masks and keypoints need."""
    folder = tmp_path_factory.mktemp("models")
    kinds = ("standard", "mask_rcnn", "centernet_keypoints")
    return {kind: standins.save(kind, folder / kind) for kind in kinds}


def evaluate(model: Path, coco: Path, tmp_path: Path, **options: Any) -> Accuracy:
    return tfzoo.evaluate(model, coco=coco, results=tmp_path / "results", **options)


def changed(painted: Path, tmp_path: Path, change: Any) -> Path:
    """The painted set with other annotations."""
    truth = json.loads((painted / "instances.json").read_text())
    change(truth)
    folder = tmp_path / "changed"
    folder.mkdir()
    (folder / "images").symlink_to(painted / "images")
    write(folder / "instances.json", truth)
    return folder


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("standard", {"box"}),
        ("mask_rcnn", {"box", "masks"}),
        ("centernet_keypoints", {"box", "keypoints"}),
    ],
)
def test_a_model_that_finds_everything_scores_one(
    kind: str, given: set[str], models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    measured = evaluate(models[kind], painted, tmp_path)
    assert measured.metrics.keys() == given
    for metrics in measured.metrics.values():
        assert metrics.ap == pytest.approx(1.0)
    assert measured.images == 4 and measured.image_set == "other"
    assert measured.box is not None
    assert measured.box.per_class == {"person": pytest.approx(1.0), "dog": pytest.approx(1.0)}


def test_what_a_model_misses_takes_the_known_share_away(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    def add_unpainted(truth: dict[str, Any]) -> None:
        # A second person in images 1 and 2 that no model sees: half of the persons are found.
        truth["annotations"] += [annotation(10 + i, i, 1, (0, 60, 60, 90)) for i in (1, 2)]

    folder = changed(painted, tmp_path, add_unpainted)
    measured = evaluate(models["mask_rcnn"], folder, tmp_path)
    keypoints = evaluate(models["centernet_keypoints"], folder, tmp_path).keypoints
    for metrics in (measured.box, measured.masks):
        assert metrics is not None
        # Precision 1 up to recall 0.5, which is 51 of 101 points; dogs are all found.
        assert metrics.per_class == {"person": pytest.approx(51 / 101), "dog": pytest.approx(1)}
        assert metrics.ap == pytest.approx((51 / 101 + 1) / 2)
    assert keypoints is not None and keypoints.ap == pytest.approx(51 / 101)


def test_a_mask_half_as_large_as_annotated_counts_up_to_iou_one_half(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    def whole_boxes(truth: dict[str, Any]) -> None:
        for entry in truth["annotations"]:
            x, y, width, height = entry["bbox"]
            corners = [x, y, x + width, y, x + width, y + height, x, y + height]
            entry["segmentation"] = [corners]

    measured = evaluate(models["mask_rcnn"], changed(painted, tmp_path, whole_boxes), tmp_path)
    assert measured.box is not None and measured.masks is not None
    assert measured.box.ap == pytest.approx(1.0)
    # IoU is a half: right at the first of ten thresholds, below all others.
    assert measured.masks.values["AP50"] == pytest.approx(1.0)
    assert measured.masks.ap == pytest.approx(0.1)


def test_keypoints_come_from_the_second_annotation_file(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    truth = json.loads((painted / "instances.json").read_text())
    people = {**truth, "annotations": [a for a in truth["annotations"] if a["category_id"] == 1]}
    people["categories"] = truth["categories"][:1]
    things = {**truth, "annotations": [dict(a) for a in truth["annotations"]]}
    for entry in things["annotations"]:
        del entry["keypoints"]
    measured = tfzoo.evaluate(
        models["centernet_keypoints"],
        images=painted / "images",
        annotations=[write(tmp_path / "a.json", people), write(tmp_path / "b.json", things)],
        results=tmp_path,
    )
    assert measured.box is not None and measured.keypoints is not None
    assert measured.box.per_class.keys() == {"person", "dog"}
    assert measured.keypoints.ap == pytest.approx(1.0)


def test_each_kind_is_a_row_that_says_what_was_measured(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    evaluate(models["mask_rcnn"], painted, tmp_path, limit=3)
    with (tmp_path / "results/accuracy.csv").open() as file:
        box, masks = csv.DictReader(file)
    assert (box["kind"], masks["kind"]) == ("box", "masks")
    assert float(box["AP"]) == pytest.approx(1.0) and box["AR100"] and not box["AR50"]
    assert float(box["AP_low"]) <= 1.0 == float(box["AP_high"])
    assert box["model"] == str(models["mask_rcnn"]) and box["images"] == "3"
    assert box["model_digest"].startswith("sha256:")
    assert box["image_list_digest"].startswith("sha256:")
    assert box["runtime"].startswith("tensorflow 2.") and box["device"] == "cpu"
    assert (box["batch"], box["hardware"]) == ("1", hardware_name("cpu"))
    assert box["evaluator"].startswith("faster-coco-eval 1.")
    assert box["date"].startswith("20")


def test_with_tiles_a_row_says_so_and_detections_without_are_not_used(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    plain = evaluate(models["standard"], painted, tmp_path)
    tiled = evaluate(models["standard"], painted, tmp_path, tile=32, merge="nms")
    assert (plain.tiles, tiled.tiles) == ("", "32x32, overlap 0.2, nms")
    assert len(journals(tmp_path)) == 2 and plain.metrics != tiled.metrics
    with (tmp_path / "results/accuracy.csv").open() as file:
        assert [row["tiles"] for row in csv.DictReader(file)] == [plain.tiles, tiled.tiles]
    assert "--tile 32x32 --merge nms" in str(tiled.command)


def journals(folder: Path) -> list[Path]:
    return sorted((folder / "results/predictions").glob("*.jsonl"))


def test_saved_detections_are_used_again_and_a_larger_sample_goes_on_with_them(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []

    def told(done: int, total: int) -> None:
        seen.append((done, total))

    first = evaluate(models["standard"], painted, tmp_path, limit=2, on_progress=told)
    assert seen == [(0, 2), (1, 2), (2, 2)]
    seen.clear()
    again = evaluate(models["standard"], painted, tmp_path, limit=2, on_progress=told)
    assert seen == [(2, 2)]
    assert again.metrics == first.metrics
    seen.clear()
    evaluate(models["standard"], painted, tmp_path, on_progress=told)
    assert seen == [(2, 4), (3, 4), (4, 4)]
    (journal,) = journals(tmp_path)
    ids = [json.loads(line)["image_id"] for line in journal.read_text().splitlines()]
    assert sorted(ids) == [1, 2, 3, 4]


def test_other_rules_of_suppression_are_told_wherever_the_figures_go(
    tmp_path: Path, painted: Path
) -> None:
    model = standins.save("yolov5", tmp_path / "yolo.onnx")
    own = evaluate(model, painted, tmp_path, runtime="onnx")
    assert own.suppression == "" and own.box is not None and "AR100" in own.box.values
    told = {"iou": 1.0, "max_detections": 300}
    other = evaluate(model, painted, tmp_path, runtime="onnx", **told)
    assert other.suppression == other.to_json()["suppression"] == "iou 1, max_detections 300"
    assert other.box is not None and other.box.values["AR300"] is not None
    # What was saved by other rules is not taken: each object is found twice now.
    assert other.evidence is not None and own.evidence is not None
    assert len(other.evidence.rows) == 2 * len(own.evidence.rows)
    with (tmp_path / "results" / "accuracy.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["suppression"], first["AR"]) == ("", "")
    assert second["suppression"] == other.suppression and second["AR100"] == ""
    assert float(second["AR"]) == other.box.values["AR300"]
    arguments = ["evaluate", str(model), "--coco", str(painted), "--results", str(tmp_path / "r")]
    given = ["--runtime", "onnx", "--max-detections", "1"]
    shown = CliRunner().invoke(app, [*arguments, *given]).stdout
    assert "not by the zoo's protocol: max_detections 1" in shown
    with pytest.raises(UsageError, match="the official evaluator scores 100 detections"):
        evaluate(model, painted, tmp_path, evaluator="official", max_detections=101)


def test_detections_of_another_model_or_of_other_images_are_not_used(
    models: dict[str, Path], painted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(models["standard"], painted, tmp_path)
    evaluate(models["mask_rcnn"], painted, tmp_path)
    assert len(journals(tmp_path)) == 2

    def drop_one(truth: dict[str, Any]) -> None:
        truth["images"].pop()

    evaluate(models["standard"], changed(painted, tmp_path, drop_one), tmp_path)
    assert len(journals(tmp_path)) == 3
    # Another machine that writes into the same folder.
    monkeypatch.setattr(evaluating, "hardware_name", lambda device: "Another CPU, 64 cores")
    seen: list[int] = []
    measured = evaluate(
        models["standard"], painted, tmp_path, on_progress=lambda done, total: seen.append(done)
    )
    assert seen[0] == 0 and measured.hardware == "Another CPU, 64 cores"
    assert len(journals(tmp_path)) == 4


def many(folder: Path, count: int) -> Path:
    """A COCO folder of many painted images with a person each, at different places."""
    (folder / "images").mkdir(parents=True)
    truth: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "person"}],
    }
    for i in range(1, count + 1):
        box = (i % 40, i % 30, 60 + i % 50, 50 + i % 40)
        painted = standins.paint(HEIGHT, WIDTH, person=box, brightness=(160 + i % 90, 0, 0))
        Image.fromarray(painted).save(folder / f"images/{i:04}.png")
        size = {"height": HEIGHT, "width": WIDTH}
        truth["images"].append({"id": i, "file_name": f"{i:04}.png", **size})
        # Every third person is annotated elsewhere, so that AP is no round number.
        truth["annotations"].append(annotation(i, i, 1, box if i % 3 else (box[0], 0, box[2], 96)))
    write(folder / "instances.json", truth)
    return folder


def test_a_killed_run_goes_on_with_the_same_result_and_detects_nothing_twice(
    models: dict[str, Path], tmp_path: Path
) -> None:
    coco = many(tmp_path / "coco", 150)
    killed = tmp_path / "killed"
    arguments = ["--coco", str(coco), "--results", str(killed / "results")]
    started = subprocess.Popen(
        [sys.executable, "-m", "tfzoo", "evaluate", str(models["standard"]), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (journals(killed) and journals(killed)[0].read_bytes().count(b"\n") >= 20):
        assert started.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    started.send_signal(signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    (journal,) = journals(killed)
    before = journal.read_bytes()
    whole = before[: before.rindex(b"\n") + 1]
    assert 20 <= whole.count(b"\n") < 150

    again = evaluate(models["standard"], coco, killed)
    after = journal.read_bytes()
    # What had been saved is untouched, and every image is there once: detected once.
    assert after.startswith(whole)
    assert sorted(json.loads(line)["image_id"] for line in after.splitlines()) == list(
        range(1, 151)
    )

    unbroken = evaluate(models["standard"], coco, tmp_path / "unbroken")
    assert again.metrics == unbroken.metrics
    assert again.box is not None and 0.3 < (again.box.ap or 0) < 0.99


def test_a_line_cut_short_is_detected_anew(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    first = evaluate(models["standard"], painted, tmp_path)
    (journal,) = journals(tmp_path)
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-10])
    assert evaluate(models["standard"], painted, tmp_path).metrics == first.metrics
    assert journal.read_bytes() == whole
    journal.write_bytes(whole.replace(b"image_id", b"imagf_id", 1))
    with pytest.raises(MeasurementError, match="damaged at byte 0; delete the file"):
        evaluate(models["standard"], painted, tmp_path)


def test_images_that_are_missing_or_damaged_end_the_run(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    def add(truth: dict[str, Any]) -> None:
        truth["images"].append({"id": 9, "file_name": "9.png", "height": 1, "width": 1})

    folder = changed(painted, tmp_path, add)
    with pytest.raises(UsageError, match=r"1 of 5 annotated images are missing, such as .*9.png"):
        evaluate(models["standard"], folder, tmp_path)
    (folder / "images").unlink()
    (folder / "images").mkdir()
    for path in (painted / "images").iterdir():
        (folder / "images" / path.name).write_bytes(path.read_bytes())
    (folder / "images/9.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"9.png: not an image"):
        evaluate(models["standard"], folder, tmp_path)


def test_what_to_evaluate_on_must_be_said(
    models: dict[str, Path], painted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="say what to evaluate on"):
        tfzoo.evaluate(models["standard"])
    with pytest.raises(UsageError, match="say what to evaluate on"):
        tfzoo.evaluate(models["standard"], coco=painted, images=painted)


@pytest.mark.filterwarnings("default")
def test_what_looks_like_a_mistake_is_a_warning_in_python(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    def resized(truth: dict[str, Any]) -> None:
        for image in truth["images"]:
            image["height"] *= 2

    folder = changed(painted, tmp_path, resized)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        measured = evaluate(models["standard"], folder, tmp_path)
    texts = [str(w.message) for w in caught if w.category is AccuracyWarning]
    assert tuple(texts) == measured.warnings
    assert any("4 images are not of the size" in text for text in texts)
    (place,) = {w.filename for w in caught if w.category is AccuracyWarning}
    assert place == __file__


def test_a_model_with_packaged_held_out_images_needs_no_others(
    models: dict[str, Path], painted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = HeldOut(
        images=str(painted / "images"),
        annotations=str(painted / "instances.json"),
        sha256="0" * 64,
    )
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path))
    detector = tfzoo.load(models["standard"])
    spec = replace(tfzoo.find_model("efficientdet d0"), held_out=held_out)
    own = Detector(replace(detector.model, spec=spec), detector.runtime, detector.labels)
    measured = tfzoo.evaluate(own, results=tmp_path / "results")
    assert measured.images == 4 and measured.image_set == "held-out"
    assert tfzoo.evaluate(own, results=tmp_path, limit=2).image_set == "held-out subset"
    assert measured.box is not None and measured.box.ap == pytest.approx(1.0)
    # Asked by name, it is the manifest's entry that says.
    with pytest.raises(UsageError, match="say what to evaluate on"):
        tfzoo.evaluate("efficientdet d0")


def invoke(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_the_command_prints_a_line_of_json_for_each_model(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    where = ["--coco", painted, "--results", tmp_path / "results", "--json"]
    result = invoke(models["standard"], tmp_path / "nothing", models["mask_rcnn"], *where)
    assert result.exit_code == 1, result.output
    boxes, failed, masks = map(json.loads, result.stdout.splitlines())
    assert boxes["model"] == str(models["standard"]) and boxes["images"] == 4
    assert boxes["box"]["AP"] == pytest.approx(1.0) and boxes["masks"] is None
    assert list(boxes["box"])[:12] == [
        *("AP", "AP50", "AP75", "APs", "APm", "APl"),
        *("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
    ]
    assert boxes["box"]["AP_interval"][1] == pytest.approx(1.0)
    assert boxes["box"]["per_class"]["dog"] == pytest.approx(1.0)
    assert masks["masks"]["AP"] == pytest.approx(1.0) and masks["keypoints"] is None
    assert "no model is called" in failed["error"]
    assert "score threshold was left on" in result.stderr


def test_the_command_prints_a_table_for_a_person(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    result = invoke(
        models["centernet_keypoints"], "--coco", painted, "--results", tmp_path / "results"
    )
    assert result.exit_code == 0, result.output
    assert "4 images (other), faster-coco-eval" in result.stdout
    assert "keypoints" in result.stdout and "100.0" in result.stdout
    assert "dog 100.0" in result.stdout


@pytest.mark.parametrize("kind", ["box", "keypoints", "mask"])
def test_a_results_file_is_scored_without_a_model(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    truth, rows = random_data(3, images=12)
    annotations, predictions = write(tmp_path / "gt.json", truth), write(tmp_path / "r.json", rows)
    result = invoke(
        *("--predictions", predictions, "--annotations", annotations, "--type", kind, "--json")
    )
    assert result.exit_code == 0, result.output
    key = "masks" if kind == "mask" else kind
    value = json.loads(result.stdout)
    measured = evaluate_predictions(predictions, annotations, key)  # type: ignore[arg-type]
    assert value[key]["AP"] == measured.metrics[key].ap  # type: ignore[index]
    assert value["images"] == 12 and value["model"] == str(predictions)
    assert len([name for name in value[key] if name[:2] in ("AP", "AR")]) == (
        11 if kind == "keypoints" else 13
    )
    # Nothing vouches for where they come from: no row of accuracy.csv.
    assert not Path("results/accuracy.csv").exists()


def test_a_results_file_of_another_type_is_refused(tmp_path: Path) -> None:
    truth, rows = random_data(3, images=5)
    bare = [{key: row[key] for key in row if key != "segmentation"} for row in rows]
    annotations, predictions = write(tmp_path / "gt.json", truth), write(tmp_path / "r.json", bare)
    with pytest.raises(AnnotationError, match="holds no masks: expected `segmentation`"):
        evaluate_predictions(predictions, annotations, "masks")


def test_a_sample_of_a_results_file_can_be_scored(tmp_path: Path) -> None:
    truth, rows = random_data(3, images=12)
    annotations, predictions = write(tmp_path / "gt.json", truth), write(tmp_path / "r.json", rows)
    assert evaluate_predictions(predictions, annotations, "box", limit=5).images == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--predictions", "a.json", "--annotations", "b.json", "--iou", "0.5"],
            "iou can be told of a model, not of a results file",
        ),
        (["--coco", "x"], "name a model"),
        (["--predictions", "r.json"], "--predictions takes no model"),
        (["model", "--predictions", "r.json", "--annotations", "g.json"], "takes no model"),
        (["model", "--images", "x"], "say what to evaluate on"),
        (["model", "--coco", "nothing-there"], "is no folder"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exception is not None and message in str(result.exception)
    assert getattr(result.exception, "exit_code", None) == 2


@pytest.mark.slow
def test_the_embedded_model_scores_what_its_entry_reports(tmp_path: Path) -> None:
    spec = tfzoo.find_model("demo")
    measured = tfzoo.evaluate("demo", results=tmp_path)
    assert measured.model == spec.id and measured.image_set == "held-out"
    assert measured.box is not None and measured.keypoints is not None
    # Reported in percent with two decimals.
    assert 100 * (measured.box.ap or 0) == pytest.approx(spec.box_map, abs=0.02)
    assert 100 * (measured.keypoints.ap or 0) == pytest.approx(spec.keypoint_map, abs=0.02)


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="needs the model and images in TFZOO_TEST_DATA")
def test_the_real_models_twelve_numbers_agree_between_evaluators(tmp_path: Path) -> None:
    data = Path(DATA or "")
    archive = data / "zoo/ssd_mobilenet_v1_0.75_300x300_coco.tar.gz"
    first, *others = (
        evaluate(archive, data / "coco_val_mini", tmp_path, evaluator=evaluator)
        for evaluator in ("faster-coco-eval", "pycocotools", "official")
    )
    assert first.box is not None and first.images == 79
    assert first.image_set == "val2017 subset" and first.warnings == ()
    assert 0.15 < (first.box.ap or 0) < 0.35
    for other in others:
        assert other.box is not None
        assert other.box.values == pytest.approx(first.box.values, abs=1e-6)


def test_ids_and_names_may_be_written_otherwise_and_come_back_as_they_were(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    def otherwise(truth: dict[str, Any]) -> None:
        for image in truth["images"]:
            image["id"] = f"frame_{image['id']}"
            image["file_name"] = f"set\\images\\{image['file_name']}"
        for entry in truth["annotations"]:
            entry["image_id"] = f"frame_{entry['image_id']}"

    measured = evaluate(models["standard"], changed(painted, tmp_path, otherwise), tmp_path)
    assert measured.box is not None and measured.box.ap == pytest.approx(1.0)
    (journal,) = journals(tmp_path)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert sorted(line["image_id"] for line in lines) == [f"frame_{i}" for i in range(1, 5)]
    assert lines[0]["rows"][0]["image_id"] == lines[0]["image_id"]
    again = evaluate(models["standard"], tmp_path / "changed", tmp_path)
    assert again.metrics == measured.metrics and journal.read_text().count("\n") == 4


def test_what_a_model_gives_is_looked_for_in_the_annotations_before_it_detects(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    def without_one_mask(truth: dict[str, Any]) -> None:
        truth["annotations"][1]["segmentation"] = []

    folder = changed(painted, tmp_path, without_one_mask)
    with pytest.raises(AnnotationError, match=r"for masks: 1 annotations .*\n  annotation 2: seg"):
        evaluate(models["mask_rcnn"], folder, tmp_path)
    assert not journals(tmp_path)
    # Boxes alone need no masks.
    assert evaluate(models["standard"], folder, tmp_path).box is not None


def test_a_model_of_other_ids_and_equal_names_is_told(
    models: dict[str, Path], painted: Path, tmp_path: Path
) -> None:
    def in_a_row(truth: dict[str, Any]) -> None:
        truth["categories"] = [{"id": 0, "name": "person"}, {"id": 1, "name": "dog"}]
        for entry in truth["annotations"]:
            entry["category_id"] = {1: 0, 18: 1}[entry["category_id"]]

    measured = evaluate(models["standard"], changed(painted, tmp_path, in_a_row), tmp_path)
    assert any(
        "category names under other ids. With it undone AP is 100.0 instead of 0.0." in warning
        for warning in measured.warnings
    )


def test_a_table_of_somebody_elses_is_told_of_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "accuracy.csv").write_text("a shopping list")
    with pytest.raises(MeasurementError, match="no table of measurements"):
        tfzoo.evaluate("no model of this name", coco=tmp_path, results=tmp_path)
    assert (tmp_path / "accuracy.csv").read_text() == "a shopping list"
