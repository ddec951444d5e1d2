"""Progress of a fetch: events for a program, a bar for a person."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

Stage = Literal["waiting", "downloading", "unpacking", "done"]


@dataclass(frozen=True)
class Step:
    """How far a fetch has come.

    Attributes:
        model: The model's id.
        stage: `waiting` for another process that fetches the same model, `downloading`,
            `unpacking` (and checking), `done`.
        done_bytes: Bytes so far, those of an earlier, interrupted download included.
        total_bytes: Bytes in all, None where the server does not say.
    """

    model: str
    stage: Stage
    done_bytes: int = 0
    total_bytes: int | None = None


#: Takes the steps of a fetch. It may raise, which ends the fetch; a later one resumes it.
Progress = Callable[[Step], None]


def ignore(step: Step) -> None:
    """Progress for nobody."""


class ProgressBar:
    """Progress as bars on standard error: size, speed, time left.

    Safe to call from several threads; nothing is drawn before `delay_s` have passed, so that
    what is quick stays silent. Use as a context manager.
    """

    def __init__(self, console: Console | None = None, delay_s: float = 2.0) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._starts_at = time.monotonic() + delay_s
        self._lock = threading.Lock()

    def __call__(self, step: Step) -> None:
        """Takes one step of one model's fetch."""
        with self._lock:
            if step.model not in self._tasks:
                self._tasks[step.model] = self._bars.add_task(step.model, total=None)
            task = self._tasks[step.model]
            if step.stage == "done":
                self._bars.update(task, visible=False)
                return
            words = {"waiting": "waits for another process", "unpacking": "unpacking"}
            self._bars.update(
                task,
                description=f"{step.model} {words.get(step.stage, '')}".strip(),
                completed=step.done_bytes,
                total=step.total_bytes,
            )
            if time.monotonic() >= self._starts_at and not self._bars.live.is_started:
                self._bars.start()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bars.live.is_started:
            self._bars.stop()


def watched_by_a_person() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()
