"""Pages of ours in folders: replaced by the next of their kind; those of others never are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from os import PathLike
from pathlib import Path

from tfzoo.errors import OutputError
from tfzoo.files import has_mark, whole_file
from tfzoo.settings import at_home

#: The name of a page; what else is written lies beside it.
PAGE = "index.html"

_GENERATOR = '<meta name="generator" content="tfzoo {}">'


def mark_of(kind: str, name: str = PAGE) -> str:
    """What a page of a kind, or its twin in Markdown, begins with, by which it is known as ours."""
    return f"<!-- tfzoo {kind} -->" if name.endswith(".md") else _GENERATOR.format(kind)


def check_pages(
    folder: str | PathLike[str], kind: str, option: str = "--report", twin: str | None = None
) -> None:
    """Tells before the work where a page can't be written.

    Args:
        folder: Where to; it may not be there yet.
        kind: Of the page, such as `report`.
        option: What names the folder, for the message.
        twin: The name of the page in Markdown, where there is one.

    Raises:
        OutputError: The folder is a file, or a page that is not of this kind lies there.
    """
    folder = at_home(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; expected a folder, or a new name, at {option}")
    for name in filter(None, (PAGE, twin)):
        path = folder / name
        if path.exists() and not has_mark(path, mark_of(kind, name).encode()):
            raise _foreign(path, kind, option)


def write_pages(
    folder: str | PathLike[str],
    files: Mapping[str, str],
    kind: str,
    option: str = "--report",
) -> Path:
    """Writes a page with the files beside it, the page last; gives the page's path.

    Data beside it are replaced where a page of the kind is there, which they came with.

    Args:
        folder: Where to; made if need be.
        files: Texts by the files' names, `PAGE` among them, which holds `mark_of(kind)`.
        kind: Of the page.
        option: What names the folder, for messages.

    Raises:
        OutputError: They can't be written, or a file of somebody else's is in the way.
    """
    check_pages(folder, kind, option)
    folder = at_home(folder)
    ours = (folder / PAGE).exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(files, key=lambda name: name == PAGE):
            known = partial(has_mark, mark=mark_of(kind, name).encode())
            told = name.endswith((".html", ".md"))
            with whole_file(folder / name, ours=known if told else lambda path: ours) as file:
                file.write(files[name].encode())
    except FileExistsError as error:
        raise _foreign(Path(error.filename or folder), kind, option) from None
    except OSError as error:
        raise OutputError(
            f"{error.filename or folder} can't be written: {error.strerror}; choose another folder "
            f"with {option}"
        ) from None
    return folder / PAGE


def _foreign(path: Path, kind: str, option: str) -> OutputError:
    return OutputError(
        f"{path} is there already, and no {kind} that tfzoo wrote: it is not replaced. Choose "
        f"another folder with {option}"
    )
