"""Open Images: a table of boxes (https://storage.googleapis.com/openimages/web/download_v7.html).

`IsGroupOf`, a box around more than five objects that hide one another, becomes COCO's `iscrowd`:
what is found inside of it is not wrong. Labels are names of Freebase (`/m/01g317`), which the table
of class descriptions beside the boxes makes words of. COCO's metrics take what is not annotated for
not there, where Open Images' own leave out classes that nobody looked for in an image.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tfzoo.accuracy.fields import Record
from tfzoo.accuracy.formats.beside import SPLITS, has_images, images_below
from tfzoo.accuracy.formats.gathered import Gathered
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.errors import AnnotationError, UsageError
from tfzoo.images.reading import size_of

_CORNERS = ("XMin", "YMin", "XMax", "YMax")
_COLUMNS = ("ImageID", "LabelName", *_CORNERS)
_EXPECTED = (
    "Expected Open Images' boxes: a table with the columns ImageID, LabelName, XMin, XMax, YMin, "
    "YMax in shares of the image, 0 to 1 (and IsGroupOf), such as "
    "validation-annotations-bbox.csv, with class-descriptions.csv beside it"
)


def find_open_images(path: Path) -> Path | None:
    """The table of boxes that a path means, or None."""
    if path.is_file():
        return path if path.suffix.lower() == ".csv" else None
    tables = [
        table
        for folder in (path, path / "annotations", path / "labels")
        for table in (*sorted(folder.glob("*annotations-bbox*.csv")), folder / "detections.csv")
        if table.is_file()
    ]
    for split in SPLITS:
        for table in tables:
            if split in table.name:
                return table
    return tables[0] if tables else None


def open_images_images(path: Path) -> Path | None:
    """The folder of the images that a table is of, or None."""
    split = path.name.partition("-annotations")[0]
    for folder in (path.parent, path.parent.parent):
        for name in (split, f"images/{split}", "images", "data"):
            if name and has_images(folder / name):
                return folder / name
    return path.parent if has_images(path.parent) else None


def read_open_images(path: Path, images: Path | None) -> GroundTruth:
    """Reads a table of boxes; the images are those that it has boxes of.

    Args:
        path: The table.
        images: The folder of the images, by whose sizes boxes are brought to pixels.

    Raises:
        UsageError: The table, or one of names beside it, is not as expected; or images are missing.
    """
    if images is None:
        raise UsageError(
            f"{path}: its boxes are shares of the images, and no images lie beside it; name their "
            "folder with --images FOLDER"
        )
    names = _names(path)
    by_key = {Path(key).name: name for key, name in images_below(images).items()}
    gathered = Gathered(path)
    sizes: dict[str, tuple[int, int]] = {}
    missing: dict[str, None] = {}
    for where, row in _rows(path):
        key = row["ImageID"]
        if key not in by_key:
            missing[key] = None
            continue
        if key not in sizes:
            width, height = sizes[key] = size_of(images / by_key[key])
            gathered.image(key, by_key[key], width=width, height=height, where=where)
        label = names.get(row["LabelName"], row["LabelName"])
        box = gathered.box(where, row, _CORNERS, sizes[key])
        category = gathered.category(label, where, "LabelName")
        group = row.get("IsGroupOf", "0").strip()
        if group not in ("0", "1", "-1"):
            rule = "have an IsGroupOf that is neither 0 nor 1 (nor -1, for not known)"
            gathered.problems.add("objects", rule, where, "IsGroupOf", row)
        elif box is not None and category is not None:
            gathered.object(key, category, box, ignored=group == "1")
    if missing:
        raise UsageError(
            f"{len(missing)} of {len(missing) + len(sizes)} annotated images are missing, such as "
            f"{next(iter(missing))[:80]}. Expected all in {images}, named by their ImageID: "
            "leaving some out would change the score without a word"
        )
    return gathered.truth(_EXPECTED)


def _rows(path: Path) -> Iterator[tuple[str, Record]]:
    """The rows of a table of boxes, and which they are."""
    with _opened(path) as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise AnnotationError(f"{path} has no column {', '.join(missing)}. {_EXPECTED}")
        for row in reader:
            if None in row or None in row.values():
                raise AnnotationError(
                    f"{path}, line {reader.line_num}: it has another number of cells than the "
                    f"header. {_EXPECTED}"
                )
            yield f"line {reader.line_num}", row


def _names(path: Path) -> dict[str, str]:
    """Words for labels, from the table of class descriptions beside one of boxes."""
    for folder in (path.parent, path.parent.parent / "metadata", path.parent.parent):
        for table in (*sorted(folder.glob("*class-descriptions*.csv")), folder / "classes.csv"):
            if table.is_file():
                with _opened(table) as file:
                    return {row[0]: row[1] for row in csv.reader(file) if len(row) == 2}
    return {}


@contextmanager
def _opened(path: Path) -> Iterator[IO[Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{path} is no text in UTF-8: {error.reason}. {_EXPECTED}") from None
    except csv.Error as error:
        raise AnnotationError(f"{path} is no CSV: {error}. {_EXPECTED}") from None
    except OSError as error:
        raise AnnotationError(f"annotations {path} can't be read: {error.strerror}") from None
