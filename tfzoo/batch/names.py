"""The names of a run's files: an image's own name, below the folder that all sources share.

They are found once, when a run lists its inputs, and kept in that list. What would collide is told
apart by a short digest: also what differs only by letters that one system or another takes for the
same, such as `X.jpg` and `x.jpg`.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tfzoo.images.addresses import absolute, is_address
from tfzoo.outside import STEERING, bare, printable

if TYPE_CHECKING:
    import sqlite3

#: Endings that annotated pictures keep; any other has `.jpg` after it.
PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
#: The same of videos.
VIDEO_ENDINGS = (".mp4",)

#: The longest name of a file and the longest path, in bytes, that a disk takes.
_LONGEST_NAME, _LONGEST_PATH = 255, 4095
#: What may stand in a path before and after an image's name: a format's folder, a category.
_RESERVED = 400

#: What no name has on one system or another.
_UNFIT = re.compile(f'{STEERING}|[\n\t<>:"|?*]')


@contextmanager
def naming(roots: tuple[str, str], out: Path) -> Iterator[Namer]:
    """What gives each image of a run the names of its files.

    Memory does not grow with the images: which names are taken is kept in a file of SQLite's.

    Args:
        roots: What all names are below, as `shared` finds it.
        out: The output folder, whose path is a part of theirs.
    """
    import sqlite3

    with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as taken:
        taken.execute("PRAGMA journal_mode = OFF")
        taken.execute("CREATE TABLE taken (name INTEGER PRIMARY KEY)")
        taken.execute("BEGIN")
        yield Namer(roots, out, taken)


class Namer:
    """Gives each image of a run the names of its files; see `naming`."""

    def __init__(self, roots: tuple[str, str], out: Path, taken: sqlite3.Connection) -> None:
        self._roots = roots
        self._most = _LONGEST_PATH - _RESERVED - len(os.fsencode(out))
        self._taken = taken

    def of(self, path: str, is_video: bool = False) -> tuple[str, str]:
        r"""The names that an image's files go by.

        Args:
            path: Of the image, from the root, or its address.
            is_video: Whether it is a video.

        Returns:
            The annotated picture's below its folder, such as `a/x.jpg`, and what those of other
            files begin with, such as `a/x`; bytes that are no text are written out (`\xff`).
        """
        own = self._fitting(below(path, self._roots), path)
        endings = VIDEO_ENDINGS if is_video else PICTURE_ENDINGS
        for name in chain([own], _marked(own, path)):
            if self._take("picture", picture := with_its_ending(name, endings)):
                break
        # A video's frames have a folder, which is called as no other folder beside it can be.
        stems = [name] if is_video else [os.path.splitext(name)[0], name]  # noqa: PTH122
        for stem in chain(stems, _marked(stems[0], path)):
            if self._take("stem", stem):
                break
        return picture, stem

    def _fitting(self, name: str, path: str) -> str:
        """A name that every disk takes; with a digest where it is not the image's own then."""
        parts = [part for part in name.split("/") if part not in ("", ".")] or ["image"]
        fit = "/".join("__" if part == ".." else _UNFIT.sub("_", part) for part in parts)
        if fit != "/".join(parts):
            fit = next(_marked(fit, path))
        *folders, last = fit.split("/")
        # Of a picture, whose ending may be added; the others' names are cut as they are made.
        last = _cut(last, path, _LONGEST_NAME - len(PICTURE_ENDINGS[0]) * _adds_ending(last))
        fit = "/".join([*(_cut(part, part) for part in folders), last])
        if len(fit.encode()) > self._most:
            return f"{_digest('/'.join(folders))}/{last}"
        return fit

    def _take(self, kind: str, name: str) -> bool:
        """Whether nothing of this kind is called so yet, whatever the system."""
        key = hashlib.blake2b(f"{kind}/{_folded(name)}".encode(), digest_size=8).digest()
        number = int.from_bytes(key, signed=True)
        return self._taken.execute("INSERT OR IGNORE INTO taken VALUES (?)", [number]).rowcount == 1


