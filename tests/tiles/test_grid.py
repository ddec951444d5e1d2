"""Where tiles lie: every pixel is covered, all are of one size, neighbours share what was asked."""

from __future__ import annotations

import numpy as np
import pytest

from tfzoo.tiles.grid import Tile, grid

rng = np.random.default_rng(4)
CASES = [
    (tuple(rng.integers(1, 400, 2)), tuple(rng.integers(32, 200, 2)), float(rng.uniform(0, 0.9)))
    for _ in range(200)
]


@pytest.mark.parametrize("overlap", [None, 0.0, 0.2, 0.9])
def test_tiles_cover_all_are_of_one_size_and_share_what_was_asked(overlap: float | None) -> None:
    for size, tile, drawn in CASES:
        share = drawn if overlap is None else overlap
        tiles = grid(size, tile, share)
        sides = tuple(map(min, size, tile))
        assert {(one.height, one.width) for one in tiles} == {sides}
        covered = np.zeros((*size, 3), np.uint8)
        for one in tiles:
            part = one.of(covered)
            assert part.base is not None and part.shape[:2] == sides
            part += 1
        assert covered.all()
        for starts, side in (
            (sorted({one.top for one in tiles}), sides[0]),
            (sorted({one.left for one in tiles}), sides[1]),
        ):
            # A pixel is the least that tiles move by.
            shared = side - np.diff(starts)
            assert (shared >= min(share * side, side - 1) - 1e-6).all()
        # None is there for nothing: with one fewer an axis would not be covered.
        assert len(set(tiles)) == len(tiles)


def test_the_last_is_moved_inwards_and_a_share_of_whole_pixels_is_that() -> None:
    assert grid((100, 250), (100, 100), 0.1) == [Tile(0, left, 100, 100) for left in (0, 90, 150)]
    assert [one.left for one in grid((30, 57), (30, 30), 0.1)] == [0, 27]
    assert grid((40, 50), (64, 64), 0.2) == [Tile(0, 0, 40, 50)]
    assert str(Tile(3, 4, 5, 6)) == "the tile of 6x5 pixels at 4, 3"
