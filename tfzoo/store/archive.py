"""Unpacking archives that may be damaged or hostile: whole, or not at all.

Nothing here trusts a name, a size or a type that an archive states. Links are never created: one
that stays inside the tree becomes a second name of its file, every other is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, cast

from tfzoo.errors import ArchiveError
from tfzoo.files import LFS_ADVICE, is_lfs_pointer
from tfzoo.store.provenance import FileRecord

_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
#: Models that are one file: what they are, and by what bytes, where, they are told. An ONNX file is
#: a protobuf message whose first field is the version of its format.
_MARKS = {".onnx": ("ONNX", 0, b"\x08"), ".tflite": ("TensorFlow Lite", 4, b"TFL3")}

_AS_IT_IS = (
    "Have the file served as it is, without Content-Encoding, or copy it here by other means"
)


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to.

    The zoo's largest archive has 1.4 GB and about thirty files; weights hardly compress, but a
    model of constants may, so the ratio is generous and only counts above `always_bytes`.

    Attributes:
        files: Files and folders.
        always_bytes: Bytes that any archive may unpack to.
        ratio: Unpacked bytes for each byte of the archive, above `always_bytes`.
        header_bytes: The longest single read, which bounds what a header may claim.
    """

    files: int = 10_000
    always_bytes: int = 1 << 30
    ratio: int = 100
    header_bytes: int = 16 << 20


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> dict[str, FileRecord]:
    """Unpacks an archive into a new folder.

    Args:
        archive: A .tar, .tar.gz or .zip, told apart by content.
        folder: Is created; on an error it may be left half-filled, for the caller to remove.
        limits: How much it may unpack to.

    Returns:
        Size and sha256 of every file, by its path relative to `folder`.

    Raises:
        ArchiveError: The archive is damaged, hostile or none at all.
        OSError: The disk is full or can't be written.
    """
    limits = limits or Limits()
    folder.mkdir(parents=True)
    tree = _Tree(archive, folder, limits)
    try:
        with archive.open("rb") as file:
            start = file.read(512)
            file.seek(0)
            if is_lfs_pointer(start):
                raise ArchiveError(f"{archive.name} {LFS_ADVICE}")
            if start.startswith(b"PK"):
                _unpack_zip(file, tree)
            elif start.startswith(_GZIP):
                if coded := told_of_coding(archive, archive.name):
                    raise ArchiveError(f"{archive.name} {coded}")
                with gzip.GzipFile(fileobj=file, mode="rb") as plain:
                    _unpack_tar(cast(IO[bytes], plain), tree)
            elif _is_tar(start) or archive.name.endswith(".tar"):
                _unpack_tar(file, tree)
            else:
                raise ArchiveError(
                    f"{archive.name} is no archive (it starts with {start[:24]!r}); expected "
                    ".tar.gz, .tar or .zip"
                )
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        gzip.BadGzipFile,
        EOFError,
        NotImplementedError,
        UnicodeError,
    ) as error:
        raise ArchiveError(f"{archive.name} is damaged: {error}. Fetch or copy it again") from None
    return tree.files


def _is_tar(start: bytes) -> bool:
    return start[257:262] == b"ustar"


def told_of_coding(path: Path, name: str) -> str | None:
    """How an archive was coded, or decoded, on its way, to be said behind its name; or None.

    Args:
        path: What arrived.
        name: What it is called, which says how it should be coded.
    """
    with path.open("rb") as file:
        start = file.read(512)
        file.seek(0)
        if not start.startswith(_GZIP):
            if name.endswith((".gz", ".tgz")) and _is_tar(start):
                return f"is a plain tar: something on its way has decompressed it. {_AS_IT_IS}"
            return None
        if name.endswith(tuple(_MARKS)):
            return f"is coded in gzip, which its name does not say. {_AS_IT_IS}"
        try:
            with gzip.GzipFile(fileobj=file, mode="rb") as once:
                twice = once.read(2) == _GZIP
        except (OSError, EOFError, zlib.error):
            return None
    return (
        f"is coded in gzip twice, perhaps for its way from a server. {_AS_IT_IS}" if twice else None
    )


#: Models that are one file: what they are, and by what bytes, where, they are told. An ONNX file is
#: a protobuf message whose first field is the version of its format.
_MARKS = {".onnx": ("ONNX", 0, b"\x08"), ".tflite": ("TensorFlow Lite", 4, b"TFL3")}

_AS_IT_IS = (
    "Have the file served as it is, without Content-Encoding, or copy it here by other means"
)


def records(folder: Path) -> dict[str, FileRecord]:
    """Size and sha256 of every file below a folder that somebody else unpacked.

    Raises:
        ArchiveError: Something in it is a link or no file.
    """
    found: dict[str, FileRecord] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ArchiveError(f"{folder.name} is refused: '{relative}' is a link or no file")
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[relative] = FileRecord(path.stat().st_size, digest)
    return found


