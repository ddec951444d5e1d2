"""The pictures that runtimes are compared on: full and empty ones in turn, and odd ones."""

from __future__ import annotations

import numpy as np

from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.zoo.manifest import packaged_scenes

#: Packaged pictures that are looked at.
SCENE_COUNT = 8

#: All pictures of a model together take about so long in TensorFlow, in seconds; a slow model is
#: shown fewer, but never fewer than the first `FEWEST`.
MAX_SECONDS = 20.0
FEWEST = 4


def scenes() -> list[Image]:
    """The first of the packaged pictures, uint8 [H, W, 3] RGB each."""
    paths = sorted(packaged_scenes().glob("*.jpg"))[:SCENE_COUNT]
    return [read_image(path) for path in paths]


def trial_pictures(seconds: float = 0.0) -> list[Image]:
    """Pictures with things in them, and between them some without: uint8 [H, W, 3] RGB each.

    Some graphs fail, under one runtime only, on a picture with nothing in it, and go on failing
    after that; some refuse a picture so narrow that nothing is left of it.

    Args:
        seconds: How long TensorFlow takes for one.
    """
    full = scenes()
    random = np.random.default_rng(0)
    odd = [
        np.full((480, 640, 3), 128, dtype=np.uint8),
        random.integers(0, 256, (480, 640, 3), dtype=np.uint8),
        np.zeros((300, 400, 3), dtype=np.uint8),
        np.full((640, 480, 3), (255, 0, 0), dtype=np.uint8),
        random.integers(0, 256, (7, 2000, 3), dtype=np.uint8),
        np.full((333, 333, 3), 255, dtype=np.uint8),
        random.integers(0, 256, (2000, 7, 3), dtype=np.uint8),
        random.integers(0, 256, (61, 47, 3), dtype=np.uint8),
    ]
    mixed = [picture for pair in zip(full, odd, strict=False) for picture in pair]
    most = len(mixed) if seconds <= 0 else int(MAX_SECONDS / seconds)
    return mixed[: max(FEWEST, most)]
