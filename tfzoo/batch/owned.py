"""Which files of a folder are a run's own: those that its journal names, and no others.

Its Parquet files and crops hold its id, and so does a gallery of it; the files for people that hold
all images go by their digests, and pictures and others that hold one by the names of its inputs.
Whatever else lies there is somebody's: it is neither replaced nor deleted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tfzoo.batch.crops import is_crop_of
from tfzoo.batch.exports import WRITTEN
from tfzoo.batch.formats import FORMATS
from tfzoo.batch.inputs import Input, read_inputs
from tfzoo.batch.job import CROPS, GALLERY, GALLERY_PAGE, INPUTS, PARTS, PICTURES
from tfzoo.batch.journal import JOURNAL, Journal
from tfzoo.batch.names import VIDEO_ENDINGS, earlier_picture, file_of, on_disk
from tfzoo.batch.parts import TABLES, Columns, Parts, mark_of, said_in
from tfzoo.errors import OutputError
from tfzoo.files import remove_leftovers
from tfzoo.images.sources import ImageFile

#: A gallery's file holds its mark within so many bytes.
_MARKED = 600

_PART = re.compile(r"part-\d{6,}\.parquet")


@dataclass(frozen=True)
class Owned:
    """What tells a run's files from those of others.

    Attributes:
        out: The run's folder.
        run: Its id; empty for a run of an earlier version.
        pictures: Whether it draws pictures.
        formats: What other formats it writes.
        wrote: Whether a file for people is one that it wrote.
        began: Whether it has a journal, without which it wrote no more than its inputs.
    """

    out: Path
    run: str
    pictures: bool
    wrote: Callable[[Path], bool]
    began: bool = True
    formats: Sequence[str] = ()

    @property
    def of_images(self) -> bool:
        """Whether it has files that go by the names of its inputs."""
        return self.pictures or any(FORMATS[name].folder for name in self.formats)

    def delete(self) -> None:
        """Deletes the run's files; the journal when nothing is left that it must name.

        Raises:
            OutputError: One can't be deleted.
        """
        try:
            if self.of_images:
                self._delete_files_of_images()
            for crop in _files_below(self.out / CROPS):
                if is_crop_of(crop, self.run):
                    crop.unlink()
                    _delete_emptied(crop.parent, self.out)
            self._delete_gallery()
            for path in filter(self._is_part, _in_tables(self.out)):
                path.unlink()
            for folder in (*(self.out / PARTS / table for table in TABLES), self.out / PARTS):
                with suppress(OSError):  # It is not there, or holds somebody's files.
                    folder.rmdir()
            for path in _files_of_all(self.out, self.formats):
                if path.exists() and self.wrote(path):
                    path.unlink()
                    _delete_emptied(path.parent, self.out)
            (self.out / JOURNAL).unlink(missing_ok=True)
            if self._is_ours(self.out / INPUTS):
                (self.out / INPUTS).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{error.filename} can't be deleted: {error.strerror}") from None

    def _delete_files_of_images(self) -> None:
        inputs, folders = self.out / INPUTS, set()
        if not self._is_ours(inputs):
            return
        with suppress(OutputError):  # A list that is damaged names nothing any more.
            for _, one in read_inputs(inputs):
                for path in _files_of(one, self.out, self.pictures, self.formats):
                    path.unlink(missing_ok=True)
                    folders.add(path.parent)
        for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
            _delete_emptied(folder, self.out)

    def _delete_gallery(self) -> None:
        folder = self.out / GALLERY
        small = folder.glob("*.jpg") if self.began else ()
        for path in (self.out / GALLERY_PAGE, *small):
            if is_of_gallery(path, self.run):
                path.unlink()
        with suppress(OSError):  # It is not there, or holds somebody's files.
            folder.rmdir()

    def _is_ours(self, path: Path) -> bool:
        return Parts(self.out / PARTS, 1, Columns(), self.run).ours(path)

    def _is_part(self, path: Path) -> bool:
        return self.began and bool(_PART.fullmatch(path.name)) and self._is_ours(path)

    def is_own(self, path: Path) -> bool:
        """Whether what lies where a run writes is a file of this one's."""
        if path in _files_of_all(self.out, self.formats):
            return self.wrote(path)
        return self._is_part(path) if path.parent != self.out else self._is_ours(path)


def owned_by(out: Path, journal: Journal) -> Owned:
    """What a journal names as its run's own."""
    pictures, formats = bool(journal.settings.get("pictures")), _known(journal.formats)
    return Owned(out, journal.run, pictures, journal.wrote, formats=formats)


def owned_by_inputs(out: Path, began: bool) -> Owned | None:
    """What a run owns whose journal tells nothing.

    Args:
        out: The folder.
        began: Whether there is a journal, a damaged one: of the files for people no more is known
            then than their names. Else the run died before it wrote any.

    Returns:
        What the list of inputs says, or None where there is none of ours.
    """
    said = said_in(out / INPUTS)
    if not said.get("run"):
        return None
    pictures = began and bool(said.get("pictures"))
    formats = _known(said.get("formats") if began else ())
    return Owned(out, str(said["run"]), pictures, lambda path: began, began, formats)


