"""accuracy.csv: rows added safely, files of other versions kept, damage told."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfzoo.errors import MeasurementError
from tfzoo.results import append_row, number, read_rows

COLUMNS = ("model", "AP", "note")


def test_rows_come_back_as_they_were_added(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results" / "accuracy.csv"
    assert read_rows(path) == []
    append_row(path, COLUMNS, {"model": "a", "AP": 0.1 + 0.2, "note": 'said "no", twice\nover'})
    append_row(path, COLUMNS, {"model": "b", "AP": None})
    first, second = read_rows(path)
    assert number(first, "AP") == 0.1 + 0.2
    assert first["note"] == 'said "no", twice\nover'
    assert second == {"model": "b", "AP": "", "note": ""}
    assert number(second, "AP") is None and number(second, "missing") is None


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "'=1",
        "+x",
        "-x",
        "@x",
        "\t=1",
        "\r\n=1",
        "a\x1b[31m",
        "a,b;c|d",
        '"quoted"',
        "größe",
    ],
)
def test_a_name_that_a_spreadsheet_would_run_comes_back_unharmed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "accuracy.csv"
    for columns in (COLUMNS, (*COLUMNS, "more"), (*COLUMNS, "more")):  # Added to, written anew.
        append_row(path, columns, {"model": name, "AP": -0.5, "note": name})
    found = read_rows(path)
    assert [(row["model"], row["note"], number(row, "AP")) for row in found] == 3 * [
        (name, name, -0.5)
    ]
    with path.open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r") and cell != "-0.5"]


def test_a_name_that_is_not_utf_8_is_kept_as_it_can_be_written(tmp_path: Path) -> None:
    append_row(tmp_path / "accuracy.csv", COLUMNS, {"model": "caf\udce9"})
    assert [row["model"] for row in read_rows(tmp_path / "accuracy.csv")] == [r"caf\xe9"]


def test_an_older_files_rows_are_kept_and_gain_columns(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.csv"
    path.write_text("model,old\nbefore,1\n")
    append_row(path, COLUMNS, {"model": "after", "AP": 0.5})
    assert path.read_text().splitlines() == [
        "model,AP,note,old",
        "before,,,1",
        "after,0.5,,",
    ]


def test_a_row_is_added_in_place_where_the_columns_are_there(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.csv"
    append_row(path, COLUMNS, {"model": "a"})
    assert path.stat().st_mode & 0o777 == 0o644
    before = path.stat().st_ino
    for columns in (COLUMNS, COLUMNS[:2]):
        append_row(path, columns, {"model": "b"})
        assert path.stat().st_ino == before
    append_row(path, (*COLUMNS, "more"), {"model": "c", "more": 1})
    assert [row["model"] for row in read_rows(path)] == ["a", "b", "b", "c"]
    assert path.stat().st_ino != before
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_row_after_one_that_was_cut_short_stands_on_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.csv"
    path.write_text("model,AP,note\na,0.1,\nb,0.2,cut")
    append_row(path, COLUMNS, {"model": "c"})
    assert [row["model"] for row in read_rows(path)] == ["a", "b", "c"]
    path.write_text("model,AP,note\na,0.1,\nb,0.")
    assert [row["model"] for row in read_rows(path)] == ["a"]
    append_row(path, COLUMNS, {"model": "c"})
    assert [row["model"] for row in read_rows(path)] == ["a", "c"]


def test_a_column_that_is_not_there_is_a_slip_in_the_code(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no column APX"):
        append_row(tmp_path / "accuracy.csv", COLUMNS, {"model": "a", "APX": 1})


def test_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.csv"
    code = (
        "import sys; from pathlib import Path; from tfzoo.results import append_row\n"
        "for i in range(25): append_row(Path(sys.argv[1]), ('model', 'AP'), "
        "{'model': f'{sys.argv[2]}-{i}', 'AP': i})"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("a", "b", "c")
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    rows = read_rows(path)
    assert len(rows) == 75 == len({row["model"] for row in rows})


def test_what_is_no_table_of_measurements_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.csv"
    path.write_text("name,value\na,1\n")
    with pytest.raises(MeasurementError, match="no table of measurements"):
        read_rows(path)
    path.write_bytes(b"model,AP\n\xff\xfe,1\n")
    with pytest.raises(MeasurementError, match="can't be read"):
        read_rows(path)


def test_text_where_a_number_belongs_is_told_with_its_place() -> None:
    with pytest.raises(MeasurementError, match="row of model a: AP is 'high', expected a number"):
        number({"model": "a", "AP": "high"}, "AP")


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(MeasurementError, match="choose another folder with --results"):
        append_row(tmp_path / "results" / "accuracy.csv", COLUMNS, {"model": "a"})


def test_a_file_that_is_written_anew_is_on_the_disk_before_the_old_one_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "accuracy.csv"
    path.write_text("model\nbefore\n")
    synced = []
    inner = os.fsync

    def fsync(descriptor: int) -> None:
        inner(descriptor)
        synced.append(path.read_text())

    monkeypatch.setattr(os, "fsync", fsync)
    append_row(path, COLUMNS, {"model": "after", "AP": 0.5})
    assert synced[0] == "model\nbefore\n"
    assert synced[-1] == path.read_text()


@pytest.mark.parametrize("content", ["name,value\n", "a shopping list", "name,value\nx,1\n"])
def test_a_file_of_somebody_elses_is_not_written_to(tmp_path: Path, content: str) -> None:
    path = tmp_path / "accuracy.csv"
    path.write_text(content)
    with pytest.raises(MeasurementError, match="Move the file away"):
        append_row(path, COLUMNS, {"model": "a"})
    assert path.read_text() == content


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.csv"
    path.write_text("model,old\n")
    append_row(path, COLUMNS, {"model": "a", "AP": 0.5})
    assert path.read_text().splitlines() == ["model,AP,note,old", "a,0.5,,"]
