"""The gallery in a real, headless Chromium, from disk: what is seen, typed, slid and clicked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.gallery.conftest import FOUND, SIZE
from tests.helpers.chromium import WIDTHS, chromium, needs_chromium
from tests.helpers.made_runs import made_up, write_run
from tfzoo.batch.parts import Columns
from tfzoo.batch.rows import ImageResult
from tfzoo.detections.palette import color_of
from tfzoo.detections.types import Detections
from tfzoo.gallery import make
from tfzoo.gallery.make import make_gallery

pytestmark = needs_chromium

#: The names of the pictures on the screen, in their places.
SHOWN = """[...document.querySelectorAll('.cell')].sort((a, b) => a.position - b.position)
  .map(cell => cell.querySelector('.caption').firstChild.textContent)"""

#: The colour of a pixel of the canvas over the large picture: places are parts of its sides.
PIXEL = """([x, y]) => {
  const over = document.getElementById('over'), copy = document.createElement('canvas');
  Object.assign(copy, {width: over.width, height: over.height});
  const pen = copy.getContext('2d', {willReadFrequently: true});
  pen.drawImage(over, 0, 0);
  return [...pen.getImageData(x * over.width, y * over.height, 1, 1).data];
}"""

IN_ORDER = [*FOUND, "broken.png"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(params=WIDTHS)
def visit(request: pytest.FixtureRequest, browser: Any) -> Iterator[Callable[[Path], Any]]:
    """Opens pages at a desk's and a phone's width; fails on any message or request to a host."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    complaints: list[str] = []

    def open_page(file: Path) -> Any:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda asked: complaints.append(asked.url) if not near(asked) else None)
        page.goto(file.as_uri())
        page.wait_for_selector(".cell")
        return page

    yield open_page
    context.close()
    assert complaints == []


def until(page: Any, holds: str) -> None:
    """Waits until an expression holds; the page's own policy forbids playwright's way."""
    deadline = time.monotonic() + 60
    while not page.evaluate(holds):
        assert time.monotonic() < deadline, f"still not so: {holds}"
        page.wait_for_timeout(20)


def near(asked: Any) -> bool:
    return str(asked.url).startswith(("file:", "data:"))


