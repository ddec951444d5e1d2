"""Which images there are: files, folders, globs, lists and addresses, walked one at a time."""

from __future__ import annotations

import codecs
import glob
import heapq
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import quote, urlsplit

from tfzoo import settings
from tfzoo.errors import UsageError
from tfzoo.images.addresses import file_system, is_address
from tfzoo.images.formats import HEIF_ENDINGS, HEIF_HINT, ends_as_image
from tfzoo.images.reading import opens_as_image
from tfzoo.outside import keyed
from tfzoo.threads import within

#: Files read as a video, frame by frame, where they are named outright; so is a file of any other
#: ending that is no image and that OpenCV opens.
VIDEO_EXTENSIONS = frozenset(
    {
        ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".3gp", ".3g2", ".ts",
        ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".ogv", ".vob", ".mxf", ".mjpg", ".mjpeg",
    }
)  # fmt: skip

#: Says of a folder whether it holds results, which are no images to detect.
HoldsResults = Callable[[str], bool]

#: What archives from a Mac hold beside the files themselves.
_MAC_FOLDER, _MAC_FILE = "__MACOSX", "._"


@dataclass(frozen=True)
class ImageFile:
    """An image (or video) to detect: where it lies and the name its results go by.

    Attributes:
        path: Path of the file, or its address.
        name: Path relative to the folder it was found in where there is one source, else the
            path as given, or the address without what it hides (see `keyed`); unique within a run
            unless a file is given twice.
    """

    path: str
    name: str

    @property
    def is_video(self) -> bool:
        """Whether it is a video: by its name, or else as what it opens."""
        if (named := self.is_video_by_name) is not None:
            return named
        return not opens_as_image(self.path) and _opens_as_video(self.path)

    @property
    def is_video_by_name(self) -> bool | None:
        """Whether it is a video as far as its name says, or None where that does not."""
        remote = is_address(self.path)
        ending = _ending(re.split("[?#]", self.path)[0] if remote else self.path)
        if ending in VIDEO_EXTENSIONS:
            return True
        return False if remote or ending in HEIF_ENDINGS or ends_as_image(ending) else None


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a million times


def _opens_as_video(path: str) -> bool:
    from tfzoo.images.video import opens_as_video

    return opens_as_video(path)