def place_file(path: Path, place: Path, digest: str) -> FileRecord:
    """Puts a downloaded .onnx or .tflite file at its place; the download itself stays.

    Raises:
        ArchiveError: It is no such model.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if is_lfs_pointer(start):
        raise ArchiveError(f"{place.name} {LFS_ADVICE}")
    if coded := told_of_coding(path, place.name):
        raise ArchiveError(f"{place.name} {coded}")
    kind, at, mark = _MARKS[place.suffix]
    if not start.startswith(mark, at):
        raise ArchiveError(f"{place.name} is no {kind} model (it starts with {start[:24]!r})")
    place.parent.mkdir(parents=True)
    try:
        os.link(path, place)
    except OSError:
        shutil.copyfile(path, place)
    return FileRecord(place.stat().st_size, digest.removeprefix("sha256:"))


class _Tree:
    """The files an archive has been unpacked to, and what may still come."""

    def __init__(self, archive: Path, folder: Path, limits: Limits) -> None:
        self.name = archive.name
        self.folder = folder
        self.limits = limits
        self.files: dict[str, FileRecord] = {}
        self._entries = 0
        self._bytes_left = max(limits.always_bytes, limits.ratio * archive.stat().st_size)

    def refuse(self, what: str) -> ArchiveError:
        """The error for a hostile archive."""
        return ArchiveError(f"{self.name} is refused: {what}. Nothing of it was kept")

    def place(self, name: str) -> PurePosixPath:
        """Where an entry goes, relative to the folder; counts it."""
        self._entries += 1
        if self._entries > self.limits.files:
            raise self.refuse(f"it has more than {self.limits.files} entries")
        path = PurePosixPath(name)
        if (
            path.is_absolute()
            or ".." in path.parts
            or PureWindowsPath(name).drive
            or any(character in name for character in "\\\0")
        ):
            raise self.refuse(f"entry {name!r} lies outside of it")
        return path

    def spend(self, size: int) -> None:
        """Counts bytes that are about to be unpacked."""
        self._bytes_left -= size
        if size < 0 or self._bytes_left < 0:
            raise self.refuse(
                "it would unpack to an implausible size (more than "
                f"{self.limits.ratio} times its own)"
            )

    def add_folder(self, path: PurePosixPath) -> None:
        """Makes a folder."""
        try:
            (self.folder / path).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise self.refuse(f"entry '{path}' is both a file and a folder") from None

    def add_file(self, path: PurePosixPath, content: IO[bytes], size: int) -> None:
        """Writes a file of a stated size."""
        self.spend(size)
        digest = hashlib.sha256()
        written = 0
        self.add_folder(path.parent)
        try:
            with (self.folder / path).open("xb") as file:
                while block := content.read(min(_BLOCK, size - written)):
                    file.write(block)
                    digest.update(block)
                    written += len(block)
        except FileExistsError:
            raise self.refuse(f"it names '{path}' twice") from None
        if written != size:
            raise EOFError(f"'{path}' ends after {written} of {size} bytes")
        self.files[str(path)] = FileRecord(written, digest.hexdigest())

    def add_second_name(self, path: PurePosixPath, target: PurePosixPath) -> None:
        """Gives a file that is already there a second name, for a link inside the tree."""
        known = self.files.get(str(target))
        if known is None:
            raise self.refuse(f"link '{path}' leads to '{target}', which is no file before it")
        self.spend(known.bytes)
        self.add_folder(path.parent)
        if (self.folder / path).exists():
            raise self.refuse(f"it names '{path}' twice")
        shutil.copyfile(self.folder / target, self.folder / path)
        self.files[str(path)] = known


def _unpack_tar(file: IO[bytes], tree: _Tree) -> None:
    bounded = _BoundedReader(file, tree)
    with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r:") as tar:
        for member in _members(tar, tree):
            path = tree.place(member.name)
            if member.isdir():
                tree.add_folder(path)
            elif member.isreg():
                content = tar.extractfile(member)
                assert content is not None  # A regular file has content.
                tree.add_file(path, content, member.size)
            elif member.islnk():
                tree.add_second_name(path, tree.place(member.linkname))
            elif member.issym():
                tree.add_second_name(path, _inside(tree, path, member.linkname))
            else:
                raise tree.refuse(f"entry '{path}' is no file, folder or link")
    # tarfile takes a damaged header for the end; the true end is zeros, and nothing but zeros
    # follows. gzip's checksum comes after them: read on, so that damage is noticed.
    block = bounded.latest
    if not block:
        raise EOFError("it ends without its end mark")
    while block:
        if block.count(0) != len(block):
            raise tarfile.ReadError("an entry's header is damaged")
        block = bounded.read(_BLOCK)
        tree.spend(len(block))


def _members(tar: tarfile.TarFile, tree: _Tree) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        # tarfile keeps every header it has seen; a bomb of headers would fill the memory.
        tar.members = []  # type: ignore[attr-defined]
        yield member


def _inside(tree: _Tree, link: PurePosixPath, target: str) -> PurePosixPath:
    """Where a symbolic link leads by its text alone; outside of the tree is refused."""
    return tree.place(os.path.normpath(str(link.parent / target)))


def _unpack_zip(file: IO[bytes], tree: _Tree) -> None:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            # Some programs on Windows part the names of folders as Windows does.
            name = info.filename.replace("\\", "/")
            path = tree.place(name)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if name.endswith("/"):
                tree.add_folder(path)
            elif kind not in (0, stat.S_IFREG):
                raise tree.refuse(f"entry '{path}' is a link, device or pipe")
            elif info.flag_bits & 1:
                raise tree.refuse(f"entry '{path}' is encrypted")
            else:
                with archive.open(info) as content:
                    tree.add_file(path, content, info.file_size)


class _BoundedReader(io.RawIOBase):
    """Reads on for tarfile, but never at once more than a header may need.

    Attributes:
        latest: What was read last.
    """

    def __init__(self, file: IO[bytes], tree: _Tree) -> None:
        self._file = file
        self._tree = tree
        self.latest = b""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > self._tree.limits.header_bytes:
            raise self._tree.refuse("a header of it claims an implausible size")
        self.latest = self._file.read(size)
        return self.latest

    def seek(self, offset: int, whence: int = 0, /) -> int:
        # Padding and skipped content are unpacked too: a bomb may hide there.
        self._tree.spend(max(0, offset - self._file.tell()) if whence == 0 else 0)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
