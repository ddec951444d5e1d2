"""TFRecord files: which ones a name means, and their records, all of them or one alone.

A record is its length (8 bytes), a checksum of that (4), its data, and a checksum of these (4)
(https://www.tensorflow.org/tutorials/load_data/tfrecord). TensorFlow reads them and compares the
checksums; the lengths are walked beforehand, since it would ask for as much memory as they say.
"""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfzoo.errors import AnnotationError

_HEAD, _TAIL = 12, 4
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})")
_ENDINGS = (".tfrecord", ".tfrecords", ".record", ".tfrec")


def is_record_name(name: str) -> bool:
    """Whether files of TFRecords are called so, alone or as shards."""
    name = re.sub(r"-[\d?*]+-of-[\d?*]+$", "-00000-of-00001", name)
    return bool(_SHARD.fullmatch(name)) or any(
        Path(part).suffix.lower() in _ENDINGS for part in (name, re.sub(r"-\d+-of-\d+$", "", name))
    )


def record_files(path: Path) -> list[Path]:
    """The files that a path means: itself, those of a pattern, or all shards of a name.

    Raises:
        AnnotationError: There is none, or not every shard of a name.
    """
    if path.is_file():
        return [path]
    found = [Path(one) for one in sorted(glob.glob(os.fspath(path)))]  # noqa: PTH207 - whole paths
    if found:
        return found
    shards: dict[int, list[Path]] = {}
    for one in path.parent.glob(f"{glob.escape(path.name)}-*-of-*"):
        if (match := _SHARD.fullmatch(one.name)) and match[1] == path.name:
            shards.setdefault(int(match[3]), []).append(one)
    if len(shards) > 1:
        counts = " and ".join(map(str, sorted(shards)))
        raise AnnotationError(f"{path} has shards of {counts}; name those that are meant: {path}-*")
    for count, files in shards.items():
        if len(files) < count:
            raise AnnotationError(
                f"{path}: {len(files)} of its {count} shards are there; expected "
                f"{path.name}-00000-of-{count:05} and so on"
            )
        return sorted(files)
    raise AnnotationError(f"annotations {path} can't be read: no such file, nor shards of it")


@dataclass(frozen=True)
class Place:
    """Where a record's data lies.

    Attributes:
        path: The file.
        offset: Of its first byte.
        length: How many there are.
    """

    path: Path
    offset: int
    length: int

    def data(self) -> bytes:
        """The data, read anew."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


def records(path: Path) -> Iterator[tuple[Place, bytes]]:
    """The records of a file, with where each lies.

    Raises:
        AnnotationError: The file is damaged, or none of TFRecords.
    """
    places = list(_places(path))
    import tensorflow as tf

    try:
        # Unlike tf.data this starts no devices, which the model's runtime is to set up.
        with _quiet():
            data = tf.compat.v1.io.tf_record_iterator(os.fspath(path))
        yield from zip(places, data, strict=True)
    except (tf.errors.OpError, ValueError) as error:
        raise AnnotationError(
            f"{path} is damaged: {getattr(error, 'message', error)}. Fetch or write it anew"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without TensorFlow's advice to use tf.data."""
    log = logging.getLogger("tensorflow")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _places(path: Path) -> Iterator[Place]:
    """Where the records of a file lie, by their lengths alone."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            offset = 0
            while offset < end:
                file.seek(offset)
                head = file.read(8)
                if offset == 0 and head.startswith(b"\x1f\x8b"):
                    raise AnnotationError(
                        f"{path} is compressed; images are read from anywhere in it: gunzip it"
                    )
                length = int.from_bytes(head, "little")
                after = offset + _HEAD + length + _TAIL
                if len(head) < 8 or after > end:
                    raise AnnotationError(
                        f"{path} is cut short, or holds no TFRecords: at byte {offset} it says "
                        f"that {length} bytes follow, and has "
                        f"{max(0, end - offset - _HEAD - _TAIL)}"
                    )
                yield Place(path, offset + _HEAD, length)
                offset = after
    except OSError as error:
        raise AnnotationError(f"annotations {path} can't be read: {error.strerror}") from None
