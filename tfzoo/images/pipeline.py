"""Work on many items at once, results in order, or around those that are late."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from typing import TypeVar

from tfzoo.threads import Workers

Item = TypeVar("Item")
Result = TypeVar("Result")


#: Threads that read images and prepare them; twice as many may lie ready.
READERS = min(8, 2 + (os.cpu_count() or 2))

#: Seconds after which others need not wait for a result any more.
LATE_S = 1.0


def batched(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """The items in groups of a size, the last one perhaps smaller (Python 3.12 has its own)."""
    iterator = iter(items)
    while group := tuple(islice(iterator, size)):
        yield group


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[tuple[Item, Result], None, None]:
    """Applies a function to items on several threads and yields them in order.

    Items are taken on the caller's thread, and at most `2 * workers` ahead of the result that is
    due, so that memory stays bounded and a slow consumer slows the work.

    Args:
        function: What to do with an item; it runs on several threads at once.
        items: May be endless.
        workers: How many threads.

    Yields:
        Each item with its result. An error that the function raises is raised in its item's turn;
        a function that must not end the others catches its own.
    """
    pending: deque[tuple[Item, Future[Result]]] = deque()
    pool = Workers(workers)
    try:
        for item in items:
            pending.append((item, pool.submit(function, item)))
            if len(pending) == 2 * workers:
                due, future = pending.popleft()
                yield due, future.result()
        while pending:
            due, future = pending.popleft()
            yield due, future.result()
    finally:
        # Also when the consumer stops early: nothing more is begun.
        pool.close()


def around_late(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    enough: Callable[[], bool] = lambda: False,
    late_s: float = LATE_S,
) -> Generator[Result, None, None]:
    """Applies a function to items on several threads; who is late holds up no other's result.

    Items are taken on the caller's thread, and at most `2 * workers` are under way.

    Args:
        function: What to do with an item; it runs on several threads at once.
        items: May be endless.
        workers: How many threads.
        enough: Whether no more should be begun until one that is under way is done.
        late_s: After how many seconds a result is late.

    Yields:
        Results in the order of their items, but for those that are late: they come when they are
        done. An error that the function raises is raised.
    """
    pending: deque[tuple[Future[Result], float]] = deque()
    pool = Workers(workers)
    try:
        for item in items:
            pending.append((pool.submit(function, item), time.monotonic() + late_s))
            while len(pending) == 2 * workers or (pending and enough()):
                yield _next(pending)
        while pending:
            yield _next(pending)
    finally:
        pool.close()


def _next(pending: deque[tuple[Future[Result], float]]) -> Result:
    """Takes the first result that is done, each waited for until it is late."""
    for one in list(pending):
        future, late_at = one
        wait([future], max(0.0, late_at - time.monotonic()))
        if future.done():
            break
    else:
        wait([future for future, _ in pending], return_when=FIRST_COMPLETED)
        one = next(one for one in pending if one[0].done())
    pending.remove(one)
    return one[0].result()
