"""The settings of a timing: what makes no sense is refused, on the command line too."""

from __future__ import annotations

from typing import Any

import pytest

from tfzoo.errors import UsageError
from tfzoo.options import options_of
from tfzoo.timing.settings import BenchmarkSettings


@pytest.mark.parametrize(
    ("senseless", "told"),
    [
        ({"min_images": 0}, "at least 1 image"),
        ({"min_seconds": -0.1}, "no negative time"),
        ({"image_size": (0, 9)}, "from 1 pixel"),
    ],
)
def test_a_measurement_without_sense_is_refused(senseless: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        BenchmarkSettings("name", **senseless)


def test_the_least_that_makes_sense_is_taken_and_the_command_line_knows_it() -> None:
    settings = BenchmarkSettings("name", min_images=1, min_seconds=0, image_size=(1, 1))
    least = {field.name: told.least for field, told in options_of(BenchmarkSettings)}
    assert least["min_images"] == settings.min_images
    assert least["min_seconds"] == settings.min_seconds
    assert least["timeout_s"] == 1
