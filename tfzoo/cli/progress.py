"""A progress bar with speed and time left, on standard error, where a person looks on."""

from __future__ import annotations

from collections.abc import Iterator
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
from tfzoo.outside import public, shown


class Bar:
    """A bar that is shown, and what tells it how far things are."""

    def __init__(self, progress: Progress, doing: str) -> None:
        self._progress, self._doing = progress, shown(public(doing))
        self._task = progress.add_task("starting", total=None)

    def count(self, done: int, total: int | None) -> None:
        """So many are done, and of how many (None: unknown)."""
        self._progress.update(self._task, description=self._doing, completed=done, total=total)

    def step(self, doing: str, done: int = 0, steps: int = 0) -> None:
        """What is being done, how many steps are done, and of how many (0: unknown)."""
        self._progress.update(
            self._task, description=shown(public(doing)), completed=done, total=steps or None
        )


@contextmanager
def progress_bar(doing: str, unit: str) -> Iterator[Bar]:
    """Shows a bar, which says what is being done once things are counted.

    Args:
        doing: What is being done to what is counted.
        unit: What is counted, for the speed; empty for steps.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield Bar(progress, doing)


class _Speed(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        # Steps differ in length: so many a second says nothing.
        if task.speed is None or not self._unit:
            return Text("")
        return Text(f"{task.speed:.1f} {self._unit}/s")
