"""What is written of a model's origin is what is read, and what can't be understood is none."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tfzoo.store.provenance import FILE_NAME, FileRecord, Provenance, now, read

RECORD = Provenance(
    id="some_model",
    source="https://example.org/größe.tar.gz",
    kind="archive",
    digest="sha256:" + "a" * 64,
    bytes=12,
    vouched_by=("https", "digest recorded on 2026-01-01"),
    date="2026-01-02T03:04:05+00:00",
    version="1.0",
    model="saved_model",
    files={"saved_model/saved_model.pb": FileRecord(12, "b" * 64)},
)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    assert read(tmp_path) == RECORD
    nothing = replace(RECORD, vouched_by=(), files={})
    nothing.write(tmp_path)
    assert read(tmp_path) == nothing


def test_a_record_can_be_read_by_people(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    text = (tmp_path / FILE_NAME).read_text(encoding="utf-8")
    assert '\n  "source": "https://example.org/größe.tar.gz",\n' in text
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", '{"vouched_by": [], "files": {"a": {}}}', '{"vouched_by": []}'],
)
def test_what_is_no_record_is_none(tmp_path: Path, text: str) -> None:
    assert read(tmp_path) is None
    (tmp_path / FILE_NAME).write_text(text)
    assert read(tmp_path) is None


def test_a_record_of_more_than_is_known_is_none(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    data = json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))
    (tmp_path / FILE_NAME).write_text(json.dumps({**data, "colour": "blue"}))
    assert read(tmp_path) is None


def test_a_date_is_this_moment_to_the_second_and_says_its_zone() -> None:
    date = datetime.fromisoformat(now())
    assert timedelta(0) <= datetime.now(UTC) - date < timedelta(seconds=5)
    assert now().endswith("+00:00") and len(now()) == len("2026-01-02T03:04:05+00:00")


@pytest.mark.parametrize(
    ("name", "value"),
    [("id", 5), ("bytes", "12"), ("vouched_by", [1]), ("vouched_by", "https"), ("date", None),
     ("files", []), ("files", {"a": {"bytes": "1", "sha256": "b"}}), ("model", ["saved_model"])],
)  # fmt: skip
def test_a_record_of_wrong_types_is_none(tmp_path: Path, name: str, value: object) -> None:
    RECORD.write(tmp_path)
    data = json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))
    (tmp_path / FILE_NAME).write_text(json.dumps(data | {name: value}))
    assert read(tmp_path) is None
