"""The chart's page in a real, headless Chromium: what a reader sees, clicks and drags."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tfzoo.chart import (
    METRICS,
    as_printed_points,
    draw_chart,
    pareto_front,
    reported_points,
    save_chart,
)
from tfzoo.manifest import load_manifest
from tfzoo.measure.table import build_table, render

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)"
)

WIDTHS = {"desk": (1600, 1000), "phone": (360, 740)}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: The rows a reader sees, by the page's own handle on the view.
ROWS = "chart.rows()"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_chart(draw_chart(), tmp_path_factory.mktemp("chart") / "chart.html")


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, browser: Any, file: Path) -> Iterator[Any]:
    """The page at a desk's and a phone's width; fails on any console message or request."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: complaints.append(request.url))
    opened.goto(file.as_uri())
    opened.wait_for_function("window.chart")
    yield opened
    context.close()
    assert complaints == [file.as_uri()], "the page may load itself alone, and complain of nothing"


def labels(page: Any, condition: str = "true") -> set[str]:
    found = page.evaluate(f"{ROWS}.filter(row => {condition}).map(row => row.label)")
    assert len(found) == len(set(found))
    return set(found)


def listed(page: Any) -> set[str]:
    cells = page.locator("#list td:first-child").all_inner_texts()
    return {
        text.replace(" ⚠ slip", "").replace(" (not comparable)", "").replace(" ★", "").strip()
        for text in cells
    }


def dots(page: Any) -> int:
    count: int = page.locator(".models_marks path").count()
    return count


def slide(page: Any, label: str, value: float) -> None:
    """Moves a slider as a hand does: the value is set, the input event is fired."""
    page.get_by_label(label).fill(str(value))


def test_the_page_opens_with_the_corrected_figures(page: Any) -> None:
    shown = {p.name: p for p in reported_points(load_manifest()) if p.box_map is not None}
    assert dots(page) == len(shown) == 44
    rows = page.evaluate(f"{ROWS}.map(row => [row.label, row.map, row.fps, row.comparable])")
    assert {row[0]: tuple(row[1:]) for row in rows} == {
        p.name: (p.box_map, p.fps, p.comparable) for p in shown.values()
    }
    assert page.inner_text("#count") == "44 of 44 models shown qualify"


def test_the_toggle_shows_the_blogs_44_points_as_printed_and_marks_the_slips(page: Any) -> None:
    page.get_by_label("As the blog printed them").check()
    printed = {p.name: (p.box_map, p.fps) for p in as_printed_points(load_manifest())}
    assert dots(page) == len(printed) == 44
    rows = page.evaluate(f"{ROWS}.map(row => [row.label, row.map, row.fps])")
    assert {name: (box_map, fps) for name, box_map, fps in rows} == printed
    assert labels(page, "row.slip") == {
        "CenterNet MobileNetV2 FPN Keypoints 512x512",
        "Yolov5s 640x640",
        "Yolov5m 640x64",
        "Yolov5l 640x64",
        "Yolov5x 640x64",
    }
    page.get_by_label("Accuracy").select_option("keypoint")
    # The copied figures of the models without keypoints, and no other.
    assert len(labels(page, "row.slip")) == 6
    assert dots(page) == 11


def test_the_pages_front_is_the_librarys_on_all_axes(page: Any) -> None:
    for metric in METRICS:
        page.get_by_label("Accuracy").select_option(metric)
        for as_printed, points in ((True, as_printed_points), (False, reported_points)):
            page.get_by_label("As the blog printed them").set_checked(as_printed)
            front = {p.name for p in pareto_front(points(load_manifest()), metric)}
            assert labels(page, "row.front") == front


def test_the_legend_hides_a_family_and_shows_it_again(page: Any) -> None:
    page.get_by_label("As the blog printed them").check()
    legend = page.locator(".role-legend-label text")
    legend.filter(has_text="YOLOv5").click()
    assert dots(page) == 40
    # The front follows: it is that of what is shown.
    others = [p for p in as_printed_points(load_manifest()) if p.family != "yolov5"]
    assert labels(page, "row.front") == {p.name for p in pareto_front(others)}
    legend.filter(has_text="SSD").click()
    assert dots(page) == 30
    legend.filter(has_text="YOLOv5").click()
    assert dots(page) == 34


