"""The examples run as they are, without a network, and show what they promise."""

import ast
import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.paths import ROOT

EXAMPLES = ROOT / "examples"


def run(name: str, folder: Path, *arguments: str) -> list[str]:
    """What an example prints, run in a folder."""
    ended = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TFZOO_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Warning" not in ended.stderr
    return ended.stdout.splitlines()


def test_one_image_is_told_and_drawn(tmp_path: Path) -> None:
    printed = run("one_image", tmp_path)
    assert re.fullmatch(r"0\.\d\d  umbrella +\d+,\d+ to \d+,\d+", printed[0])
    last = rf"{len(printed) - 1} found, by tensorflow [\d.]+ on \S+; drawn in found.jpg"
    assert re.fullmatch(last, printed[-1])
    assert (tmp_path / "found.jpg").stat().st_size > 10_000


def test_one_image_takes_a_picture_and_a_model(tmp_path: Path) -> None:
    Image.new("RGB", (320, 240), "gray").save(tmp_path / "gray.png")
    (printed,) = run("one_image", tmp_path, "gray.png", "demo")
    assert printed.startswith("0 found")


def test_a_folder_is_detected_and_asked(tmp_path: Path) -> None:
    first, *most = run("a_folder", tmp_path)
    assert re.fullmatch(r"60 images, 0 failed, \d{3} detections", first)
    assert len(most) > 10
    assert all(re.fullmatch(r"most of [a-z ]+: \d in scene_\d+\.jpg", line) for line in most)
    assert (tmp_path / "found" / "detections.json").is_file()


def test_your_own_export_has_its_own_labels(tmp_path: Path) -> None:
    printed = run("your_own_export", tmp_path)
    assert printed[0] == "signature: centernet"
    assert "  detection_boxes: float32 [1,100,4]" in printed
    found = [line.split()[1] for line in printed if line.startswith("0.")]
    assert set(found) == {"walker", "gull", "parasol"}


@pytest.mark.slow
def test_two_models_are_compared(tmp_path: Path) -> None:
    first, second = run("compare_two_models", tmp_path)
    shown = r"demo, {} [\d.]+: box AP (\d+\.\d) \(\d+\.\d to \d+\.\d\), \d+\.\d ms an image"
    accurate = re.fullmatch(shown.format("tensorflow"), first)
    prepared = re.fullmatch(shown.format("frozen"), second)
    assert accurate and prepared
    assert float(prepared[1]) == pytest.approx(float(accurate[1]), abs=0.5)
    with (tmp_path / "results" / "timing.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_of_public_names(path: Path) -> None:
    source = path.read_text()
    tree = ast.parse(source)
    assert f"\npython examples/{path.name} " in str(ast.get_docstring(tree))
    assert len(source.splitlines()) <= 40
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not str(node.module).startswith("tfzoo")
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_") or node.attr == "__file__"


def test_there_are_four() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == [
        "a_folder",
        "compare_two_models",
        "one_image",
        "your_own_export",
    ]
