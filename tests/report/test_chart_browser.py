"""The chart's page in a real, headless Chromium: what a reader sees, clicks and drags."""

import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.measurements import add, rate
from tfzoo.report.chart import draw_chart, save_chart
from tfzoo.report.points import (
    METRICS,
    Origin,
    as_printed_points,
    pareto_front,
    points_from,
    reported_points,
)
from tfzoo.report.table import build_table
from tfzoo.report.table_text import render
from tfzoo.zoo.manifest import load_manifest

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

D0, D1, D3 = (f"efficientdet_d{i}_coco17_tpu-32" for i in (0, 1, 3))
SSD = "ssd_mobilenet_v2_320x320_coco17_tpu-8"
KEYPOINTS = "centernet_resnet50_v1_fpn_512x512_kpts_coco17_tpu-8"
#: A model that no manifest lists, with a name too long for a phone's line.
UNLISTED = "/models/stand_in_ssd_mobilenet_v2_320x320_with_a_long_name"
ORIGINS: tuple[Origin, ...] = ("reported", "measured")

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
def visit(request: pytest.FixtureRequest, browser: Any) -> Iterator[Callable[[Path], Any]]:
    """Opens pages at a desk's and a phone's width; fails on any console message or request."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    complaints: list[str] = []
    files: list[Path] = []

    def open_page(file: Path) -> Any:
        opened = context.new_page()
        opened.set_default_timeout(60_000)
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("request", lambda request: complaints.append(request.url))
        files.append(file)
        opened.goto(file.as_uri())
        opened.wait_for_function("window.chart")
        return opened

    yield open_page
    context.close()
    own = [file.as_uri() for file in files]
    assert complaints == own, "the page may load itself alone, and complain of nothing"


@pytest.fixture
def page(visit: Callable[[Path], Any], file: Path) -> Any:
    return visit(file)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Measurements of models in both, of some in one alone, and of models none of the zoo's."""
    folder = tmp_path_factory.mktemp("results")
    (demo,) = load_manifest().demo
    times = {D0: 90.5, D1: 151, D3: 430, "yolov5s": 55, KEYPOINTS: 121.3}
    for model, ms in (times | {demo.id: 6.3, UNLISTED: 34.6}).items():
        add(folder, model, ms)
    accuracies = {D0: 0.3334, D1: 0.3812, SSD: 0.2012, "yolov5s": 0.371, KEYPOINTS: 0.2911}
    for model, ap in (accuracies | {UNLISTED: 0.312}).items():
        rate(folder, model, ap, interval=(ap - 0.008, ap + 0.008))
    rate(folder, KEYPOINTS, 0.5055, kind="keypoints")
    rate(folder, demo.id, 0.6579, images=60, image_set="held-out")
    return folder


def labels(page: Any, condition: str = "true") -> set[str]:
    found = page.evaluate(f"{ROWS}.filter(row => {condition}).map(row => row.label)")
    assert len(found) == len(set(found))
    return set(found)


def listed(page: Any) -> set[str]:
    cells = page.locator("#list td:first-child").all_inner_texts()
    return {
        re.sub(r" \((not comparable|not of the zoo)\)| ★| ⚠ slip", "", text).strip()
        for text in cells
    }


def menu(page: Any, name: str) -> Any:
    """A menu by its parameter: a label's text goes on with the choices of its menu."""
    return page.locator(f"#controls select[name={name}]")


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
    menu(page, "accuracy").select_option("keypoint")
    # The copied figures of the models without keypoints, and no other.
    assert len(labels(page, "row.slip")) == 6
    assert dots(page) == 11


def test_the_pages_front_is_the_librarys_on_all_axes(page: Any) -> None:
    for metric in METRICS:
        menu(page, "accuracy").select_option(metric)
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
    menu(page, "speed").select_option("latency")
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


