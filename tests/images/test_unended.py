"""A JPEG that lacks only its end mark is whole; one that lacks pixels is not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers import standins
from tfzoo.errors import ImageError
from tfzoo.images.reading import read_image
from tfzoo.images.unended import ended

PHOTO = standins.paint(120, 170, person=(20, 20, 60, 90), dog=(90, 40, 150, 100))


def jpeg(mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 40, PHOTO.shape)
    picture = np.clip(PHOTO + noise, 0, 255).astype(np.uint8)
    Image.fromarray(picture).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


KINDS: list[dict[str, Any]] = [
    {}, {"progressive": True}, {"subsampling": 0}, {"mode": "L"}, {"mode": "CMYK"},
    {"restart_marker_rows": 1}, {"restart_marker_blocks": 3}, {"optimize": True},
    {"progressive": True, "restart_marker_rows": 2},
]  # fmt: skip


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_without_its_end_mark_it_is_whole_and_without_pixels_refused(
    options: dict[str, Any],
) -> None:
    data = jpeg(**options)
    whole = read_image(data)
    for cut in (1, 2):
        assert (read_image(data[:-cut]) == whole).all()
    marks = [i for i in range(len(data) - 1) if data[i] == 0xFF and 0xD0 <= data[i + 1] <= 0xD7]
    ends = [*marks[-3:], *(i + 2 for i in marks[-3:])]
    ends += np.linspace(len(data) // 3, len(data) - 6, 12).astype(int).tolist()
    for end in ends:
        try:
            image = read_image(data[:end])
        except ImageError as error:
            assert "damaged image" in str(error)
        else:
            assert (image == whole).all()  # Only bits that don't matter were cut.
            assert len(data) - end < 10


def test_a_progressive_file_cut_between_its_scans_is_refused() -> None:
    data = jpeg(progressive=True)
    scans = [i for i in range(len(data) - 1) if data[i : i + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for start in scans[1:]:
        assert ended(data[:start]) is None


def test_a_file_filled_up_with_zeros_is_refused() -> None:
    data = jpeg()
    with pytest.raises(ImageError, match="truncated"):
        read_image(data[: len(data) // 2].ljust(len(data) + 1000, b"\0"))


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xda\0", jpeg()[:200]])
def test_what_has_no_scan_lacks_more(data: bytes) -> None:
    assert ended(data) is None
