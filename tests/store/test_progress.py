"""Who a progress bar is drawn for; test_cache.py has what it shows."""

import io
import sys

import pytest

from tfzoo.store.progress import watched_by_a_person


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_watches_where_standard_error_is_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert watched_by_a_person()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not watched_by_a_person()


def test_nobody_watches_a_program_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # So it is where a program is started without a console.
    monkeypatch.setattr(sys, "stderr", None)
    assert watched_by_a_person() is False
