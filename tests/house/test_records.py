"""A file of ours is read as what it should be, and known where it is something else."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from tfzoo import records


@dataclass(frozen=True)
class Box:
    x: int
    label: str | None = None


@dataclass(frozen=True)
class Page:
    name: str
    boxes: tuple[Box, ...]
    size: tuple[int, int]
    kind: Literal["a", "b"]
    key: int | str
    rows: list[dict[str, Any]]
    counts: dict[str, int] = field(default_factory=dict)


GOOD = {
    "name": "größe",
    "boxes": [{"x": 1}, {"x": 2, "label": "dog"}],
    "size": [3, 4],
    "kind": "b",
    "key": "k",
    "rows": [{"any": [None, 1.5]}],
}
PAGE = Page("größe", (Box(1), Box(2, "dog")), (3, 4), "b", "k", [{"any": [None, 1.5]}])


def test_a_record_is_read_as_it_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_text(json.dumps(GOOD))
    assert records.read(path, Page) == PAGE
    path.write_text(json.dumps(GOOD | {"counts": {"cat": 2}, "key": 5}))
    assert records.read(path, Page).counts == {"cat": 2}
    with pytest.raises(FileNotFoundError):
        records.read(tmp_path / "none.json", Page)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", '"text"', "5", "{", "[" * 100_000, '{"a":' * 100_000, "\xff", "NaN"],
)
def test_what_is_no_record_at_all_is_known(tmp_path: Path, text: str) -> None:
    path = tmp_path / "page.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError):
        records.read(path, Page)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", None), ("name", 5), ("boxes", {}), ("boxes", [[]]), ("boxes", [{"x": "1"}]),
        ("boxes", [{"x": True}]), ("boxes", [{"x": 1.0}]), ("boxes", [{}]), ("boxes", "ab"),
        ("size", [1]), ("size", [1, 2, 3]), ("size", 5), ("kind", "c"), ("kind", []),
        ("key", 1.5), ("key", None), ("rows", [5]), ("rows", {}), ("counts", {"cat": "2"}),
        ("counts", []), ("colour", "blue"),
    ],
)  # fmt: skip
def test_what_is_wrong_within_is_known(name: str, value: object) -> None:
    with pytest.raises(ValueError):
        records.as_record(GOOD | {name: value}, Page)


@pytest.mark.parametrize("name", list(GOOD))
def test_what_is_missing_is_known(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        records.as_record({key: value for key, value in GOOD.items() if key != name}, Page)