def find_images(
    sources: Iterable[str | os.PathLike[str]],
    recursive: bool = False,
    left_out: Counter[str] | None = None,
    holds_results: HoldsResults = lambda folder: False,
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
        holds_results: Says of a folder below a source (or where a glob looks) whether it is passed
            over; a folder that is named as a source never is.

    Raises:
        UsageError: A source does not exist, or no image was found at all.
    """
    given = [_at_home(os.fspath(source)) for source in sources]
    found = False
    left_out = Counter() if left_out is None else left_out
    for source in given:
        for image in _find(source, recursive, len(given) == 1, left_out, holds_results):
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


def hidden_addresses(
    sources: Iterable[str | os.PathLike[str]], recursive: bool = False
) -> Iterator[str]:
    """The whole addresses among sources of which records hold a part alone (see `keyed`).

    Args:
        sources: As `find_images` takes them; files and folders of this machine are passed over.
        recursive: As there.
    """
    for source in (_at_home(os.fspath(source)) for source in sources):
        images: Iterator[ImageFile] = iter(())
        if is_address(source) and keyed(source) != source:
            images = _find_remote(source, recursive, True, Counter(), lambda folder: False)
        elif source.lower().endswith(".txt") and Path(source).is_file():
            images = _listed(Path(source))
        yield from (image.path for image in images if keyed(image.path) != image.path)


def folders_of(sources: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """The folders that the images of sources lie in, or below: paths and addresses."""
    for source in (_at_home(os.fspath(source)) for source in sources):
        path = Path(source)
        if not is_address(source) and path.is_dir():
            yield source
        elif path.suffix.lower() == ".txt" and path.is_file():
            yield from (_parent(image.path) for image in _listed(path))
        elif not is_address(source) and glob.has_magic(source) and not path.exists():
            yield _root_of(source) or "."
        else:
            yield _parent(source)


def _parent(source: str) -> str:
    """The folder of an image; of an address that names no image, and can be listed, itself."""
    if not is_address(source):
        return os.path.dirname(source) or "."  # noqa: PTH120 - links stay links
    place = re.split("[?#]", source)[0]
    listed = source.partition(":")[0].lower() not in ("http", "https")
    return place if listed and not ends_as_image(_ending(place)) else place.rpartition("/")[0]


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
    if not path.startswith("~") or os.path.exists(path):  # noqa: PTH110 - see `_listed`
        return path
    return os.path.expanduser(path)  # noqa: PTH111 - Path's raises where there is no such user


def _find(
    source: str,
    recursive: bool,
    single: bool,
    left_out: Counter[str],
    holds_results: HoldsResults,
) -> Iterator[ImageFile]:
    if is_address(source):
        yield from _find_remote(source, recursive, single, left_out, holds_results)
        return
    path = Path(source)
    if path.is_dir():
        for file in _walk(source, recursive, left_out, holds_results):
            name = os.path.relpath(file, source) if single else file
            yield ImageFile(file, Path(name).as_posix())
    elif path.suffix.lower() == ".txt" and path.is_file():
        yield from _listed(path)
    elif path.exists() or path.is_symlink():
        yield ImageFile(source, path.name if single else path.as_posix())
    elif glob.has_magic(source):
        matches = ((match, False) for match in _matches(source))
        among_results = _among_results(_root_of(source), holds_results)
        for match, _ in _sorted(matches):
            if not Path(match).is_dir() and not among_results(match):
                yield ImageFile(match, Path(match).as_posix())
    else:
        raise UsageError(
            f"source {source} does not exist; expected a file, a folder, a glob, a text file of "
            "paths, or an address"
        )


def _among_results(root: str, holds_results: HoldsResults) -> Callable[[str], bool]:
    """Says of a path below a folder whether it lies in one that holds results."""

    @lru_cache(maxsize=1024)
    def in_results(folder: str) -> bool:
        parent = os.path.dirname(folder)  # noqa: PTH120 - a million times
        if folder in (root, ".", parent):
            return False
        return holds_results(folder) or in_results(parent)

    return lambda path: in_results(os.path.dirname(path))  # noqa: PTH120 - a million times


def _root_of(pattern: str) -> str:
    """The folder that a glob names in full, below which it looks; empty for this one."""
    parts = Path(pattern).parts
    folders = (os.path.join(*parts[:count]) for count in range(len(parts) - 1, 0, -1))  # noqa: PTH118
    return next((folder for folder in folders if Path(folder).is_dir()), "")


def _matches(pattern: str) -> Iterator[str]:
    """What a glob finds; brackets in the name of a folder or file that is there are no pattern."""
    if root := _root_of(pattern):
        rest = Path(pattern).parts[len(Path(root).parts) :]
        pattern = os.path.join(glob.escape(root), *rest)  # noqa: PTH118 - a pattern, not a path
    # Behind a wildcard they can't be looked up, and mean themselves where that finds anything.
    literal = pattern.replace("[[]", "[").replace("[", "[[]")
    for meant in dict.fromkeys((literal, pattern)):
        found = glob.iglob(meant, recursive=True)  # noqa: PTH207 - hidden ones stay hidden
        first = next(found, None)
        if first is not None:
            yield from chain([first], found)
            return


def _walk(
    folder: str, recursive: bool, left_out: Counter[str], holds_results: HoldsResults
) -> Iterator[str]:
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise UsageError(f"folder {folder} can't be read: {error.strerror}") from None
    # Where the walk stands in each folder down to the one it is in; Python's own stack would not
    # hold a thousand.
    levels = [_entries(folder)]
    while levels:
        if (entry := next(levels[-1], None)) is None:
            levels.pop()
            continue
        path, name, is_folder = entry
        if is_folder:
            if recursive and name != _MAC_FOLDER and not holds_results(path):
                levels.append(_entries(path))
        elif not name:
            yield path
        elif name.startswith(_MAC_FILE):
            continue
        elif ends_as_image(ending := _ending(name)):
            yield path
        elif not name.startswith("."):
            left_out[ending] += 1


def _entries(folder: str) -> Iterator[tuple[str, str, bool]]:
    """What lies in a folder, sorted: path, name, whether it is a folder.

    Of one that can't be read it is the folder itself, without a name: reading it will fail, and be
    told of like any image that can't be read.
    """
    try:
        scan = os.scandir(folder)
    except OSError:
        yield folder, "", False
        return
    with scan:
        entries = ((entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan)
        for name, is_folder in _sorted(entries):
            yield os.path.join(folder, name), name, is_folder  # noqa: PTH118 - a million times


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
                yield ImageFile(text, keyed(text))
                continue
            text = _at_home(text)
            # Path's own raises where a name is too long to be one.
            if "\\" in text and not os.path.exists(path.parent / text):  # noqa: PTH110
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
    source: str,
    recursive: bool,
    single: bool,
    left_out: Counter[str],
    holds_results: HoldsResults,
) -> Iterator[ImageFile]:
    if source.partition(":")[0].lower() in ("http", "https"):
        yield ImageFile(source, keyed(source))
        return
    from pyarrow.fs import FileSelector, FileType

    limit_s = settings.image_time_s()
    try:
        parts = urlsplit(source)
        system, root = within(limit_s, file_system, source)
        kind = within(limit_s, system.get_file_info, root).type
        if kind == FileType.File:
            yield ImageFile(source, keyed(source))
            return
        if kind == FileType.NotFound:
            raise UsageError(f"nothing lies at {source}; expected a file or a folder")
        # A long listing takes its time; a signal ends the waiting.
        entries = within(None, system.get_file_info, FileSelector(root, recursive=recursive))
    except TimeoutError:
        raise UsageError(f"{source} can't be read: no answer within {limit_s:g} s") from None
    except UsageError:
        raise
    except Exception as error:  # Each file system has its own.
        raise UsageError(f"{source} can't be read: {error}") from None
    query = f"?{parts.query}" if parts.query else ""
    # Results are written to this machine's disk alone.
    among_results = _among_results(root.rstrip("/"), holds_results)
    on_this_disk = parts.scheme.lower() == "file"
    for entry in sorted(entries, key=lambda entry: entry.path):
        below = entry.path.removeprefix(root.rstrip("/") + "/")
        name = entry.base_name
        mac = name.startswith(_MAC_FILE) or _MAC_FOLDER in below.split("/")
        if entry.type != FileType.File or mac or (on_this_disk and among_results(entry.path)):
            continue
        if ends_as_image(ending := _ending(name)):
            address = f"{parts.scheme}://{quote(entry.path)}{query}"
            yield ImageFile(address, below if single else keyed(address))
        elif not name.startswith("."):
            left_out[ending] += 1
