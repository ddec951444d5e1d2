"""The settings of a gallery: all that `tfzoo.make_gallery` and `tfzoo gallery` can be told."""

import os
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from os import PathLike
from pathlib import Path

from tfzoo.options import check_least, option, told
from tfzoo.settings import at_home


@dataclass(frozen=True)
class GallerySettings:
    """Of which run, and how large its pictures are in the overview.

    Raises:
        UsageError: A value makes no sense.
    """

    run: str | PathLike[str] = field(
        metadata=told("The folder that tfzoo detect wrote.", metavar="RUN", text=Path)
    )
    _: KW_ONLY
    size: int = option(
        320,
        "Longest side of the small pictures, in pixels. Where a source is gone, or the browser "
        "can't show it, the small picture is all there is.",
        metavar="PIXELS",
        least=32,
    )
    on_progress: Callable[[int, int | None], None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_least(self)

    @property
    def folder(self) -> Path:
        """The run's folder, from the root."""
        return Path(os.path.abspath(at_home(self.run)))  # noqa: PTH100 - links stay links
