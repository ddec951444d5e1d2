"""Which images there are: files, folders, globs, lists and addresses, walked one at a time."""

from __future__ import annotations

import glob
import heapq
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import quote, urlsplit

from tfzoo.errors import UsageError
from tfzoo.images.addresses import file_system, is_address

#: Files that count as images when a folder is walked; a file named outright is always tried.
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)

#: Files read as a video, frame by frame, where they are named outright.
VIDEO_EXTENSIONS = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"})


@dataclass(frozen=True)
class ImageFile:
    """An image (or video) to detect: where it lies and the name its results go by.

    Attributes:
        path: Path of the file, or its address.
        name: Path relative to the folder it was found in where there is one source, else the
            path as given; unique within a run unless a file is given twice.
    """

    path: str
    name: str

    @property
    def is_video(self) -> bool:
        """Whether its name says that it is a video."""
        path = urlsplit(self.path).path if is_address(self.path) else self.path
        return os.path.splitext(path)[1].lower() in VIDEO_EXTENSIONS  # noqa: PTH122 - often


def find_images(
    sources: Iterable[str | os.PathLike[str]], recursive: bool = False
) -> Iterator[ImageFile]:
    """Walks files, folders, globs, lists and addresses: one image at a time, with bounded memory.

    A folder gives its images in order of their names; a text file (`.txt`) the path or address
    on each of its lines, relative to the folder it lies in. Videos count only where they are
    named. Links to folders are not followed: they may lead back up.

    Args:
        sources: Files, folders, glob patterns, text files of paths, or addresses (`https://`, or
            a file or folder at `s3://`, `gs://` and what else pyarrow reads).
        recursive: Whether folders are searched to any depth.

    Raises:
        UsageError: A source does not exist, or no image was found at all.
    """
    given = [os.fspath(source) for source in sources]
    found = False
    for source in given:
        for image in _find(source, recursive, len(given) == 1):
            found = True
            yield image
    if not found:
        listed = ", ".join(given) or "no source"
        hint = "" if recursive else "; look into subfolders with --recursive"
        raise UsageError(
            f"no image found in {listed}: expected files ending in "
            f"{' '.join(sorted(EXTENSIONS))}{hint}"
        )


def _find(source: str, recursive: bool, single: bool) -> Iterator[ImageFile]:
    if is_address(source):
        yield from _find_remote(source, recursive, single)
        return
    path = Path(source)
    if path.is_dir():
        for file in _walk(source, recursive):
            name = os.path.relpath(file, source) if single else file
            yield ImageFile(file, Path(name).as_posix())
    elif path.suffix.lower() == ".txt" and path.is_file():
        yield from _listed(path)
    elif path.exists() or path.is_symlink():
        yield ImageFile(source, path.name if single else path.as_posix())
    elif glob.has_magic(source):
        matches = ((match, False) for match in glob.iglob(source, recursive=True))  # noqa: PTH207
        for match, _ in _sorted(matches):
            if not Path(match).is_dir():
                yield ImageFile(match, Path(match).as_posix())
    else:
        raise UsageError(
            f"source {source} does not exist; expected a file, a folder, a glob, a text file of "
            "paths, or an address"
        )


def _walk(folder: str, recursive: bool, root: bool = True) -> Iterator[str]:
    try:
        scan = os.scandir(folder)
    except OSError as error:
        if root:
            raise UsageError(f"folder {folder} can't be read: {error.strerror}") from None
        yield folder  # Reading it will fail, and be told of like any image that can't be read.
        return
    with scan:
        entries = ((entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan)
        ordered = _sorted(entries)
        for name, is_folder in ordered:
            path = os.path.join(folder, name)  # noqa: PTH118 - a million times
            if is_folder:
                if recursive:
                    yield from _walk(path, recursive, root=False)
            elif os.path.splitext(name)[1].lower() in EXTENSIONS:  # noqa: PTH122
                yield path


def _sorted(entries: Iterator[tuple[str, bool]], held: int = 100_000) -> Iterator[tuple[str, bool]]:
    """Sorts any number of entries while holding `held` in memory: the rest waits in files."""
    first = sorted(islice(entries, held))
    following = next(entries, None)
    if following is None:
        yield from first
        return
    entries = chain([following], entries)
    with ExitStack() as files:
        runs = []
        run = first
        while run:
            file = files.enter_context(TemporaryFile("w+", encoding="ascii"))
            file.writelines(json.dumps(entry) + "\n" for entry in run)
            file.seek(0)
            runs.append(map(json.loads, file))
            run = sorted(islice(entries, held))
        yield from heapq.merge(*runs)


def _listed(path: Path) -> Iterator[ImageFile]:
    # Not UTF-8 in a name on a line stays what it is.
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        for line in lines:
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if is_address(text):
                yield ImageFile(text, text)
            else:
                yield ImageFile(os.fspath(path.parent / text), Path(text).as_posix())


def _find_remote(source: str, recursive: bool, single: bool) -> Iterator[ImageFile]:
    parts = urlsplit(source)
    if parts.scheme.lower() in ("http", "https"):
        yield ImageFile(source, source)
        return
    from pyarrow.fs import FileSelector, FileType

    try:
        system, root = file_system(source)
        kind = system.get_file_info(root).type
        if kind == FileType.File:
            yield ImageFile(source, source)
            return
        if kind == FileType.NotFound:
            raise UsageError(f"nothing lies at {source}; expected a file or a folder")
        entries = system.get_file_info(FileSelector(root, recursive=recursive))
    except (OSError, ValueError) as error:
        raise UsageError(f"{source} can't be read: {error}") from None
    query = f"?{parts.query}" if parts.query else ""
    for entry in sorted(entries, key=lambda entry: entry.path):
        if entry.type == FileType.File and f".{entry.extension.lower()}" in EXTENSIONS:
            address = f"{parts.scheme}://{quote(entry.path)}{query}"
            below = entry.path.removeprefix(root.rstrip("/") + "/")
            yield ImageFile(address, below if single else address)
