"""The report of an evaluation: a page that loads nothing, with its figures as files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from tfzoo.accuracy.fields import Id
from tfzoo.accuracy.image_files import find_files
from tfzoo.accuracy.measured import Accuracy
from tfzoo.accuracy.truth import Stored
from tfzoo.errors import UsageError
from tfzoo.explain.explained import explain_kinds
from tfzoo.explain.figures import files_of
from tfzoo.explain.page import KIND, page_of
from tfzoo.pages import PAGE, check_pages, write_pages
from tfzoo.settings import at_home


def explain_accuracy(
    measured: Accuracy,
    folder: str | PathLike[str],
    *,
    images: str | PathLike[str] | None = None,
) -> Path:
    """Writes what lies behind a measurement into a folder.

    Args:
        measured: What `tfzoo.evaluate` gave.
        folder: Where to; made if need be. A report of tfzoo's there is replaced.
        images: Folder of the images, for the pictures, where a results file was scored.

    Returns:
        The page, `index.html`; beside it are the figures (docs/evaluation.md lists them).

    Raises:
        UsageError: The measurement does not come from `tfzoo.evaluate`, holds nothing to be found,
            or an image is missing.
        OutputError: The files can't be written, or a page lies there that tfzoo did not write.
    """
    check_pages(folder, KIND)
    evidence = measured.evidence
    if evidence is None:
        raise UsageError(
            "the measurement does not hold what it was taken from; expected one of tfzoo.evaluate"
        )
    files: Mapping[Id, Path | Stored] = evidence.files
    if not files and images is not None:
        truth = next(iter(evidence.truths.values()))
        names = {identity: image.get("file_name", "") for identity, image in truth.images.items()}
        files = find_files(at_home(images), names)
    kinds = explain_kinds(measured)
    if not kinds:
        raise UsageError("the annotations hold no objects to be found; there is nothing to report")
    texts = files_of(measured, kinds) | {PAGE: page_of(measured, kinds, files)}
    return write_pages(folder, texts, KIND)