def test_the_speed_axis_turns_with_the_choice(page: Any) -> None:
    place = f"(name => chart.view.scale('x')({ROWS}.find(row => row.label === name).across))"
    fast, slow = "CenterNet MobileNetV2 FPN 512x512", "EfficientDet D7 1536x1536"
    assert page.evaluate(f"{place}('{fast}') > {place}('{slow}')")
    page.get_by_label("Speed").select_option("latency")
    assert page.evaluate(f"{place}('{fast}') < {place}('{slow}')")
    # Logarithmic either way: equal ratios are equally far apart.
    assert page.evaluate(
        "(x => Math.abs((x(20) - x(10)) - (x(200) - x(100))) < 1e-6)(chart.view.scale('x'))"
    )


def test_a_budget_lists_what_qualifies(page: Any) -> None:
    slide(page, "Latency at most, ms", 60)
    slide(page, "mAP at least, %", 34)
    expected = {
        p.name
        for p in reported_points(load_manifest())
        if (p.latency_ms or 0) <= 60 and (p.box_map or 0) >= 34
    }
    assert listed(page) == expected
    assert page.inner_text("#count") == f"{len(expected)} of 44 models shown qualify"
    faint = page.locator(".models_marks path[opacity='0.15']").count()
    assert faint == 44 - len(expected)
    slide(page, "mAP at least, %", 70)
    assert listed(page) == set()


def test_a_hover_names_the_model_its_figures_and_its_slip(page: Any) -> None:
    page.get_by_label("As the blog printed them").check()
    index = page.evaluate(f"{ROWS}.findIndex(row => row.label === 'Yolov5l 640x64')")
    page.locator(".models_marks path").nth(index).hover()
    shown = page.locator("#vg-tooltip-element")
    shown.wait_for(state="visible")
    text = shown.inner_text()
    assert "Yolov5l 640x64" in text
    assert "36.8" in text
    assert "158.00" in text
    assert "v4.0 published 48.1" in text


def test_nothing_is_cut_off_or_too_small_to_read(page: Any) -> None:
    width = page.viewport_size["width"]
    for metric in METRICS:
        page.get_by_label("Accuracy").select_option(metric)
        for speed in ("fps", "latency"):
            page.get_by_label("Speed").select_option(speed)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("chart.view.width()") > 0.7 * width
            texts = page.evaluate(
                "(frame => [...document.querySelectorAll('#chart svg text')]"
                ".filter(text => text.textContent && text.getBoundingClientRect().width)"
                ".filter(text => getComputedStyle(text).opacity > 0)"
                ".map(text => [text.textContent, parseFloat(getComputedStyle(text).fontSize),"
                " text.getBoundingClientRect().left - frame.left,"
                " frame.right - text.getBoundingClientRect().right])"
                ")(document.querySelector('#chart svg').getBoundingClientRect())"
            )
            assert texts
            assert [text for text in texts if text[1] < 11] == []
            assert [text for text in texts if min(text[2:]) < 0] == []


def test_the_tables_page_sorts_by_a_click_blanks_last(browser: Any, tmp_path: Path) -> None:
    table = tmp_path / "table.html"
    table.write_text(render(build_table(load_manifest(), tmp_path), "html"), encoding="utf-8")
    page = browser.new_page(viewport={"width": 360, "height": 740})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(table.as_uri())
    head = page.get_by_role("button", name="ms reported")
    for order in ("ascending", "descending"):
        head.click()
        assert page.locator(f"th[aria-sort={order}]").count() == 1
        cells = page.locator("tbody td:nth-child(11)").all_inner_texts()
        figures = [float(text) for text in cells if text]
        assert len(figures) == sum(spec.speed_ms is not None for spec in load_manifest().models)
        assert figures == sorted(figures, reverse=order == "descending")
        assert all(not text for text in cells[len(figures) :])
    page.close()
    assert complaints == []
