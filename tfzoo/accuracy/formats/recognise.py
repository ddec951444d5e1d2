"""Which format annotations are in, by what was named: a file, a folder, or a pattern of files."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from tfzoo.accuracy.formats.beside import SPLITS
from tfzoo.accuracy.formats.open_images import (
    find_open_images,
    open_images_images,
    read_open_images,
)
from tfzoo.accuracy.formats.tfrecord_files import is_record_name
from tfzoo.accuracy.formats.tfrecords import read_tfrecords
from tfzoo.accuracy.formats.voc import find_voc, read_voc, voc_images
from tfzoo.accuracy.formats.yolo import find_yolo, read_yolo, yolo_images
from tfzoo.accuracy.truth import GroundTruth


@dataclass(frozen=True)
class Recognised:
    """Annotations in another format than COCO's.

    Attributes:
        images: Folder of the images, where they lie beside; None where that is not known, or they
            are inside.
        read: Reads them, with the images in a folder, where there is one.
        inside: Whether the images lie inside of the annotations.
    """

    images: Path | None
    read: Callable[[Path | None], GroundTruth]
    inside: bool = False


def recognised(path: Path) -> Recognised | None:
    """The format of annotations; None where they are of none of these.

    Args:
        path: A data file of YOLO's, XML files of Pascal VOC's, a table of Open Images', TFRecords,
            or a folder that holds one of them.

    Raises:
        UsageError: It is a data file that is not as expected.
    """
    if (found := find_yolo(path)) is not None:
        return Recognised(yolo_images(found), partial(read_yolo, found))
    if (found := find_voc(path)) is not None:
        return Recognised(voc_images(found), partial(read_voc, path))
    if (found := find_open_images(path)) is not None:
        return Recognised(open_images_images(found), partial(read_open_images, found))
    if (found := _find_records(path)) is not None:
        named = found
        return Recognised(None, lambda images: read_tfrecords(named), inside=True)
    return None


def _has_shards(path: Path) -> bool:
    """Whether a pattern, or what shards have in common, means files of TFRecords."""
    if path.exists():
        return False
    found = glob.iglob(f"{glob.escape(os.fspath(path))}-*-of-*")  # noqa: PTH207 - whole paths
    meant = glob.iglob(os.fspath(path))  # noqa: PTH207
    return any(is_record_name(Path(one).name) for one in chain(found, meant))


def _find_records(path: Path) -> Path | None:
    """The TFRecords that a path means: itself, or of a folder those for evaluating."""
    if not path.is_dir():
        return path if is_record_name(path.name) or _has_shards(path) else None
    names = sorted(one.name for one in path.iterdir() if is_record_name(one.name))
    for split in SPLITS:
        chosen = [name for name in names if split in name]
        if chosen:
            names = chosen
            break
    stems = {name.partition("-0")[0] for name in names}
    return path / stems.pop() if len(stems) == 1 else None
