"""A progress bar with speed and time left, on standard error, where a person looks on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tfzoo.cli.console import err


@contextmanager
def progress_bar(doing: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """Shows a bar; gives what tells it how many are done, and of how many (None: unknown)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("starting", total=None)

        def show(done: int, total: int | None) -> None:
            progress.update(bar, description=doing, completed=done, total=total)

        yield show


class _Speed(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} {self._unit}/s")
