"""What a reproduction has measured, a line a step: whatever ends it, nothing is measured twice.

A measurement is written here first and added to `accuracy.csv` or `timing.csv` after: what a killed
run had no time to add is added by the next, once.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO, Any, Literal

from tfzoo.errors import MeasurementError
from tfzoo.results import ACCURACY_COLUMNS, append_row, read_rows
from tfzoo.timing.benchmark import TIMING_COLUMNS

NAME = "reproduce.jsonl"

Step = Literal["accuracy", "speed"]

#: Where the rows of a step are added, and the file's columns.
_TABLES: dict[Step, tuple[str, tuple[str, ...]]] = {
    "accuracy": ("accuracy.csv", ACCURACY_COLUMNS),
    "speed": ("timing.csv", TIMING_COLUMNS),
}
#: What tells a measurement from every other of its table.
_KEY = ("model", "date", "runtime", "kind")


@dataclass(frozen=True)
class Measured:
    """A step that was taken.

    Attributes:
        model: Id of the model.
        step: What was measured.
        asked: What it was asked for with: runtime, images, ...
        rows: As they stand in `accuracy.csv` or `timing.csv`.
        host: Name of the machine that it was measured on.
        stretches: When something was computed for it: each beginning and end, UTC, ISO 8601. None
            of a time's overlaps any other of the same machine.
    """

    model: str
    step: Step
    asked: Mapping[str, Any]
    rows: list[dict[str, Any]]
    host: str = ""
    stretches: list[list[str]] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """What vouches for the model that was measured."""
        return str(self.rows[0].get("model_digest") or "")


class Journal:
    """A journal: open (see `open_journal`), or to be looked into (see `read_journal`).

    Its methods may be called from several threads at once.
    """

    def __init__(self, results: Path, lines: list[dict[str, Any]], file: IO[bytes] | None) -> None:
        self._file, self._results, self._lock = file, results, Lock()
        self._measured = [Measured(**line["measured"]) for line in lines if "measured" in line]
        #: Models that were fetched for this, each with the machine.
        self._fetched: set[tuple[str, str]] = set()
        for line in lines:
            there = line.get("host", platform.node())
            self._fetched |= {(line["fetching"], there)} if "fetching" in line else set()
            self._fetched -= {(line["removed"], there)} if "removed" in line else set()

    def find(self, model: str, step: Step, asked: Mapping[str, Any]) -> Measured | None:
        """The newest measurement of a model with just these settings, or None."""
        with self._lock:
            same = [m for m in self._measured if (m.model, m.step, m.asked) == (model, step, asked)]
        return same[-1] if same else None

    def keep(self, measured: Measured) -> None:
        """Writes a measurement down and adds its rows to the table."""
        with self._lock:
            self._write({"measured": measured.__dict__})
            self._measured.append(measured)
            self._add_to_table(measured)

    def fetching(self, model: str, host: str) -> None:
        """Notes that a model is fetched for this to a machine, before it is."""
        with self._lock:
            if (model, host) not in self._fetched:
                self._write({"fetching": model, "host": host})
                self._fetched.add((model, host))

    def removed(self, model: str, host: str) -> None:
        """Notes that what was fetched for this is removed: what is there later is the user's."""
        with self._lock:
            self._write({"removed": model, "host": host})
            self._fetched.discard((model, host))

    def fetched(self, model: str, host: str) -> bool:
        """Whether a model that a machine has was fetched for this, by this run or one before."""
        with self._lock:
            return (model, host) in self._fetched

    def _write(self, line: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def add_to_tables(self) -> None:
        """Adds what a killed run had no time to add."""
        for measured in self._measured:
            self._add_to_table(measured)

    def _add_to_table(self, measured: Measured) -> None:
        name, columns = _TABLES[measured.step]
        there = {_key(row) for row in read_rows(self._results / name)}
        for row in measured.rows:
            if _key(row) not in there:
                append_row(self._results / name, columns, row)


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row.get(name) or "") for name in _KEY)


@contextmanager
def open_journal(results: Path) -> Iterator[Journal]:
    """Opens the journal of a results folder, made if need be, against other processes.

    Raises:
        MeasurementError: Another run holds it, or it can't be read or written.
    """
    from filelock import FileLock, Timeout

    path = results / NAME
    lock = FileLock(path.with_name(f".{NAME}.lock"), timeout=0)
    try:
        results.mkdir(parents=True, exist_ok=True)
        with lock, path.open("a+b") as file:
            file.seek(0)
            data = file.read()
            # A last line that was cut short is cut off.
            file.truncate(data.rfind(b"\n") + 1)
            journal = Journal(results, _lines(data, path), file)
            journal.add_to_tables()
            yield journal
    except Timeout:
        raise MeasurementError(
            f"another run is reproducing into {results}; wait for it, or choose another folder "
            "with --results"
        ) from None
    except OSError as error:
        raise MeasurementError(
            f"{error.filename or path} can't be written: {error.strerror or error}. What was "
            "measured before is kept; run the same command again to go on"
        ) from None


def read_journal(results: Path) -> Journal:
    """The journal of a results folder as it is, to be looked into; an empty one where none is.

    Raises:
        MeasurementError: It can't be read.
    """
    path = results / NAME
    try:
        return Journal(results, _lines(path.read_bytes(), path), None)
    except FileNotFoundError:
        return Journal(results, [], None)
    except OSError as error:
        raise MeasurementError(f"{path} can't be read: {error.strerror or error}") from None


def _lines(data: bytes, path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in data.split(b"\n")[:-1]]
    except ValueError as error:
        raise MeasurementError(
            f"{path} is damaged: {error}. Move it away: what stands in accuracy.csv and timing.csv "
            "stays there"
        ) from None