def shared(folders: Iterable[str]) -> tuple[str, str]:
    """The folder that all folders lie in: of the paths and of the addresses, or empty.

    Args:
        folders: Where the images lie, or above that; paths and addresses.
    """
    roots: dict[bool, str | None] = {False: None, True: None}
    for folder in folders:
        remote = is_address(folder)
        root, folder = roots[remote], _place(folder) if remote else absolute(folder)
        if root is None:
            roots[remote] = folder
        elif folder != root and not folder.startswith(f"{root}/"):
            roots[remote] = os.path.commonpath([root, folder])
    return roots[False] or "", roots[True] or ""


def below(path: str, roots: tuple[str, str]) -> str:
    """A path or address as it is called below what all share (see `shared`)."""
    remote = is_address(path)
    place = _place(path) if remote else path
    root = roots[remote].rstrip("/") + "/"
    return printable(place.removeprefix(root) if place.startswith(root) else place.lstrip("/"))


def _place(address: str) -> str:
    """Where an address leads, without what it asks with or hides: `https/example.org/a/x.jpg`."""
    scheme, _, rest = re.split("[?#]", bare(address))[0].partition("://")
    host, _, path = rest.partition("/")
    host = host.rpartition("@")[2].replace(":", "_")
    return f"{scheme.lower()}/{host}/{unquote(path).strip('/')}".rstrip("/")


def with_its_ending(name: str, endings: tuple[str, ...]) -> str:
    """A name with one of these endings: its own, or else the first appended."""
    ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a million times
    return name if ending in endings else name + endings[0]


def file_of(folder: Path, stem: str, ending: str) -> Path:
    """Where a file of an image's lies: its stem (see `Namer.of`) with an ending, shortened to fit.

    Args:
        folder: Of all files of this kind.
        stem: The image's.
        ending: What follows it.
    """
    parts, _, last = stem.rpartition("/")
    most = _LONGEST_NAME - len(ending.encode())
    return folder / on_disk(parts) / on_disk(_cut(last, stem, most) + ending)


def on_disk(name: str) -> str:
    """A name as files are called by; letters that the system's locale has not as their bytes."""
    return os.fsdecode(name.encode())


def earlier_picture(name: str, endings: tuple[str, ...] = PICTURE_ENDINGS) -> str:
    """What earlier versions called an annotated picture, whose runs are gone on with.

    Args:
        name: The image's, perhaps with folders, perhaps absolute or an address.
        endings: Those that may stay.
    """
    parts = [
        "__" if part == ".." else part.replace(":", "_")
        for part in printable(name).split("/")
        if part not in ("", ".")
    ]
    return with_its_ending("/".join(parts), endings)


def fitting_folder(name: str) -> str:
    """A text as the name of a folder; told apart by its digest where it can't be as it is."""
    text = printable(name)
    fit = re.sub(r"[/\\]", "_", _UNFIT.sub("_", text)).strip(". ")
    return _cut(fit if fit and fit == text else f"{fit}-{_digest(text)}", text)


def _adds_ending(name: str) -> bool:
    return with_its_ending(name, PICTURE_ENDINGS) != name


def _marked(name: str, path: str) -> Iterator[str]:
    """A name with a digest of the path before its ending, and then with more, without an end."""
    folder, slash, last = name.rpartition("/")
    beginning, ending = os.path.splitext(last)  # noqa: PTH122 - a million times
    digest, count = _digest(path), 0
    while True:
        mark = f"-{digest}{f'-{count}' if count else ''}{ending}"
        most = _LONGEST_NAME - len(PICTURE_ENDINGS[0]) - len(mark.encode())
        yield f"{folder}{slash}{_cut(beginning, path, most)}{mark}"
        count += 1


def _cut(text: str, whole: str, most: int = _LONGEST_NAME) -> str:
    """A name of no more than so many bytes; where it is cut, with a digest of what is whole."""
    if len(text) * 4 <= most or len(data := text.encode()) <= most:
        return text
    ending = os.path.splitext(text)[1]  # noqa: PTH122
    mark = f"-{_digest(whole)}{ending if len(ending) < 10 else ''}"
    return data[: most - len(mark.encode())].decode(errors="ignore") + mark


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]


def _folded(name: str) -> str:
    """The same for all names that one system or another takes for the same."""
    if name.isascii():
        folded = name.lower()
    else:
        folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
    return "/".join(part.rstrip(". ") for part in folded.split("/"))
