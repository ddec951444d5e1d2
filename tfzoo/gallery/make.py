"""A run's gallery, from its sealed parts to the page."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tfzoo.batch.job import GALLERY, GALLERY_PAGE, PARTS
from tfzoo.batch.journal import JOURNAL, Journal, read_journal
from tfzoo.batch.lock import locked
from tfzoo.batch.output import output_file
from tfzoo.batch.owned import gallery_mark, is_of_gallery, sweep
from tfzoo.batch.parts import Columns, Parts, mark_of
from tfzoo.detecting import MAX_PIXELS
from tfzoo.errors import OutputError, UsageError
from tfzoo.gallery.contents import Contents
from tfzoo.gallery.page import Shown, page
from tfzoo.gallery.settings import GallerySettings
from tfzoo.gallery.thumbnails import Thumbnail, Thumbnails
from tfzoo.images.pipeline import READERS, in_order
from tfzoo.options import called_with

#: Up to so many small pictures lie in the page itself, which then is all there is.
EMBEDDED = 300


@dataclass(frozen=True)
class Gallery:
    """What a gallery shows.

    Attributes:
        page: The page to open in a browser.
        images: Images and frames of videos that it shows, failed ones included.
        failed: Those that failed when they were detected.
        gone: Those without a small picture, whose source is not there any more.
        frames: How many of them are frames of videos.
        missing: Images of the run that are not detected yet.
    """

    page: Path
    images: int
    failed: int
    gone: int
    frames: int
    missing: int


@called_with(GallerySettings)
def make_gallery(settings: GallerySettings) -> Gallery:  # noqa: D417 - `called_with` tells of them
    """Writes a page of a run's images and what was found in them, to look through in a browser.

    `gallery.html` in the run's folder needs no network and no server. Up to 300 small pictures lie
    in it; more lie in `gallery/` beside it, and stay there: made again, only those that are missing
    are made. `detect --overwrite` deletes both with the run.

    Args:
        on_progress: Told of images whose small picture is done, and of images in all.

    Returns:
        What the page shows.

    Raises:
        UsageError: There is no run in that folder, or none that was begun.
        OutputError: The page can't be written, or somebody's file is in its way.
    """
    out = settings.folder
    if not (out / JOURNAL).exists():
        raise UsageError(
            f"{out} holds no run: there is no {JOURNAL}. Name the folder that tfzoo detect wrote "
            "its results to (--out)"
        )
    with locked(out):
        journal = read_journal(out)
        if journal is None:
            raise UsageError(f"the run in {out} was deleted just now")
        sweep(out, journal.run)
        return _made(out, journal, settings)


def _made(out: Path, journal: Journal, settings: GallerySettings) -> Gallery:
    parts = Parts(out / PARTS, 1, Columns(), journal.run)
    total = sum(part.images for part in parts.sealed().values())
    if not total:
        raise UsageError(f"the run in {out} has no result yet; go on with it: detect --resume")
    target = out / GALLERY_PAGE
    if target.exists() and not is_of_gallery(target, journal.run):
        raise _foreign(target)
    folder = _folder_of(out) if total > EMBEDDED else None
    contents = Contents(parts)
    most = journal.settings.get("max_pixels", MAX_PIXELS)
    thumbnails = Thumbnails(out, journal.run, settings.size, most, folder)
    names: list[str] = []
    small: list[Thumbnail] = []
    errors: dict[int, str] = {}
    walked = thumbnails.read(contents.pictures())
    for (picture, _), thumbnail in in_order(thumbnails.of, walked, READERS):
        names.append(picture.name)
        small.append(thumbnail)
        if picture.error is not None:
            errors[picture.index] = picture.error
        if settings.on_progress is not None:
            settings.on_progress(len(names), total)
    made = Gallery(
        page=target,
        images=len(names),
        failed=len(errors),
        gone=sum(one.gone is not None for one in small),
        frames=contents.frames,
        missing=max(0, journal.images - total),
    )
    about = {"model": Path(journal.settings["model"]).name, "notes": _notes(journal, made)}
    mark = gallery_mark(journal.run)
    text = page(contents, Shown(names, small, errors), about, mark)
    with output_file(
        target, mark=mark_of(journal.run), ours=lambda path: is_of_gallery(path, journal.run)
    ) as file:
        file.write(text.encode())
    return made


def _folder_of(out: Path) -> Path:
    folder = out / GALLERY
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError:
        raise _foreign(folder) from None
    except OSError as error:
        raise OutputError(f"{folder} can't be made: {error.strerror}") from None
    return folder


def _foreign(path: Path) -> OutputError:
    return OutputError(
        f"{path} is there already, and of no gallery of this run's: it is not replaced. Move "
        "it away"
    )


def _notes(journal: Journal, made: Gallery) -> str:
    """What is told of the run below the title."""
    settings = journal.settings
    notes = [str(settings["model"]), str(settings["runtime"])]
    with suppress(KeyError):
        notes.append(f"scores from {settings['min_score']}")
    if journal.began:
        notes.append(f"begun {journal.began}")
    if made.missing:
        notes.append(f"not finished: {made.missing} images are still to be detected")
    if made.frames:
        notes.append(f"{made.frames} of the pictures are frames of videos")
    return "; ".join(notes)
