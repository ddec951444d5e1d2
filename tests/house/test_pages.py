"""Pages of ours replace the like of them, and nothing of anybody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfzoo.errors import OutputError
from tfzoo.pages import PAGE, check_pages, mark_of, write_pages

FILES = {
    PAGE: f"<head>{mark_of('report')}",
    "index.md": mark_of("report", "index.md"),
    "a.csv": "1",
}


def test_a_page_is_replaced_with_what_came_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert write_pages(folder, FILES, "report") == folder / PAGE
    write_pages(folder, FILES | {"a.csv": "2"}, "report")
    assert (folder / "a.csv").read_text() == "2"


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_somebody_elses_is_neither_replaced_nor_passed_over(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=f"{name} is there already"):
        write_pages(tmp_path, FILES, "report")
    assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path / PAGE).exists() or name == PAGE


def test_a_page_of_another_kind_is_told_of_before_the_work(tmp_path: Path) -> None:
    write_pages(tmp_path, FILES, "report")
    check_pages(tmp_path, "report")
    check_pages(tmp_path / "new", "comparison")
    with pytest.raises(OutputError, match="no comparison that tfzoo wrote"):
        check_pages(tmp_path, "comparison")
    with pytest.raises(OutputError, match="is a file; expected a folder, or a new name, at --out"):
        check_pages(tmp_path / PAGE, "report", "--out")