def settled(page: Any) -> Any:
    """The page when what was asked of it is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page


def search(page: Any, text: str) -> list[str]:
    page.fill("#search", text)
    names: list[str] = settled(page).evaluate(SHOWN)
    return names


def slide(page: Any, selector: str, value: float) -> None:
    page.locator(selector).evaluate(
        "(e, value) => { e.value = value; e.dispatchEvent(new Event('input', {bubbles: true})); }",
        str(value),
    )
    settled(page)


def test_all_pictures_are_there_and_text_from_outside_is_only_text(
    visit: Callable[[Path], Any], run: Path
) -> None:
    page = visit(make_gallery(run).page)
    assert page.evaluate(SHOWN) == IN_ORDER
    assert page.inner_text("#count") == "6 of 6 pictures, 8 detections, 1 failed"
    assert (
        page.locator(".why").inner_text()
        == "broken.png: damaged image: <img src=x onerror=alert(1)>"
    )
    assert page.locator("#grid script, #grid img[src=x]").count() == 0
    # Nothing is wider than the screen.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pictures = "[...document.querySelectorAll('.cell img:not([hidden])')]"
    until(page, f"{pictures}.every(one => one.complete && one.naturalWidth === 80)")
    assert page.evaluate(f"{pictures}.length") == 5


def test_a_search_counts_what_the_sliders_leave(visit: Callable[[Path], Any], run: Path) -> None:
    page = visit(make_gallery(run).page)
    assert search(page, "person >= 2") == ["three.png", "two.png"]
    assert search(page, "person>=3") == ["three.png"]
    assert search(page, "person, dog") == ["three.png"]
    assert search(page, "person = 0") == ["car.png", "empty.png", "<script>alert(1)</script>.png"]
    assert search(page, "any < 1") == ["empty.png"]
    assert search(page, "PER >= 2") == ["three.png", "two.png"]
    # What is no category is looked for in the files' names.
    assert search(page, "broken") == ["broken.png"]
    assert page.inner_text("#understood") == 'file name with "broken"'
    assert search(page, "unicorn >= 1") == []
    assert "no such category" in page.inner_text("#understood")
    search(page, "person >= 2")
    slide(page, "#score", 0.4)
    assert page.evaluate(SHOWN) == ["three.png"]
    page.locator("#classes summary").click()
    slide(page, "[aria-label='Score of person from']", 0.3)
    assert page.evaluate(SHOWN) == ["three.png", "two.png"]
    slide(page, "[aria-label='Score of person from']", 0.85)
    assert page.evaluate(SHOWN) == []
    assert search(page, "dog") == ["three.png", "<script>alert(1)</script>.png"]
    page.get_by_role("button", name="Reset").click()
    whole = "6 of 6 pictures, 8 detections, 1 failed"
    until(page, f"document.getElementById('count').textContent === '{whole}'")


def test_pictures_are_sorted(visit: Callable[[Path], Any], run: Path) -> None:
    page = visit(make_gallery(run).page)
    expected = {
        "most": ["three.png", "two.png", "car.png"],
        "unsure": ["<script>alert(1)</script>.png", "car.png", "three.png", "two.png"],
        "errors": ["broken.png", "three.png"],
        "run": IN_ORDER,
    }
    for order, names in expected.items():
        page.select_option("#sort", order)
        assert settled(page).evaluate(SHOWN)[: len(names)] == names


def test_a_click_opens_a_picture_large_and_keys_go_on_and_close(
    visit: Callable[[Path], Any], run: Path, sources: Path
) -> None:
    page = visit(make_gallery(run).page)
    page.locator(".cell", has_text="three.png").click()
    # The source itself takes the place of the small picture.
    source = (sources / "three.png").as_uri()
    until(page, f"document.getElementById('whole').src === '{source}'")
    rows = page.locator("#list tr")
    assert rows.all_inner_texts()[0].split() == ["person", "0.90", "5", "10", "25", "50"]
    assert rows.count() == 4
    # The box is drawn where it is, in its category's colour.
    assert page.evaluate(PIXEL, [5 / 80, 30 / 60])[:3] == list(color_of(1))
    assert page.evaluate(PIXEL, [0.9, 0.95]) == [0, 0, 0, 0]
    page.keyboard.press("ArrowRight")
    assert (page.inner_text("#name"), page.inner_text("#place")) == ("car.png", "2 of 6")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#name") == "three.png"
    for _ in range(5):
        page.get_by_role("button", name="Next picture").click()
    assert "damaged image" in page.inner_text("#told")
    assert page.locator("#whole").is_hidden() and page.locator("#over").is_hidden()
    page.keyboard.press("Escape")
    until(page, "!document.getElementById('large').open")
    until(page, "document.activeElement.position === 5")
    slide(page, "#score", 0.85)
    page.locator(".cell", has_text="three.png").click()
    assert rows.count() == 1
    assert "3 more are below the scores chosen" in page.inner_text("#told")


def test_a_source_that_is_gone_leaves_its_boxes_and_says_so(
    visit: Callable[[Path], Any], run: Path, sources: Path
) -> None:
    (sources / "car.png").unlink()
    page = visit(make_gallery(run).page)
    assert page.inner_text("#count").endswith("1 failed, 1 whose source is gone")
    gone = page.locator(".cell", has_text="car.png")
    assert "source gone" in gone.inner_text()
    gone.click()
    assert "is gone" in page.inner_text("#told")
    assert page.locator("#list tr").count() == 1


def test_keypoints_and_masks_are_drawn(visit: Callable[[Path], Any], tmp_path: Path) -> None:
    points = np.zeros((1, 17, 2), np.float32)
    points[0, 5], points[0, 6] = (30, 30), (50, 30)  # The shoulders.
    scores = np.zeros((1, 17), np.float32)
    scores[0, [5, 6]] = 0.9
    masks = np.zeros((1, 33, 33), np.float32)
    masks[:, 17:] = 1  # The lower half.
    one = Detections(
        np.array([[10, 10, 70, 50]], np.float32),
        np.array([0.9], np.float32),
        np.array([1], np.int32),
        SIZE,
        keypoints=points,
        keypoint_scores=scores,
        masks=masks,
    )
    columns = Columns(keypoints=True, masks=True)
    made = make_gallery(write_run(tmp_path / "out", [ImageResult(1, "a", "/a", one)], columns))
    page = visit(made.page)
    page.locator(".cell").click()
    assert page.evaluate(PIXEL, [40 / 80, 30 / 60])[:3] == list(color_of(1))
    assert page.evaluate(PIXEL, [40 / 80, 22 / 60])[3] == 0
    assert 0 < page.evaluate(PIXEL, [40 / 80, 42 / 60])[3] < 255


def test_of_thousands_of_pictures_only_those_in_sight_exist(
    visit: Callable[[Path], Any], tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "EMBEDDED", 2)
    car = str(sources / "car.png")
    results = [ImageResult(i, f"{i}.jpg", car, made_up(i % 9, 3, SIZE)) for i in range(1, 601)]
    page = visit(make_gallery(write_run(tmp_path / "out", results), size=32).page)
    assert page.locator(".cell").count() < 80
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    until(page, f"({SHOWN}).at(-1) === '600.jpg'")
    assert page.locator(".cell").count() < 80
    until(page, "[...document.querySelectorAll('.cell img')].every(one => one.naturalWidth === 32)")
    page.evaluate("scrollTo(0, 0)")
    until(page, f"({SHOWN})[0] === '1.jpg'")
    # The keyboard goes where the mouse does, past what exists.
    page.locator(".cell", has_text="1.jpg").first.focus()
    page.keyboard.press("End")
    until(page, "document.activeElement.position === 599")
    page.keyboard.press("ArrowLeft")
    until(page, "document.activeElement.position === 598")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.inner_text("#name") == "2.jpg"


def test_the_large_picture_comes_nearer(visit: Callable[[Path], Any], run: Path) -> None:
    page = visit(make_gallery(run).page)
    page.locator(".cell").nth(1).click()
    sides = "(e => [e.getBoundingClientRect().width, e.getBoundingClientRect().left])"
    whole = f"{sides}(document.getElementById('whole'))"
    stage = page.locator("#stage").bounding_box()
    fitted = page.evaluate(whole)
    assert fitted[0] <= stage["width"] + 1
    page.get_by_role("button", name="Larger").click()
    assert page.evaluate(whole)[0] == pytest.approx(1.5 * fitted[0], rel=0.01)
    page.keyboard.press("0")
    assert page.evaluate(whole) == fitted
    # The spot under the wheel stays where it is, and the boxes stay on their things.
    spot = {"x": stage["x"] + 0.4 * stage["width"], "y": stage["y"] + stage["height"] / 2}
    page.mouse.move(**spot)
    part = (spot["x"] - fitted[1]) / fitted[0]
    page.mouse.wheel(0, -800)
    settled(page)
    width, left = page.evaluate(whole)
    assert width > 4 * fitted[0]
    assert (spot["x"] - left) / width == pytest.approx(part, abs=0.01)
    over = page.locator("#over").bounding_box()
    assert (
        over["width"] <= stage["width"] + 1
    )  # The canvas is as large as what is seen, and no more.
    # The left edge of the car's box, brought near, is where the picture has it.
    page.keyboard.press("0")
    frame = page.locator("#whole").bounding_box()
    edge = {"x": frame["x"] + frame["width"] * 5 / SIZE[1], "y": frame["y"] + frame["height"] / 2}
    page.mouse.move(**edge)
    page.mouse.wheel(0, -800)
    settled(page)
    over = page.locator("#over").bounding_box()
    near = [edge["x"] - over["x"] + off for off in (-2, -1, 0, 1, 2)]
    down = (edge["y"] - over["y"]) / over["height"]
    seen = [page.evaluate(PIXEL, [one / over["width"], down]) for one in near]
    assert [*color_of(3), 255] in seen
    left = page.evaluate(whole)[1]
    page.mouse.move(**spot)
    # Dragged, it moves as far as its border.
    page.mouse.down()
    page.mouse.move(spot["x"] + 50, spot["y"])
    page.mouse.up()
    assert page.evaluate(whole)[1] == pytest.approx(left + 50, abs=2)
    page.mouse.down()
    page.mouse.move(spot["x"] + 9000, spot["y"])
    page.mouse.up()
    assert page.evaluate(whole)[1] == pytest.approx(stage["x"], abs=1)
    page.keyboard.press("ArrowRight")  # The next picture is whole again.
    assert page.evaluate(whole)[0] <= stage["width"] + 1
