"""Work on many items at once, results in order or as they are done."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

from tfzoo.threads import Workers

Item = TypeVar("Item")
Result = TypeVar("Result")


#: Threads that read images and prepare them; twice as many may lie ready.
READERS = min(8, 2 + (os.cpu_count() or 2))


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


def as_done(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    enough: Callable[[], bool] = lambda: False,
) -> Generator[Result, None, None]:
    """Applies a function to items on several threads; a slow one holds up no other's result.

    Items are taken on the caller's thread, and at most `2 * workers` are under way.

    Args:
        function: What to do with an item; it runs on several threads at once.
        items: May be endless.
        workers: How many threads.
        enough: Whether no more should be begun until one that is under way is done.

    Yields:
        Results in the order in which they are done. An error that the function raises is raised.
    """
    done: SimpleQueue[Future[Result]] = SimpleQueue()
    pool = Workers(workers)
    under_way = 0
    try:
        for item in items:
            pool.submit(function, item).add_done_callback(done.put)
            under_way += 1
            while under_way == 2 * workers or (under_way and enough()):
                yield done.get().result()
                under_way -= 1
        for _ in range(under_way):
            yield done.get().result()
    finally:
        pool.close()
