"""The record of derived data: what was written is read, and what is damaged is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tfzoo.prepare.prepared import RECORD, read_record, write_record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.xml").write_text("a graph")
    write_record(tmp_path, {"cut": {"before": None, "size": [1, 2.5]}, "note": "größe"})
    return tmp_path


def test_a_record_is_read_as_it_was_written(folder: Path) -> None:
    record = read_record(folder)
    assert record is not None
    assert record["cut"] == {"before": None, "size": [1, 2.5]} and record["note"] == "größe"
    assert list(record["files"]) == ["model.xml"]


@pytest.mark.parametrize(
    "text", ["", "[]", '"text"', "null", "5", "{}", '{"files": {}}', '{"files": 5}', "[" * 100_000]
)
def test_what_is_no_record_is_none(folder: Path, text: str) -> None:
    (folder / RECORD).write_text(text)
    assert read_record(folder) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cut", None), ("cut", []), ("cut", {"before": 5}), ("note", 5), ("files", []),
        ("files", {}), ("files", {"model.xml": 5}), ("seal", None), ("more", 1),
    ],
)  # fmt: skip
def test_a_record_that_was_changed_within_is_none(folder: Path, name: str, value: Any) -> None:
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps(record | {name: value}))
    assert read_record(folder) is None


def test_a_file_that_was_changed_makes_it_none(folder: Path) -> None:
    (folder / "model.xml").write_text("another")
    assert read_record(folder) is None
