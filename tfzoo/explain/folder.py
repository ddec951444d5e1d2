"""The folder of a report: files of ours are replaced, those of others never."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from tfzoo.errors import OutputError
from tfzoo.files import whole_file

#: What the page of a report has near its beginning, by which it is known as ours.
MARK = '<meta name="generator" content="tfzoo">'

#: The page of a report.
PAGE = "index.html"


def check_folder(folder: str | PathLike[str]) -> None:
    """Tells before the work where a report can't be written: a page of somebody else's lies there.

    Raises:
        OutputError: One does, or the folder is a file.
    """
    path = Path(folder) / PAGE
    if Path(folder).exists() and not Path(folder).is_dir():
        raise OutputError(f"{folder} is a file; expected a folder, or a new name, at --report")
    if path.exists() and not _is_ours(path):
        raise _foreign(path)


def write_folder(folder: str | PathLike[str], files: Mapping[str, str]) -> Path:
    """Writes a report's files, the page last; gives the page's path.

    Args:
        folder: Where to; made if need be.
        files: Texts by the files' names, the page among them.

    Raises:
        OutputError: They can't be written.
    """
    folder = Path(folder)
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(files, key=lambda name: name == PAGE):
            with whole_file(folder / name, ours=_is_ours if name == PAGE else None) as file:
                file.write(files[name].encode())
    except FileExistsError as error:
        raise _foreign(Path(error.filename or folder)) from None
    except OSError as error:
        raise OutputError(
            f"{error.filename or folder} can't be written: {error.strerror}; choose another folder "
            "with --report"
        ) from None
    return folder / PAGE


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return MARK.encode() in file.read(2000)
    except OSError:
        return False


def _foreign(path: Path) -> OutputError:
    return OutputError(
        f"{path} is there already, and no report that tfzoo wrote: it is not replaced. Choose "
        "another folder with --report"
    )
