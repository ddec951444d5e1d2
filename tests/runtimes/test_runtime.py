"""What all runtimes have in common: what is told of an image that one can't take."""

from __future__ import annotations

import pytest

from tfzoo.errors import DeviceError, ImageError
from tfzoo.runtimes.runtime import image_failures


@pytest.mark.parametrize(
    ("size", "narrow"),
    [((600, 800), False), ((2, 200), False), ((200, 2), False), ((2, 201), True), ((201, 2), True)],
)
def test_only_of_a_very_narrow_image_it_is_told_that_it_is(
    size: tuple[int, int], narrow: bool
) -> None:
    with pytest.raises(ImageError) as caught, image_failures(size):
        raise ValueError("no such shape\nat node Resize")
    told = f"the model can't run on this image of {size[1]}x{size[0]} pixels: no such shape"
    assert str(caught.value).startswith(told)
    assert ("An image this narrow" in str(caught.value)) is narrow
    assert "at node" not in str(caught.value)


def test_an_error_that_says_what_to_do_is_left_as_it_is() -> None:
    error = DeviceError("no such GPU")
    with pytest.raises(DeviceError) as caught, image_failures((6, 8)):
        raise error
    assert caught.value is error