def hover(page: Any, label: str) -> str:
    """What a hover over a model's point says; none of it may lie off the page or be cut off."""
    index = page.evaluate(f"name => {ROWS}.findIndex(row => row.label === name)", label)
    page.mouse.move(0, 0)
    page.locator(".models_marks path").nth(index).hover()
    shown = page.locator("#vg-tooltip-element")
    shown.filter(has_text=label).wait_for(state="visible")
    place = shown.bounding_box()
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= page.viewport_size["width"]
    assert page.evaluate(
        "[...document.querySelectorAll('#vg-tooltip-element td')]"
        ".every(cell => cell.scrollHeight <= cell.clientHeight + 1)"
    )
    return " ".join(shown.inner_text().split())


def test_a_hover_names_the_model_its_figures_and_its_slip(page: Any) -> None:
    page.get_by_label("As the blog printed them").check()
    text = hover(page, "Yolov5l 640x64")
    assert "Yolov5l 640x64" in text
    assert "36.8" in text
    assert "158.00" in text
    assert "v4.0 published 48.1" in text


def check_nothing_is_cut_off(page: Any) -> None:
    """Every choice of axes fits the page, and its texts the chart, in letters large enough."""
    width = page.viewport_size["width"]
    for metric in METRICS:
        menu(page, "accuracy").select_option(metric)
        for speed in ("fps", "latency"):
            menu(page, "speed").select_option(speed)
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


def test_nothing_is_cut_off_or_too_small_to_read(page: Any) -> None:
    check_nothing_is_cut_off(page)


def shown_points(page: Any) -> dict[str, tuple[float, float, bool]]:
    rows = page.evaluate(f"{ROWS}.map(row => [row.label, row.map, row.fps, row.comparable])")
    assert len(rows) == dots(page)
    found = {name: (accuracy, fps, comparable) for name, accuracy, fps, comparable in rows}
    assert len(found) == len(rows)
    return found


def choose(page: Any, **origins: Origin) -> None:
    for axis, origin in origins.items():
        menu(page, axis).select_option(origin)


def test_the_menus_show_reported_or_measured_figures_as_the_library_has_them(
    visit: Callable[[Path], Any], results: Path, tmp_path: Path
) -> None:
    manifest = load_manifest()
    page = visit(save_chart(draw_chart(results=results), tmp_path / "chart.html"))
    seen = set()
    for metric in METRICS:
        menu(page, "accuracy").select_option(metric)
        for accuracy_from, speed_from in itertools.product(ORIGINS, ORIGINS):
            origins: dict[str, Origin] = {"accuracy_from": accuracy_from, "speed_from": speed_from}
            choose(page, **origins)
            points = points_from(manifest, results, **origins)
            expected = {
                p.name: (p.accuracy(metric), p.fps, p.comparable and metric not in p.other_images)
                for p in points
                if p.accuracy(metric) is not None and p.fps is not None
            }
            assert shown_points(page) == expected
            assert labels(page, "row.front") == {p.name for p in pareto_front(points, metric)}
            assert listed(page) == set(expected)
            seen.add((metric, accuracy_from, speed_from, len(expected)))
    counts = {key[1:3]: key[3] for key in seen if key[0] == "box"}
    assert counts == {
        ("reported", "reported"): 44,
        ("reported", "measured"): 5,
        ("measured", "reported"): 5,
        ("measured", "measured"): 6,
    }


@pytest.mark.parametrize("accuracy_from", ORIGINS)
@pytest.mark.parametrize("speed_from", ORIGINS)
def test_the_page_opens_with_the_figures_that_were_asked_for(
    visit: Callable[[Path], Any],
    results: Path,
    tmp_path: Path,
    accuracy_from: Origin,
    speed_from: Origin,
) -> None:
    origins: dict[str, Origin] = {"accuracy_from": accuracy_from, "speed_from": speed_from}
    drawn = draw_chart(results=results, metric="keypoint", **origins)  # type: ignore[arg-type]
    page = visit(save_chart(drawn, tmp_path / "chart.html"))
    assert menu(page, "accuracy").input_value() == "keypoint"
    assert menu(page, "accuracy_from").input_value() == accuracy_from
    assert menu(page, "speed_from").input_value() == speed_from
    points = points_from(load_manifest(), results, **origins)
    assert set(shown_points(page)) == {
        p.name for p in points if p.keypoint_map is not None and p.fps is not None
    }


