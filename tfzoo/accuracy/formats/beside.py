"""Images that lie beside annotations, found by their names without endings."""

from __future__ import annotations

import os
from pathlib import Path

from tfzoo.errors import UsageError
from tfzoo.images.formats import ends_as_image

#: What people call the part of a set that is for evaluating, the likeliest first.
SPLITS = ("val2017", "val", "valid", "validation", "test")


def images_below(folder: Path) -> dict[str, str]:
    """The images below a folder: names relative to it, by those names without their endings.

    Raises:
        UsageError: It is no folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder of images; name theirs with --images FOLDER")
    found = {}
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            if ends_as_image(path.suffix.lower()) and not name.startswith("._"):
                relative = path.relative_to(folder)
                found[relative.with_suffix("").as_posix()] = relative.as_posix()
    return found


def has_images(folder: Path) -> bool:
    """Whether images lie in a folder itself."""
    return folder.is_dir() and any(ends_as_image(one.suffix.lower()) for one in folder.iterdir())
