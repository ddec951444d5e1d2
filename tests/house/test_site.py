"""The documentation site: built strictly and without a network, whole, and working from disk."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

import tfzoo
from tests.helpers.chromium import chromium, needs_chromium
from tests.helpers.paths import ROOT

#: Attributes by which a page loads something at once; `link` only where it fetches.
LOADING = {("img", "src"), ("script", "src"), ("iframe", "src"), ("source", "src")}
LOADING |= {("video", "src"), ("object", "data"), ("embed", "src"), ("image", "href")}
FETCHING = {"stylesheet", "icon", "preload", "preconnect", "prefetch", "dns-prefetch"}
FAR = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//|^https?:", flags=re.IGNORECASE)


class Page(HTMLParser):
    """What a page loads, where its links lead, and the ids and headings that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.headings: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.loads += [value for name, value in given.items() if (tag, name) in LOADING]
        self.loads += [part.split()[0] for part in given.get("srcset", "").split(",") if part]
        self.loads += re.findall(r"url\(['\"]?([^'\")]+)", given.get("style", ""))
        if tag == "link" and set(given.get("rel", "").split()) & FETCHING:
            self.loads.append(given["href"])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if "id" in given:
            self.ids.add(given["id"])
            if re.fullmatch(r"h[1-6]", tag):
                self.headings.add(given["id"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it, with no way to another host."""
    folder = tmp_path_factory.mktemp("site")
    makefile = (ROOT / "Makefile").read_text()
    (command,) = re.findall(r"^docs:.*\n\t(.*)\n", makefile, flags=re.MULTILINE)
    assert "--strict" in command
    command = command.replace("$(BIN)/python", sys.executable) + f" --site-dir {folder}"
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    built = subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **nowhere},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert built.stdout + built.stderr == ""
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def test_each_document_and_notebook_has_its_page(pages: dict[str, Page]) -> None:
    documents = {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")}
    notebooks = {f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert len(notebooks) == 4
    others = {"index.html", "contributing.html", "changelog.html", "measured.html", "404.html"}
    assert set(pages) == documents | notebooks | others | {"demo_model.html"}


def test_each_public_name_has_its_heading(pages: dict[str, Page]) -> None:
    named = {f"tfzoo.{name}" for name in tfzoo.__all__}
    assert named - pages["api.html"].headings == set()


def test_public_methods_are_told_of(pages: dict[str, Page]) -> None:
    for name in ("Detector.__call__", "Detector.stream", "Detections.to_coco", "Accuracy.to_json"):
        assert f"tfzoo.{name}" in pages["api.html"].headings


def test_each_command_has_its_heading(pages: dict[str, Page]) -> None:
    assert {"tfzoo-detect", "tfzoo-cache-verify"} <= pages["cli.html"].headings


def test_each_page_is_found_from_the_menu(pages: dict[str, Page]) -> None:
    home = set(pages["index.html"].links)
    assert set(pages) - home == {"index.html", "404.html"} - home


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[str, Page]) -> None:
    loaded = {(name, what) for name, page in pages.items() for what in page.loads}
    styles = [*site.rglob("*.css"), *site.rglob("*.svg")]
    for path in styles:
        found = re.findall(r"(?:url\(|@import |xlink:href=)['\"]?([^'\")\s]+)", path.read_text())
        loaded |= {(path.name, what) for what in found}
    assert len(loaded) > 100
    assert {(name, what) for name, what in loaded if FAR.match(what)} == set()


def test_what_pages_load_and_link_to_is_there(site: Path, pages: dict[str, Page]) -> None:
    missing = []
    for name, page in pages.items():
        if name == "404.html":  # It is served at any address, and so links from the root.
            continue
        for what in {*page.loads, *page.links}:
            if re.match(r"[a-z]+:", what):
                continue
            path, _, anchor = what.partition("#")
            there = (page.path.parent / path).resolve() if path else page.path
            target = pages.get(os.path.relpath(there, site))
            if not there.is_file() or (anchor and target and anchor not in target.ids):
                missing.append((name, what))
    assert missing == []


def test_notebooks_are_shown_with_what_was_stored(site: Path, pages: dict[str, Page]) -> None:
    chart = pages["notebooks/03_recreate_the_blog_chart.html"]
    assert sum(what.endswith(".svg") for what in chart.loads) == 3
    folder = pages["notebooks/02_detect_a_folder.html"]
    (picture,) = (what for what in folder.loads if what.endswith(".jpg"))
    assert (folder.path.parent / picture).read_bytes().startswith(b"\xff\xd8")
    assert "(60, 0, 533)" in folder.path.read_text()


def test_examples_are_shown_as_they_run(pages: dict[str, Page]) -> None:
    shown = re.sub(r"<[^>]+>", "", pages["examples.html"].path.read_text())
    for path in (ROOT / "examples").glob("*.py"):
        assert path.read_text().splitlines()[0].strip('"') in shown


def test_settings_are_valid_without_the_build() -> None:
    # What the strictness hangs on: a page that the menu forgets, an anchor that is gone.
    validation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["validation"]
    assert validation["nav"]["omitted_files"] == "warn"
    assert validation["links"]["anchors"] == "warn"


@pytest.fixture
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@needs_chromium
def test_pages_and_their_search_work_from_disk(site: Path, browser: Any) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(60_000)
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for name in ("index.html", "api.html", "notebooks/02_detect_a_folder.html"):
        page.goto((site / name).as_uri())
        pictures = "[...document.images].every(image => image.complete && image.naturalWidth)"
        page.wait_for_function(pictures)
        page.locator(".md-search__input").press_sequentially("detect_folder")
        page.wait_for_selector(".md-search-result__link[href*='api.html']")
    assert {url for url in asked if not url.startswith(("file:", "data:", "blob:"))} == set()
    assert complaints == []


@needs_chromium
def test_no_page_is_wider_than_a_phone(site: Path, browser: Any, pages: dict[str, Page]) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    for name in pages:
        page.goto((site / name).as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, f"{name} is {wide} pixels wide"
