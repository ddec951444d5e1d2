"""The bar of a long command: what a terminal shows meanwhile, and that nothing stays."""

import io
import re
import time

import pytest
from rich.console import Console

from tfzoo.cli import progress
from tfzoo.cli.progress import progress_bar


def drawn(terminal: bool, monkeypatch: pytest.MonkeyPatch, unit: str = "images") -> str:
    """All that is written while ten images are counted, with the codes that steer a terminal."""
    console = Console(force_terminal=terminal, width=120, file=(written := io.StringIO()))
    monkeypatch.setattr(progress, "err", console)
    with progress_bar("detecting", unit) as bar:
        bar.step("opening [it]", 1, 4)
        time.sleep(0.15)
        bar.count(0, 10)
        for done in (5, 6):
            time.sleep(0.02)
            bar.count(done, 10)
        time.sleep(0.15)
    return written.getvalue()


def test_a_terminal_shows_how_many_are_done_and_how_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn(True, monkeypatch))
    assert re.search(r"opening \[it\] .* 1/4", text)
    assert re.search(r"detecting .* 6/10 +\d+\.\d images/s", text)


def test_steps_have_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "/s" not in drawn(True, monkeypatch, unit="")


def test_the_bar_is_gone_when_all_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its line is cleared last.
    assert drawn(True, monkeypatch).endswith("\x1b[2K")


def test_nothing_is_drawn_where_nobody_looks_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(False, monkeypatch).strip() == ""
