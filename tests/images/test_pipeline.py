"""Work on many items at once comes back in order, and never runs far ahead."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.helpers.store_faults import trial
from tfzoo.images.pipeline import around_late, batched, in_order


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])]
)
def test_groups_are_full_but_for_the_last(count: int, sizes: list[int]) -> None:
    groups = list(batched(iter(range(count)), 3))
    assert [len(group) for group in groups] == sizes
    assert [item for group in groups for item in group] == list(range(count))


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 50])
def test_results_come_in_the_order_of_their_items(count: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3 == 0))  # Later items are done first.
        return item * item

    assert list(in_order(work, range(count), 3)) == [(i, i * i) for i in range(count)]


@pytest.mark.parametrize("workers", [1, 3])
def test_items_are_taken_twice_the_threads_ahead_and_no_further(workers: int) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = in_order(lambda item: item, endless(), workers)
    for due in range(1, 20):
        assert next(results)[0] == due
        assert taken == due + 2 * workers - 1
    results.close()
    assert taken == 19 + 2 * workers - 1


def test_as_many_items_are_worked_on_at_once_as_there_are_threads() -> None:
    together = threading.Barrier(3, timeout=60)
    assert len(list(in_order(lambda _: together.wait(), range(6), 3))) == 6


def test_an_error_is_raised_in_its_items_turn_and_nothing_is_begun_after_it() -> None:
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 2:
            raise ValueError("item 2")
        return item

    results = in_order(work, range(100), 1)
    assert [next(results)[0], next(results)[0]] == [0, 1]
    with pytest.raises(ValueError, match="item 2"):
        next(results)
    assert max(begun) <= 4
    assert not any(thread.name.startswith("tfzoo") for thread in threading.enumerate())


def test_a_consumer_that_stops_early_leaves_no_work_behind() -> None:
    begun = []
    gate = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item > 0:
            gate.wait(10)

    results = in_order(work, range(100), 2)
    next(results)
    deadline = time.monotonic() + 10
    while len(begun) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    # Two are under way, and are waited for; the one that waits its turn is never begun.
    threading.Timer(0.2, gate.set).start()
    results.close()
    assert begun == [0, 1, 2]
    assert not any(thread.name.startswith("tfzoo") for thread in threading.enumerate())


def test_a_slow_item_holds_up_no_other() -> None:
    gate = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            gate.wait(10)
        return item

    results = around_late(work, range(100), 2, late_s=0.05)
    assert [next(results) for _ in range(99)] == list(range(1, 100))
    gate.set()
    assert list(results) == [0]


def test_results_come_in_order_as_long_as_none_is_late() -> None:
    def work(item: int) -> int:
        time.sleep(0.01 * (item % 3 == 0))  # Later items are done first.
        return item

    assert list(around_late(work, range(50), 3)) == list(range(50))


def test_of_several_that_are_late_the_first_that_is_done_is_given() -> None:
    gates = [threading.Event() for _ in range(3)]
    results = around_late(lambda item: gates[item].wait(10) and item, range(3), 3, late_s=0.01)
    threading.Timer(0.1, gates[1].set).start()
    assert next(results) == 1
    gates[2].set()
    assert next(results) == 2
    gates[0].set()
    assert list(results) == [0]


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_are_under_way_than_twice_the_threads(workers: int) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = around_late(lambda item: item, endless(), workers)
    for given in range(1, 20):
        next(results)
        assert taken == given + 2 * workers - 1
    results.close()


def test_no_more_is_begun_once_it_is_enough_but_where_nothing_is_under_way() -> None:
    begun: list[int] = []
    enough = False

    def work(item: int) -> int:
        begun.append(item)
        return item

    results = around_late(work, range(50), 3, lambda: enough)
    next(results)
    enough = True
    for _ in range(5):
        next(results)
    assert len(begun) == 6
    # What is needed to go on may lie with whoever takes the results: one more is begun.
    next(results)
    assert len(begun) == 7
    enough = False
    assert len(list(results)) == 43


def test_an_error_ends_what_is_done_in_any_order_too() -> None:
    results = around_late(lambda item: 1 // item, [2, 1, 0, 3], 1)
    with pytest.raises(ZeroDivisionError):
        list(results)
    assert not any(thread.name.startswith("tfzoo") for thread in threading.enumerate())


def test_whoever_stops_does_not_wait_for_what_never_ends() -> None:
    gate = threading.Event()

    def work(item: int) -> int:
        if item:
            gate.wait(60)
        return item

    both = [in_order(work, range(10), 2), around_late(work, range(10), 2)]
    with trial("stopped while an image never comes"), ThreadPoolExecutor(2) as pool:
        for results in both:
            next(results)
        begun = time.monotonic()
        list(pool.map(lambda results: results.close(), both))
        assert time.monotonic() - begun < 30
    gate.set()
