"""The settings of a timing: all that `tfzoo.benchmark` and `tfzoo benchmark` can be told."""

from dataclasses import KW_ONLY, dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from tfzoo.errors import UsageError
from tfzoo.options import DEVICE, PRECISION, RESULTS, RUNTIME, Precision, option, options_of, told
from tfzoo.settings import at_home

if TYPE_CHECKING:
    from tfzoo.zoo.schema import ModelSpec

#: The image size the zoo's TF1 page states for its own times.
IMAGE_SIZE = (600, 600)


def parse_image_size(text: str) -> tuple[int, int]:
    """Height and width of `600x600`, written as the zoo writes them: height first.

    Raises:
        UsageError: It is no such text.
    """
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise UsageError(f"image size '{text}': expected height and width, such as 600x600")
    return int(height), int(width)


def written_image_size(size: tuple[int, int]) -> str:
    """The text that `parse_image_size` reads."""
    return "{}x{}".format(*size)


@dataclass(frozen=True)
class BenchmarkSettings:
    """What to time, on what, for how long, and where the result goes.

    Raises:
        UsageError: A value makes no sense.
    """

    model: "str | PathLike[str] | ModelSpec" = field(
        metadata=told(
            "A name, id, alias, short form, SavedModel folder or archive; fetched beforehand."
        )
    )
    _: KW_ONLY
    image_size: tuple[int, int] = option(
        IMAGE_SIZE,
        "Height and width in pixels of the generated image.",
        metavar="HxW",
        text=str,
        parse=parse_image_size,
        write=written_image_size,
        shown=written_image_size(IMAGE_SIZE),
    )
    images: str | PathLike[str] | None = option(
        None,
        "Detect the images of this folder instead, in turn; read into memory beforehand.",
        metavar="DIR",
        text=Path | None,
    )
    min_images: int = option(50, "Time at least this many images,", metavar="N", least=1)
    min_seconds: float = option(
        10.0, "and for at least this many seconds.", metavar="SECONDS", least=0
    )
    timeout_s: float = option(
        3600.0,
        "Give a model up after this long.",
        metavar="SECONDS",
        flags=("--timeout",),
        least=1,
    )
    runtime: str = option("tensorflow", RUNTIME)
    precision: Precision = option("float32", PRECISION)
    device: str = option("auto", DEVICE)
    results: str | PathLike[str] | None = option("results", RESULTS)

    def __post_init__(self) -> None:
        if min(self.image_size) < 1:
            raise UsageError(
                f"image size {self.image_size}: expected height and width from 1 pixel"
            )
        if self.images is not None and not at_home(self.images).is_dir():
            raise UsageError(
                f"{fspath(self.images)} is no folder; --images takes a folder of images"
            )
        least = {one.name: about.least or 0 for one, about in options_of(self)}
        if self.min_images < least["min_images"] or self.min_seconds < least["min_seconds"]:
            raise UsageError(
                f"a measurement takes at least {least['min_images']} image and no negative time"
            )
