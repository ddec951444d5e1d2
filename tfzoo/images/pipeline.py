"""Work on many items at once, results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

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
    pool = ThreadPoolExecutor(workers, thread_name_prefix="tfzoo")
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
        pool.shutdown(wait=True, cancel_futures=True)
