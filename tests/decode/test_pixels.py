"""Pixels become what a file says, else what its 8-bit integers span, else what is usual."""

from __future__ import annotations

import numpy as np
import pytest

from tfzoo.decode.pixels import RAW, SIGNED, UNIT, fed, in_words, pixels_of
from tfzoo.runtimes.runtime import Levels, Pixels, TensorInfo

SHAPE = (1, 2, 2, 3)
IMAGE = np.array([[[0, 1, 2], [3, 100, 127]], [[128, 129, 200], [253, 254, 255]]], np.uint8)
IMAGENET = Pixels((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


@pytest.mark.parametrize(
    ("dtype", "levels", "own", "expected"),
    [
        ("float32", None, None, SIGNED),
        ("float32", None, IMAGENET, IMAGENET),
        ("uint8", Levels(1 / 128, 127), Pixels((127.0,), (128.0,)), Pixels((127.0,), (128.0,))),
        # Metadata that contradict the range are wrong.
        ("uint8", Levels(1 / 128, 128), RAW, SIGNED),
        ("uint8", Levels(1 / 255, 0), None, UNIT),
        ("int8", Levels(1.0, -128), None, RAW),
        ("int8", Levels(4.76 / 255, -14), None, IMAGENET),
        ("uint8", None, IMAGENET, RAW),
    ],
)
def test_which_it_is(
    dtype: str, levels: Levels | None, own: Pixels | None, expected: Pixels
) -> None:
    entry = TensorInfo("input", dtype, SHAPE, levels, own)
    pixels, _ = pixels_of(entry, SIGNED)
    assert pixels == expected
    batch = fed(IMAGE, entry, SIGNED)
    assert (batch.shape, batch.dtype) == (SHAPE, np.dtype(dtype))
    # By the formula, written out.
    numbers = (IMAGE.astype(float) - expected.mean) / expected.std
    if dtype != "float32":
        least = np.iinfo(dtype).min
        numbers = (
            IMAGE.astype(float) + least if levels is None else numbers / levels.scale + levels.zero
        )
        numbers = np.clip(np.rint(numbers), least, least + 255)
    np.testing.assert_allclose(batch[0], numbers, atol=1e-6)


def test_in_words() -> None:
    assert in_words(UNIT) == "0..1"
    assert in_words(Pixels((1.0, 2.0, 3.0), (4.0,))) == "(pixel - [1, 2, 3]) / [4]"
