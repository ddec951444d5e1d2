"""How soon a gallery is there, and how it scrolls: in a real, headless Chromium, from disk.

Of a run whose gallery was made: python -m benchmarks.gallery RUN
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

#: Times in milliseconds since the page was asked for, when its first cells are on the screen.
_FIRST = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  done([paint ? paint.startTime : performance.now(), performance.now()]);
})))"""

#: Scrolls to the end and back in steps of a screen; gives the frames' lengths in milliseconds.
_SCROLL = """() => new Promise(done => {
  const end = document.documentElement.scrollHeight, step = Math.max(innerHeight, end / 60);
  const lengths = [];
  let before = performance.now(), place = 0, down = true;
  const frame = now => {
    lengths.push(now - before);
    before = now;
    place += down ? step : -step;
    if (place > end) down = false;
    if (place < 0) return done(lengths.slice(1));
    scrollTo(0, place);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""

#: How long one thing that a reader does takes until its frame is drawn, in milliseconds.
_ACT = """(act) => new Promise(done => {
  const began = performance.now();
  const input = document.getElementById(act[0]);
  input.value = act[1];
  input.dispatchEvent(new Event(act[2], {bubbles: true}));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})"""

_ACTS = {
    "slide": ["score", "0.6", "input"],
    "search": ["search", "person >= 2", "input"],
    "sort": ["sort", "most", "change"],
}


def measured(file: Path, browser: Any, width: int, height: int) -> dict[str, float]:
    """Milliseconds of each step on a fresh page."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(file.as_uri())
    page.wait_for_selector(".cell")
    paint, cells = page.evaluate(_FIRST)
    lengths = sorted(page.evaluate(_SCROLL))
    found = {"first paint": paint, "first pictures": cells, "most cells": 0.0}
    found["most cells"] = page.locator(".cell").count()
    found["scroll, median frame"] = statistics.median(lengths)
    found["scroll, 95 % of frames"] = lengths[int(0.95 * len(lengths))]
    found |= {name: page.evaluate(_ACT, act) for name, act in _ACTS.items()}
    page.close()
    return found


def main() -> None:
    """Prints the medians as JSON."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        for width, height in ((1600, 1000), (360, 740)):
            file = (given.run / "gallery.html").resolve()
            runs = [measured(file, browser, width, height) for _ in range(given.times)]
            medians = {name: round(statistics.median(r[name] for r in runs), 1) for name in runs[0]}
            print(json.dumps({"width": width, **medians}))
        browser.close()


if __name__ == "__main__":
    main()
