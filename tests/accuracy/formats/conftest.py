"""A small set of images with annotations, for tests of each format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.helpers.coco_data import HEIGHT, WIDTH, random_data
from tests.helpers.truth_formats import carried


@pytest.fixture(scope="session")
def truth() -> dict[str, Any]:
    """Ground truth of 12 images."""
    return carried(random_data(7, images=12, drawn=False)[0], "coco")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory, truth: dict[str, Any]) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for image in truth["images"]:
        Image.new("RGB", (WIDTH, HEIGHT)).save(folder / image["file_name"])
    return folder
