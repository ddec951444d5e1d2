"""Which images there are: files, folders, globs, lists and addresses, walked one at a time."""

from __future__ import annotations

import codecs
import glob
import heapq
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import quote, urlsplit

from tfzoo.errors import UsageError
from tfzoo.images.addresses import file_system, is_address
from tfzoo.images.formats import HEIF_ENDINGS, HEIF_HINT, ends_as_image
from tfzoo.images.reading import opens_as_image

#: Files read as a video, frame by frame, where they are named outright; so is a file of any other
#: ending that is no image and that OpenCV opens.
VIDEO_EXTENSIONS = frozenset(
    {
        ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".3gp", ".3g2", ".ts",
        ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".ogv", ".vob", ".mxf", ".mjpg", ".mjpeg",
    }
)  # fmt: skip

#: What archives from a Mac hold beside the files themselves.
_MAC_FOLDER, _MAC_FILE = "__MACOSX", "._"


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
        """Whether it is a video: by its name, or else as what it opens."""
        remote = is_address(self.path)
        ending = _ending(urlsplit(self.path).path if remote else self.path)
        if ending in VIDEO_EXTENSIONS:
            return True
        if remote or ending in HEIF_ENDINGS or ends_as_image(ending):
            return False
        return not opens_as_image(self.path) and _opens_as_video(self.path)


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a million times


def _opens_as_video(path: str) -> bool:
    from tfzoo.images.video import opens_as_video

    return opens_as_video(path)


def find_images(
    sources: Iterable[str | os.PathLike[str]],
    recursive: bool = False,
    left_out: Counter[str] | None = None,
) -> Iterator[ImageFile]:
    """Walks files, folders, globs, lists and addresses: one image at a time, with bounded memory.

    A folder gives its images in order of their names; a text file (`.txt`) the path or address
    on each of its lines, relative to the folder it lies in. Videos count only where they are
    named. What a Mac's archives add (`._*`, `__MACOSX`) is passed over. Links to folders are not
    followed: they may lead back up.

    Args:
        sources: Files, folders, glob patterns, text files of paths, or addresses (`https://`, or
            a file or folder at `s3://`, `gs://` and what else pyarrow reads).
        recursive: Whether folders are searched to any depth.
        left_out: Counts by its ending each file of a folder that is no image.

    Raises:
        UsageError: A source does not exist, or no image was found at all.
    """
    given = [_at_home(os.fspath(source)) for source in sources]
    found = False
    left_out = Counter() if left_out is None else left_out
    for source in given:
        for image in _find(source, recursive, len(given) == 1, left_out):
            found = True
            yield image
    if not found:
        listed = ", ".join(given) or "no source"
        hint = "" if recursive else "; look into subfolders with --recursive"
        others = f"; {left_out_text(left_out)}" if left_out else ""
        raise UsageError(
            f"no image found in {listed}: expected files ending in .jpg .jpeg .png .webp .tif, or "
            f"another ending that Pillow reads{hint}{others}"
        )


def left_out_text(left_out: Mapping[str, int]) -> str:
    """What was left out, and why: `12 files left out: 9 .heic (pip install ...), 3 .txt`.

    Args:
        left_out: How many files of each ending.
    """
    hints = dict.fromkeys(VIDEO_EXTENSIONS, " (videos are read where they are named)")
    hints |= dict.fromkeys(HEIF_ENDINGS, f" ({HEIF_HINT})")
    ordered = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    kinds = (f"{count} {end or 'without ending'}{hints.get(end, '')}" for end, count in ordered)
    total = sum(left_out.values())
    return f"{total} {'file' if total == 1 else 'files'} left out: {', '.join(kinds)}"


def _at_home(path: str) -> str:
    """A path with `~` for a home folder in full, where nothing is called so."""
    if not path.startswith("~") or Path(path).exists():
        return path
    return os.path.expanduser(path)  # noqa: PTH111 - Path's raises where there is no such user


def _find(
    source: str, recursive: bool, single: bool, left_out: Counter[str]
) -> Iterator[ImageFile]:
    if is_address(source):
        yield from _find_remote(source, recursive, single, left_out)
        return
    path = Path(source)
    if path.is_dir():
        for file in _walk(source, recursive, left_out):
            name = os.path.relpath(file, source) if single else file
            yield ImageFile(file, Path(name).as_posix())
    elif path.suffix.lower() == ".txt" and path.is_file():
        yield from _listed(path)
    elif path.exists() or path.is_symlink():
        yield ImageFile(source, path.name if single else path.as_posix())
    elif glob.has_magic(source):
        matches = ((match, False) for match in _matches(source))
        for match, _ in _sorted(matches):
            if not Path(match).is_dir():
                yield ImageFile(match, Path(match).as_posix())
    else:
        raise UsageError(
            f"source {source} does not exist; expected a file, a folder, a glob, a text file of "
            "paths, or an address"
        )


def _matches(pattern: str) -> Iterator[str]:
    """What a glob finds; brackets in the name of a folder or file that is there are no pattern."""
    parts = Path(pattern).parts
    for count in range(len(parts) - 1, 0, -1):
        folder = os.path.join(*parts[:count])  # noqa: PTH118 - a pattern, not a path
        if Path(folder).is_dir():
            pattern = os.path.join(glob.escape(folder), *parts[count:])  # noqa: PTH118
            break
    # Behind a wildcard they can't be looked up, and mean themselves where that finds anything.
    literal = pattern.replace("[[]", "[").replace("[", "[[]")
    for meant in dict.fromkeys((literal, pattern)):
        found = glob.iglob(meant, recursive=True)  # noqa: PTH207 - hidden ones stay hidden
        first = next(found, None)
        if first is not None:
            yield from chain([first], found)
            return


def _walk(folder: str, recursive: bool, left_out: Counter[str], root: bool = True) -> Iterator[str]:
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
                if recursive and name != _MAC_FOLDER:
                    yield from _walk(path, recursive, left_out, root=False)
            elif name.startswith(_MAC_FILE):
                continue
            elif ends_as_image(ending := _ending(name)):
                yield path
            elif not name.startswith("."):
                left_out[ending] += 1


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
    encoding = _encoding(path)
    errors = "surrogateescape" if encoding == "utf-8-sig" else "replace"
    with path.open(encoding=encoding, errors=errors) as lines:
        for line in lines:
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if text[0] in "\"'" and text[-1] == text[0] and len(text) > 2:
                text = text[1:-1]
            if is_address(text):
                yield ImageFile(text, text)
                continue
            text = _at_home(text)
            if "\\" in text and not (path.parent / text).exists():
                text = text.replace("\\", "/")  # Written on Windows.
            yield ImageFile(os.fspath(path.parent / text), Path(text).as_posix())


def _encoding(path: Path) -> str:
    """How a text file is written: by its mark, or by the zeros that UTF-16 is full of."""
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" not in start:
        return "utf-8-sig"
    return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"


def _find_remote(
    source: str, recursive: bool, single: bool, left_out: Counter[str]
) -> Iterator[ImageFile]:
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
        below = entry.path.removeprefix(root.rstrip("/") + "/")
        name = entry.base_name
        mac = name.startswith(_MAC_FILE) or _MAC_FOLDER in below.split("/")
        if entry.type != FileType.File or mac:
            continue
        if ends_as_image(ending := _ending(name)):
            address = f"{parts.scheme}://{quote(entry.path)}{query}"
            yield ImageFile(address, below if single else address)
        elif not name.startswith("."):
            left_out[ending] += 1
