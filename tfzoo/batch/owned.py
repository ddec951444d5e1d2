"""Which files of a folder are a run's own: those that its journal names, and no others.

Its Parquet files hold its id, and so does a gallery of it; the files for people go by their
digests, and pictures by the names of its inputs. Whatever else lies there is somebody's: it is
neither replaced nor deleted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tfzoo.batch.exports import WRITTEN
from tfzoo.batch.inputs import read_inputs
from tfzoo.batch.job import GALLERY, GALLERY_PAGE, INPUTS, PARTS, PICTURES
from tfzoo.batch.journal import JOURNAL, Journal
from tfzoo.batch.parts import TABLES, Columns, Parts, mark_of, said_in
from tfzoo.batch.pictures import paths_of_pictures
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
        wrote: Whether a file for people is one that it wrote.
        began: Whether it has a journal, without which it wrote no more than its inputs.
    """

    out: Path
    run: str
    pictures: bool
    wrote: Callable[[Path], bool]
    began: bool = True

    def delete(self) -> None:
        """Deletes the run's files; the journal when nothing is left that it must name.

        Raises:
            OutputError: One can't be deleted.
        """
        try:
            if self.pictures:
                self._delete_pictures()
            self._delete_gallery()
            for path in filter(self._is_part, _in_tables(self.out)):
                path.unlink()
            for folder in (*(self.out / PARTS / table for table in TABLES), self.out / PARTS):
                with suppress(OSError):  # It is not there, or holds somebody's files.
                    folder.rmdir()
            for path in (self.out / name for name in WRITTEN):
                if path.exists() and self.wrote(path):
                    path.unlink()
            (self.out / JOURNAL).unlink(missing_ok=True)
            if self._is_ours(self.out / INPUTS):
                (self.out / INPUTS).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{error.filename} can't be deleted: {error.strerror}") from None

    def _delete_pictures(self) -> None:
        inputs, folders = self.out / INPUTS, set()
        if not self._is_ours(inputs):
            return
        with suppress(OutputError):  # A list that is damaged names nothing any more.
            for _, path, name, _ in read_inputs(inputs):
                for picture in paths_of_pictures(self.out / PICTURES, ImageFile(path, name)):
                    picture.unlink(missing_ok=True)
                    folders.add(picture.parent)
        for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
            for emptied in (folder, *folder.parents):
                if not emptied.is_relative_to(self.out / PICTURES):
                    break
                with suppress(OSError):
                    emptied.rmdir()

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
        if path.parent != self.out:
            return self._is_part(path)
        return self.wrote(path) if path.name in WRITTEN else self._is_ours(path)


def owned_by(out: Path, journal: Journal) -> Owned:
    """What a journal names as its run's own."""
    return Owned(out, journal.run, bool(journal.settings.get("pictures")), journal.wrote)


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
    return Owned(out, str(said["run"]), pictures, lambda path: began, began)


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


def in_the_way(out: Path, earlier: Owned | None, resumed: bool) -> list[Path]:
    """What lies where a run is to write, and is no file of the earlier one's.

    Args:
        out: The folder.
        earlier: What the run that is gone on with or deleted owns, if there is one.
        resumed: Whether its parts are read, and so looked at anyway.
    """
    folders = (out / PARTS, *(out / PARTS / table for table in TABLES), out / PICTURES)
    no_folders = [path for path in folders if os.path.lexists(path) and not path.is_dir()]
    files = [out / name for name in WRITTEN]
    if not resumed:
        files += [out / INPUTS, *_in_tables(out)]
    found = [path for path in files if os.path.lexists(path)]
    return no_folders + [path for path in found if earlier is None or not earlier.is_own(path)]


def pictures_in_the_way(out: Path, inputs: Path) -> Iterator[Path]:
    """Pictures that lie where those of a list of inputs are to be written."""
    if not (out / PICTURES).exists():
        return
    for _, path, name, _ in read_inputs(inputs):
        for picture in paths_of_pictures(out / PICTURES, ImageFile(path, name)):
            if os.path.lexists(picture):
                yield picture


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
    drawn = (Path(folder) for folder, _, _ in os.walk(out / PICTURES))
    for folder in (out, out / GALLERY, *(out / PARTS / table for table in TABLES), *drawn):
        remove_leftovers(folder, mark_of(run))
