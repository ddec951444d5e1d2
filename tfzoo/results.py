"""Measurements on disk: `accuracy.csv` and `timing.csv`, a row a measurement.

They hold what was measured alone; reported figures are joined in when a table is drawn. A text that
a spreadsheet would run stands in them behind an apostrophe, and is read back without.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfzoo.errors import MeasurementError
from tfzoo.files import write_whole
from tfzoo.outside import from_csv, in_csv, printable

#: Columns of accuracy.csv: what was measured, by whom and on what; metrics are 0 to 1.
ACCURACY_COLUMNS: tuple[str, ...] = (
    "model",
    "model_digest",
    "vouched_by",
    "kind",
    "images",
    "image_set",
    "image_list_digest",
    *("AP", "AP_low", "AP_high", "AP50", "AP75", "APs", "APm", "APl"),
    *("AR", "AR50", "AR75", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
    *("runtime", "precision", "batch", "tiles", "suppression", "device", "hardware"),
    *("evaluator", "command", "date"),
)


def append_row(path: Path, columns: Sequence[str], row: Mapping[str, Any]) -> None:
    """Adds a measurement to a CSV file, which is made if it is not there.

    Safe against other processes appending to the same file. A file of an older version gains the
    columns it lacks; columns it has and this version does not know are kept.

    Args:
        path: The file.
        columns: Columns in order; those that `row` lacks stay blank.
        row: Values by column; None is blank.

    Raises:
        MeasurementError: The file can't be read or written.
    """
    from filelock import FileLock

    unknown = row.keys() - set(columns)
    if unknown:
        raise ValueError(f"{path.name} has no column {', '.join(sorted(unknown))}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            header, rows = _read(path)
            if set(columns) <= set(header) and path.read_bytes().endswith(b"\n"):
                with path.open("a", newline="", encoding="utf-8") as file:
                    csv.DictWriter(file, header, restval="").writerow(_texts(row))
                return
            header = [*columns, *(name for name in header if name not in columns)]
            _replace(path, header, map(_texts, [*rows, row]))
    except OSError as error:
        raise MeasurementError(
            f"{path} can't be written: {error.strerror}; choose another folder with --results"
        ) from None


def _texts(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: "" if value is None else in_csv(printable(str(value))) for name, value in row.items()
    }


def _replace(path: Path, header: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue(), sync=True)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The measurements of a CSV file, oldest first; none where there is no file.

    Raises:
        MeasurementError: The file can't be read, or is no such table.
    """
    return _read(path)[1]


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns of a CSV file and its rows."""
    if not path.exists():
        return [], []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise MeasurementError(f"{path} can't be read: {error}") from None
    header = list(reader.fieldnames or ())
    if header and "model" not in header:
        raise MeasurementError(
            f"{path} is no table of measurements: its first line must name the columns, `model` "
            "among them. Move the file away, or choose another folder with --results"
        )
    # A last line cut short by a full disk has no value for its last columns.
    whole = (row for row in rows if None not in row.values())
    return header, [{name: _text(cell) for name, cell in row.items()} for row in whole]


def _text(cell: Any) -> Any:
    # Cells beyond the last column come as a list.
    return from_csv(cell) if isinstance(cell, str) else cell


def number(row: Mapping[str, str], column: str) -> float | None:
    """A value of a row as a number, None where it is blank or missing.

    Raises:
        MeasurementError: It is text.
    """
    text = row.get(column) or ""
    try:
        return float(text) if text else None
    except ValueError:
        raise MeasurementError(
            f"row of model {row.get('model')}: {column} is '{text}', expected a number"
        ) from None
