"""The notebooks run from a clean kernel, stay light, and use what the package makes public."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tfzoo
from tests.helpers.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: Bytes; pictures are SVG or small JPEG.
LIGHT = 200_000
#: One page of the chart brings what draws it: a megabyte.
LIGHT_WITH_A_PAGE = 1_500_000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def code(path: Path) -> str:
    return "\n".join("".join(cell["source"]) for cell in cells(path, "code"))


def shown_as_html(path: Path) -> list[str]:
    outputs = [output for cell in cells(path, "code") for output in cell["outputs"]]
    return ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]


def test_the_four_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01_pick_a_model",
        "02_detect_a_folder",
        "03_recreate_the_blog_chart",
        "04_reproduce_the_table",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_runs_from_a_clean_kernel(path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--nbmake", "--nbmake-timeout=600", str(path)]
    known = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [*command, "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": known},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_is_stored_with_light_outputs_of_a_whole_run(path: Path) -> None:
    pages = sum("window.vegaEmbed" in html for html in shown_as_html(path))
    assert pages == (path.stem == "03_recreate_the_blog_chart")
    assert path.stat().st_size < (LIGHT_WITH_A_PAGE if pages else LIGHT)
    counts = [cell["execution_count"] for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in cells(path, "code") for output in cell["outputs"]]
    assert any("text/html" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    # Whose machine it ran on is nobody's business.
    assert not re.search(r"/(home|root|tmp|work|Users)/", json.dumps(outputs))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_uses_public_names_alone(path: Path) -> None:
    for node in ast.walk(ast.parse(code(path))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tfzoo"):
            assert node.module == "tfzoo", f"{node.module} is no public home"
            assert {alias.name for alias in node.names} <= set(tfzoo.__all__)
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), f"{node.attr} is not public"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_says_what_to_change_for_a_gpu_and_the_real_zoo(path: Path) -> None:
    last = "".join(cells(path, "markdown")[-1]["source"])
    assert last.startswith("## With a GPU and the real zoo")


@pytest.fixture
def chart() -> Iterator[Any]:
    """The chart as 03 has it stored, within a page as Jupyter makes one, with no network."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    (stored,) = (one for one in shown_as_html(NOTEBOOKS[2]) if "window.vegaEmbed" in one)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(offline=True, viewport={"width": 1200, "height": 1000})
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.set_content(f"<!DOCTYPE html><body>{stored}</body>")
        (frame,) = page.frames[1:]
        frame.wait_for_function("window.chart")
        yield frame
        browser.close()


def test_the_stored_chart_can_be_hovered_and_clicked(chart: Any) -> None:
    dots = chart.locator(".models_marks path")
    there = dots.count()
    assert there > 40
    dots.first.hover()
    chart.wait_for_function("document.querySelector('#vg-tooltip-element td')")
    chart.locator(".role-legend-label text").filter(has_text="SSD").click()
    assert 0 < dots.count() < there
    place = "chart.view.scale('x')(chart.rows()[0].across)"
    before = chart.evaluate(place)
    chart.locator("#controls select[name=speed]").select_option("latency")
    assert chart.evaluate(place) != before


def test_the_table_is_reproduced_by_the_command_that_does_so() -> None:
    assert "tfzoo.reproduce(" in code(NOTEBOOKS[3])
    stored = json.dumps(cells(NOTEBOOKS[3], "code"))
    assert "reproduced" in stored and "steps of the second call: 0; the same row: True" in stored
    # What it was measured on is named, so that nobody takes it for the zoo's.
    assert "Demo CenterNet" in stored and "(synthetic scenes)" in stored