def _known(formats: object) -> tuple[str, ...]:
    """Formats that a file names, as far as this version knows them."""
    return tuple(name for name in FORMATS if isinstance(formats, list | tuple) and name in formats)


def gallery_mark(run: str) -> bytes:
    """What stands near the beginning of each file of a run's gallery."""
    return f"tfzoo gallery of run {run};".encode()


def is_of_gallery(path: Path, run: str, mark: bytes = b"") -> bool:
    """Whether a file is of a run's gallery.

    Args:
        path: The file; it may be gone.
        run: Id of the run.
        mark: What more it must hold.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_MARKED)
    except OSError:
        return False
    return gallery_mark(run) in start and mark in start


def in_the_way(
    out: Path, earlier: Owned | None, resumed: bool, formats: Sequence[str] = ()
) -> list[Path]:
    """What lies where a run is to write, and is no file of the earlier one's.

    Args:
        out: The folder.
        earlier: What the run that is gone on with or deleted owns, if there is one.
        resumed: Whether its parts are read, and so looked at anyway.
        formats: That the run is to write.
    """
    files = list(_files_of_all(out, formats))
    folders = {out / PARTS, *(out / PARTS / table for table in TABLES), out / PICTURES, out / CROPS}
    folders |= {path.parent for path in files}
    folders |= {out / (FORMATS[name].folder or "") for name in formats}
    folders |= {folder.parent for folder in folders if folder != out}
    no_folders = [path for path in sorted(folders) if os.path.lexists(path) and not path.is_dir()]
    if not resumed:
        files += [out / INPUTS, *_in_tables(out)]
    found = [path for path in files if os.path.lexists(path)]
    return no_folders + [path for path in found if earlier is None or not earlier.is_own(path)]


def of_images_in_the_way(
    out: Path, inputs: Path, pictures: bool, formats: Sequence[str]
) -> Iterator[Path]:
    """What lies where the files of a list of inputs, an image's each, are to be written."""
    formats = [name for name in formats if (out / (FORMATS[name].folder or "-")).is_dir()]
    pictures = pictures and (out / PICTURES).exists()
    if pictures or formats:
        for _, one in read_inputs(inputs):
            paths = _files_of(one, out, pictures, formats)
            yield from (path for path in paths if os.path.lexists(path))


def _files_of_all(out: Path, formats: Iterable[str]) -> Iterator[Path]:
    """The files for people that hold all images."""
    for name in (*WRITTEN, *(name for kind in formats for name in FORMATS[kind].files)):
        yield out / name


def _files_of(one: Input, out: Path, pictures: bool, formats: Iterable[str]) -> Iterator[Path]:
    """Where the files of an input may lie."""
    if pictures:
        yield from _pictures_of(one, out / PICTURES)
    for kind in (FORMATS[name] for name in formats):
        if kind.folder is None or one.stem is None:
            continue
        yield file_of(out / kind.folder, one.stem, kind.ending)
        if ImageFile(one.path, one.name).is_video_by_name is not False:
            frames = out / kind.folder / on_disk(one.stem)
            named = re.compile(rf"frame_\d{{6,}}{re.escape(kind.ending)}")
            yield from (path for path in _files_below(frames) if named.fullmatch(path.name))


def _files_below(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder, topdown=False):
        yield from (Path(where, name) for name in names)


def _delete_emptied(folder: Path, out: Path) -> None:
    """Deletes a folder of a run's files, and those it lies in, where nothing is left in them."""
    for emptied in (folder, *folder.parents):
        if emptied == out or not emptied.is_relative_to(out):
            break
        with suppress(OSError):
            emptied.rmdir()


def _pictures_of(one: Input, folder: Path) -> list[Path]:
    """Where the annotated picture or video of an input may lie, as far as its name says which."""
    if one.picture is not None:
        names = [one.picture, f"{one.picture}.png"]  # What is too long for its format is a PNG.
    else:
        as_picture = earlier_picture(one.name)
        as_video = earlier_picture(one.name, VIDEO_ENDINGS)
        by_name = {True: [as_video], False: [as_picture], None: [as_picture, as_video]}
        names = by_name[ImageFile(one.path, one.name).is_video_by_name]
    return [folder / on_disk(name) for name in names]


def _in_tables(out: Path) -> Iterator[Path]:
    """What lies in the folders of parts, which are read as a whole: nothing else may lie there."""
    for table in TABLES:
        folder = out / PARTS / table
        if folder.is_dir():
            yield from (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))


def sweep(out: Path, run: str) -> None:
    """Removes what a run that was killed left half-written; it goes by its id."""
    if not run:
        return
    kinds = FORMATS.values()
    places = {PICTURES, CROPS, *(kind.folder for kind in kinds if kind.folder)}
    places |= {str(Path(name).parent) for kind in kinds for name in kind.files} - {"."}
    drawn = (Path(where) for place in sorted(places) for where, _, _ in os.walk(out / place))
    for folder in (out, out / GALLERY, *(out / PARTS / table for table in TABLES), *drawn):
        remove_leftovers(folder, mark_of(run))
