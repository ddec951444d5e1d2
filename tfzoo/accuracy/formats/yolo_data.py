"""A YOLO data file (`data.yaml`): which images are for evaluating, and where their labels lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfzoo.accuracy.formats.beside import images_below
from tfzoo.errors import AnnotationError
from tfzoo.yaml_text import read_yaml

EXPECTED = (
    "Expected a data.yaml with names and val (a folder of images, a list of such, or a text file "
    "of images, below path), and labels/NAME.txt for images/NAME.jpg with lines of: class x y "
    "width height, in shares of the image, 0 to 1"
)


@dataclass(frozen=True)
class YoloData:
    """What a data file says. Its `download`, which may be a program, is never followed.

    Attributes:
        path: The data file.
        root: The folder that all its paths are of.
        val: Folders of images, or text files that list images, below the root.
        extra: Numbers that a line of labels has beside its box: those of a pose's keypoints.
    """

    path: Path
    root: Path
    val: tuple[str, ...]
    extra: int

    def labels(self, images: Path | None) -> Iterator[tuple[str, Path]]:
        """Names of the images, below the folder that they are looked for in, and label files.

        Args:
            images: That folder, where it is not the one that the data file says.

        Raises:
            AnnotationError: What the data file names is not there, or lies outside of its root.
        """
        for value in self.val:
            place = _meant(self.root, value) or self.root / value
            if images is None:
                self._check_inside(place, value)
            if place.is_file() and place.suffix.lower() == ".txt":
                for entry in _text(place).split("\n"):
                    if entry.strip():
                        yield self._listed(place, entry.strip(), images is None)
            elif images is not None:
                for name in images_below(images).values():
                    yield name, labels_of(place / name)
            elif place.is_dir():
                for name in images_below(place).values():
                    path = place / name
                    yield Path(os.path.relpath(path, self.root)).as_posix(), labels_of(path)
            else:
                raise wrong(self.path, f"val is {value[:80]}, but {place} is no folder of images")

    def _listed(self, listing: Path, entry: str, inside: bool) -> tuple[str, Path]:
        """An image that a text file names, from where that lies or from the root."""
        _check_local(self.path, listing.name, entry)
        near, far = listing.parent / entry, self.root / entry
        path = far if is_there(far) and not is_there(near) else near
        if inside:
            self._check_inside(path, entry)
        return Path(os.path.relpath(path, self.root)).as_posix(), labels_of(Path(path))

    def _check_inside(self, place: Path, value: str) -> None:
        # By its name: a link that its owner put there may lead anywhere.
        if ".." in Path(os.path.relpath(place, self.root)).parts:
            raise wrong(
                self.path,
                f"{value[:80]} lies outside of {self.root.absolute()}; write the folder that holds "
                "all as path, or name the images with --images",
            )


def read_yolo_data(path: Path) -> YoloData:
    """Reads a data file.

    Raises:
        AnnotationError: It is none, or names what lies on no disk of this machine.
    """
    content = _mapping(path)
    given = content.get("val")
    val = tuple(_place(path, "val", one) for one in (given if isinstance(given, list) else [given]))
    if not val:
        raise wrong(path, "val is empty")
    here = path.parent
    places = [here]
    if "path" in content:
        # A set is moved, and its file goes on naming where it was.
        places = [here / _place(path, "path", content["path"]), here]
    root = next((one for one in places if any(_meant(one, value) for value in val)), places[0])
    return YoloData(path, root, val, _extra(content.get("kpt_shape")))


def wrong(path: Path, what: str) -> AnnotationError:
    """The error of a data file."""
    return AnnotationError(f"{path}: {what}. {EXPECTED}")


def labels_of(image: Path) -> Path:
    """`labels` in place of the last `images` among the folders, `.txt` in place of the ending."""
    parts = list(image.parts)
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] == "images":
            parts[at] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def is_there(path: Path) -> bool:
    """Whether a path, of whatever letters and length, is that of something."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _mapping(path: Path) -> dict[str, Any]:
    try:
        content = read_yaml(_text(path), as_texts=True)
    except ValueError as error:
        raise wrong(path, f"it is no YAML: {error}") from None
    if not isinstance(content, dict) or not {"names", "val"} <= content.keys():
        raise wrong(path, "it has no names, or no val")
    return content


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise AnnotationError(f"annotations {path} can't be read: {error.strerror}") from None


def _place(path: Path, field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong(path, f"{field} is {str(value)[:60]!r}; expected a path")
    _check_local(path, field, value)
    return value.strip()


def _check_local(path: Path, field: str, value: str) -> None:
    if "://" in value:
        raise wrong(
            path,
            f"{field} names an address ({value[:80]}); images and labels are read from this "
            "machine's disk alone: fetch them first, and write the folder in its place",
        )
    if not value.isprintable() or len(value) > 4000:
        raise wrong(path, f"{field} has {ascii(value)[:80]}, which is no path")


def _meant(root: Path, value: str) -> Path | None:
    """What a value of a data file means, if that is there.

    Roboflow writes `../valid/images` for what lies beside the file, and all take it so.
    """
    meant = [root / value]
    if value.startswith("../"):
        meant.insert(0, root / value.removeprefix("../"))
    return next((path for path in meant if is_there(path)), None)


def _extra(shape: Any) -> int:
    """How many numbers keypoints take, by `kpt_shape`: how many there are, and of how many each."""
    if not isinstance(shape, list) or len(shape) != 2:
        return 0
    counts = [
        int(one) for one in shape if isinstance(one, str) and one.isdecimal() and len(one) < 4
    ]
    return counts[0] * counts[1] if len(counts) == 2 else 0
