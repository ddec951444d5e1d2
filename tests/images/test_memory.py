"""Threads that share a budget never hold more than it has, and each gets its turn."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.helpers.slow_servers import bomb
from tests.helpers.tiffs import tiff
from tfzoo.errors import ImageError
from tfzoo.images import reading
from tfzoo.images.memory import BYTES_A_PIXEL, DECODING, Budget
from tfzoo.images.reading import read_image


def test_all_together_never_hold_more_than_there_is() -> None:
    budget = Budget(100)
    lock = threading.Lock()
    held, most = 0, 0

    def work(seed: int) -> None:
        nonlocal held, most
        draw = random.Random(seed)
        for _ in range(50):
            size = draw.randrange(1, 60)
            with budget.share(size):
                with lock:
                    held += size
                    most = max(most, held)
                time.sleep(0)
                with lock:
                    held -= size

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert held == 0
    assert 60 < most <= 100


def test_what_asks_for_more_than_there_is_gets_all_of_it_alone() -> None:
    budget = Budget(10)
    with budget.share(1000):
        waiting = threading.Thread(target=lambda: budget.share(1).__enter__(), daemon=True)
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_share_is_given_back_after_an_error() -> None:
    budget = Budget(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), budget.share(10):
            raise ValueError("damaged")


def test_who_wants_much_is_not_overtaken_by_those_who_want_little() -> None:
    budget = Budget(10)
    order: list[int] = []

    def take(size: int) -> None:
        with budget.share(size):
            order.append(size)

    with budget.share(5):
        threads = []
        for size in (10, 1, 2):
            threads.append(threading.Thread(target=take, args=(size,), daemon=True))
            threads[-1].start()
            time.sleep(0.05)
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order[0] == 10


def test_images_are_decoded_as_many_at_once_as_there_is_memory_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = bomb(500)
    inner = reading._decoded
    lock = threading.Lock()
    at_once, most = 0, 0

    def counted(*given: Any) -> Any:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        try:
            return inner(*given)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(reading, "_decoded", counted)
    for room in (1, 2):
        monkeypatch.setattr(reading, "DECODING", Budget(room * BYTES_A_PIXEL * 500**2))
        most = 0
        with ThreadPoolExecutor(8) as pool:
            assert all(one.shape == (500, 500, 3) for one in pool.map(read_image, [image] * 8))
        assert most == room


def test_a_tile_that_is_larger_than_its_image_counts_as_what_it_unpacks_to() -> None:
    side = 44_000
    tile = {322: (4, [side]), 323: (4, [side]), 324: (4, [8]), 325: (4, [10])}
    with pytest.raises(ImageError, match="a tile: 44000x44000 is 1936000000 pixels, over"):
        read_image(tiff(np.zeros((8, 8), np.uint8), tile))
    with pytest.raises(ImageError, match="a tile: 44000x44000 is 1936000000 pixels, over"):
        read_image(tiff(np.zeros((8, 8, 3), np.float32), tile))
    with pytest.raises(ImageError, match="its tiles have no size"):
        read_image(tiff(np.zeros((8, 8, 3), np.float32), tile | {322: (11, [float("nan")])}))


def test_several_photographs_are_decoded_at_once() -> None:
    assert 6 * 20_000_000 * 16 < DECODING._size <= 2**31
