"""The report's page in a real, headless Chromium: menus, what opens, and both widths."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.chromium import WIDTHS, chromium, needs_chromium
from tests.helpers.measurements import add, rate
from tfzoo.report.report_files import write_report

pytestmark = needs_chromium

D0, D1 = (f"efficientdet_d{i}_coco17_tpu-32" for i in (0, 1))
#: A model that no manifest lists, with a name too long for a phone's line.
UNLISTED = "/models/stand_in_ssd_mobilenet_v2_320x320_with_a_long_name_and_no_end"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two machines; on one of them two runtimes."""
    folder = tmp_path_factory.mktemp("results")
    laptop, server = folder / "laptop", folder / "server"
    digest = {"model_digest": "sha256:" + "ab" * 32, "device": "cpu"}
    command = {"command": "tfzoo evaluate efficientdet_d0_coco17_tpu-32 --coco /data/coco/of/2017"}
    for model, ap, ms in ((D0, 0.333, 40.0), (D1, 0.384, 71.0), (UNLISTED, 0.2, 9.5)):
        for runtime, factor in (("tensorflow 2.20.0", 1), ("openvino 2026.4.1", 0.5)):
            same = digest | {"runtime": runtime}
            rate(laptop, model, ap, interval=(ap - 0.01, ap + 0.01), **same, **command)
            add(laptop, model, factor * ms, **same, notes="other processes used 1.2 cores")
    same = digest | {"runtime": "tensorflow 2.20.0"}
    big = {"cpu": "Big CPU of a long name indeed @ 2.25 GHz", "cores": 64}
    rate(server, D0, 0.331, **same, hardware=f"{big['cpu']}, 64 cores")
    add(server, D0, 10.0, **same, **big)
    return write_report([laptop, server], folder / "report")


@pytest.fixture(params=WIDTHS)
def size(request: pytest.FixtureRequest) -> dict[str, int]:
    width, height = WIDTHS[request.param]
    return {"width": width, "height": height}


def shown(page: Any, selector: str) -> int:
    return sum(found.is_visible() for found in page.locator(selector).all())


def test_menus_choose_in_table_chart_and_verdicts(
    browser: Any, report: Path, size: dict[str, int]
) -> None:
    page = browser.new_page(viewport=size)
    asked: list[str] = []
    page.on("console", lambda message: asked.append(message.text))
    page.on("pageerror", lambda error: asked.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())

    def counts() -> tuple[int, int, int]:
        return shown(page, "tbody"), shown(page, ".dot circle"), shown(page, "article")

    assert counts() == (7, 7, 5)
    assert page.inner_text("#count") == "7 of 7 rows"
    page.get_by_label("Runtime").select_option(label="openvino 2026.4.1")
    assert counts() == (3, 3, 2)
    page.get_by_label("Machine").select_option(index=2)
    assert counts() == (0, 0, 0)
    page.get_by_label("Runtime").select_option(label="all")
    assert counts() == (1, 1, 1)
    assert page.inner_text("#count") == "1 of 7 rows"
    page.get_by_label("Machine").select_option(label="all")
    page.get_by_label("Results").select_option(index=1)
    assert counts() == (6, 6, 4)
    page.close()
    assert asked == [report.as_uri()], "the page may load itself alone, and complain of nothing"


def test_a_row_opens_and_nothing_is_cut_off(
    browser: Any, report: Path, size: dict[str, int]
) -> None:
    page = browser.new_page(viewport=size)
    page.goto(report.as_uri())
    row = page.locator("tbody").first
    assert "tfzoo evaluate" not in row.inner_text()
    for one in page.locator("summary").all():
        one.click()
    text = row.inner_text()
    assert "tfzoo evaluate efficientdet_d0" in text and "sha256:" + "ab" * 32 in text
    # Neither the page nor the table within it is wider than the window.
    for selector in ("html", ".scroll", "#menus"):
        width, room = page.locator(selector).evaluate("it => [it.scrollWidth, it.clientWidth]")
        assert width <= room <= size["width"], selector
    outside = page.locator(".plot text").evaluate_all(
        "them => them.filter(it => it.getBoundingClientRect().left < 0 "
        "|| it.getBoundingClientRect().right > innerWidth).length"
    )
    assert outside == 0
    page.close()


def test_without_javascript_everything_is_shown(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert shown(page, "tbody") == shown(page, ".dot circle") == 7
    assert not page.locator("#menus").is_visible()
    context.close()