def test_measured_figures_win_over_printed_ones_on_their_axis(
    visit: Callable[[Path], Any], results: Path, tmp_path: Path
) -> None:
    drawn = draw_chart(results=results, as_printed=True, speed_from="measured")
    page = visit(save_chart(drawn, tmp_path / "chart.html"))
    toggle = page.get_by_label("As the blog printed them")
    printed = {p.id: p.box_map for p in as_printed_points(load_manifest())}
    rows = page.evaluate(f"{ROWS}.map(row => [row.id, row.map, row.latency_ms])")
    assert {id_: (box_map, round(ms, 6)) for id_, box_map, ms in rows} == {
        D0: (printed[D0], 90.5),
        D1: (printed[D1], 151),
        D3: (printed[D3], 430),
        "yolov5s": (printed["yolov5s"], 55),
        KEYPOINTS: (printed[KEYPOINTS], 121.3),
    }
    assert "(printed, COCO val2017)" in page.inner_text("#chart")
    assert toggle.is_enabled()
    choose(page, accuracy_from="measured")
    # Nothing that is shown was printed: the toggle would do nothing, and says so.
    assert toggle.is_disabled()
    assert labels(page, "row.slip") == set()
    choose(page, speed_from="reported")
    assert toggle.is_enabled()


def test_measured_points_say_what_they_are_of_and_whose(
    visit: Callable[[Path], Any], results: Path, tmp_path: Path
) -> None:
    drawn = draw_chart(results=results, accuracy_from="measured", speed_from="measured")
    page = visit(save_chart(drawn, tmp_path / "chart.html"))
    timed = "Timed on cpu (Some CPU, 2 cores), tensorflow 2.20.0, generated 600x600."
    text = hover(page, "EfficientDet D0 512x512")
    assert "33.34 (measured)" in text
    assert "11.05 (measured)" in text
    assert "box mAP measured on 5000 images (val2017), 95 % interval 32.5 to 34.1." in text
    assert timed in text
    (demo,) = load_manifest().demo
    text = hover(page, demo.name)
    assert "not of the zoo" in text
    assert "60 images (held-out); not comparable: most have 5000 images (val2017)." in text
    text = hover(page, Path(UNLISTED).name)
    assert f"None of the zoo's models: {UNLISTED}." in text
    # Told apart by colour, shape and name, in the chart, in its legend and in the list.
    own = {demo.name, Path(UNLISTED).name}
    assert labels(page, "row.family === 'not of the zoo'") == own
    squares = page.locator(".models_marks path:not([d*='A'])")
    assert squares.count() == page.locator(".swatch.own").count() == 2
    assert page.locator(".role-legend-symbol path:not([d*='A'])").count() == 1
    assert page.locator("#list td:first-child", has_text="(not of the zoo)").count() == 2
    choose(page, accuracy_from="reported")
    text = hover(page, "EfficientDet D0 512x512")
    assert "33.6 (reported)" in text
    assert "measured on" not in text
    assert timed in text


def test_nothing_measured_is_cut_off_or_too_small_to_read(
    visit: Callable[[Path], Any], results: Path, tmp_path: Path
) -> None:
    page = visit(save_chart(draw_chart(results=results), tmp_path / "chart.html"))
    for accuracy_from, speed_from in itertools.product(ORIGINS, ORIGINS):
        choose(page, accuracy_from=accuracy_from, speed_from=speed_from)
        check_nothing_is_cut_off(page)


def test_a_page_without_measurements_tells_how_to_make_some(
    page: Any, visit: Callable[[Path], Any], results: Path, tmp_path: Path
) -> None:
    assert page.locator("#controls label", has_text="figures").count() == 0
    told = page.inner_text("#about")
    assert all(
        command in told
        for command in ("tfzoo benchmark NAME", "tfzoo evaluate NAME", "tfzoo chart --results DIR")
    )
    measured = visit(save_chart(draw_chart(results=results), tmp_path / "chart.html"))
    assert measured.locator("#controls label", has_text="figures").count() == 2
    assert "tfzoo benchmark NAME" not in measured.inner_text("#about")


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
