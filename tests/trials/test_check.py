"""A sample of a run's images through TensorFlow too: what vanished, appeared, crossed the line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import tfzoo
from tests.helpers import one_stage
from tfzoo.cli.main import app
from tfzoo.detector import Detector
from tfzoo.errors import ImageError
from tfzoo.trials import check as checks
from tfzoo.trials.check import check


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return one_stage.save(tmp_path_factory.mktemp("one_stage"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(3)
    for i in range(6):
        pixels = random.integers(0, 256, (50 + i, 70, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return [(str(path), path.name) for path in sorted(folder.iterdir())]


class Wrapped(Detector):
    """A detector that does something else with what it found."""

    def __init__(self, detector: Detector, change) -> None:
        super().__init__(detector.model, detector.runtime, detector.labels, detector.cut)
        self.change = change

    def detect(self, image, min_score=0.0):
        return self.change(super().detect(image, min_score))


def test_the_same_runtime_agrees_on_a_sample_that_is_always_the_same(
    model, photos, monkeypatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        checks, "read_image", lambda path: seen.append(path) or tfzoo.read_image(path)
    )
    detector = tfzoo.load(model)
    told = check(detector, photos, 3)
    assert (told.images, told.agrees, told.differing) == (3, True, ())
    first = list(seen)
    assert len(set(first)) == 3
    check(detector, photos, 3)
    assert seen == first * 2
    assert check(detector, photos, 99).images == 6


def test_what_differs_is_told_image_by_image(model, photos) -> None:
    detector = tfzoo.load(model)
    scores = detector.detect(tfzoo.read_image(photos[0][0])).scores
    short = check(Wrapped(detector, lambda found: found[1:]), photos[:1], 1, float(scores[5]))
    assert not short.agrees
    (row,) = short.differing
    assert row["file_name"] == photos[0][1]
    assert row["vanished"][0] == pytest.approx(float(scores[0]), abs=1e-4)
    assert row["appeared"] == [] and row["crossed"] == 1

    # Every score a little lower: all have their twins, and one is under the threshold now.
    lower = Wrapped(detector, lambda f: replace(f, scores=f.scores - np.float32(1e-4)))
    crossed = check(lower, photos[:1], 1, float(scores[5]) - 1e-5)
    assert crossed.agrees
    assert crossed.differing[0]["crossed"] >= 1


def test_an_image_that_one_side_refuses_counts_against_it(model, photos) -> None:
    def refuse(found):
        raise ImageError("no rows")

    told = check(Wrapped(tfzoo.load(model), refuse), photos[:2], 2)
    assert not told.agrees and len(told.differing) == 2
    assert told.differing[0]["vanished"]


def test_detect_and_evaluate_check_on_request(model, photos, tmp_path) -> None:
    pytest.importorskip("openvino")
    folder = str(Path(photos[0][0]).parent)
    command = ["detect", folder, "--model", str(model), "--runtime", "openvino", "--no-images"]
    command += ["--out", str(tmp_path / "out"), "--check", "2"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "Checked 2 images: agrees with TensorFlow" in done.stdout
    told = json.loads(CliRunner().invoke(app, [*command, "--overwrite", "--json"]).stdout)
    assert told["check"]["images"] == 2 and told["check"]["agrees"] is True
    images = [
        {"id": i, "file_name": name, "height": 50 + i, "width": 70}
        for i, (_, name) in enumerate(photos)
    ]
    truth = {"images": images, "categories": [{"id": 1, "name": "one"}], "annotations": []}
    truth["annotations"] = [
        {"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}
    ]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    command = ["evaluate", str(model), "--images", folder, "--check", "3", "--json"]
    command += ["--annotations", str(tmp_path / "truth.json"), "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(app, [*command, "--runtime", "openvino", "--resamples", "0"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["check"]["images"] == 3


def test_a_check_that_fails_is_an_exit_code(model, photos, tmp_path, monkeypatch) -> None:
    from tfzoo.batch import folder as batch

    wrong = checks.Check(1, False, "2 of 9 have no twin", ({"file_name": "a [b].jpg",
        "vanished": [0.5], "appeared": [], "crossed": 1},) * 12)  # fmt: skip
    monkeypatch.setattr(batch, "check", lambda *_: wrong)
    command = ["detect", photos[0][0], "--model", str(model), "--no-images", "--check", "1"]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "does not agree with TensorFlow; 2 of 9 have no twin" in done.stdout
    assert done.stdout.count("a [b].jpg: vanished [0.5], appeared [], 1 crossed") == 10
    assert "and 2 images more" in done.stdout
