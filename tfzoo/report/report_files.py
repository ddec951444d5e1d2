"""The report's files: `index.html`, and it as Markdown; what is not ours is not replaced."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from tfzoo.errors import MeasurementError
from tfzoo.pages import PAGE, check_pages, mark_of, write_pages
from tfzoo.report.report_page import page
from tfzoo.report.report_rows import Failure, Report, build_report
from tfzoo.report.report_text import markdown
from tfzoo.settings import at_home
from tfzoo.zoo.manifest import Manifest, load_manifest

#: What this page is, among those of ours.
_KIND = "report"
_TWIN = "index.md"
_OPTION = "--out (of tfzoo reproduce, --report)"


def write_report(
    results: str | PathLike[str] | Sequence[str | PathLike[str]] = "results",
    out: str | PathLike[str] = "report",
    *,
    manifest: Manifest | None = None,
) -> Path:
    """Writes the report of what was measured: one page that loads nothing, and it as Markdown.

    Verdicts come first, then charts, the table, and of each row the command, digests and versions
    that it was measured with. Rows of several folders, machines and runtimes are told apart by
    menus.

    Args:
        results: Results folder, or several: of several machines or runs.
        out: Folder for `index.html` and `index.md`; a report that lies there is replaced.
        manifest: Models and their reported figures; those of the packaged manifest if left out.

    Returns:
        Path of `index.html`.

    Raises:
        MeasurementError: A folder holds no measurements, or they can't be read.
        OutputError: The report can't be written, or what lies there is none.
    """
    check_out(out)
    return save_report(read_report(results, manifest=manifest), out)


def read_report(
    results: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    manifest: Manifest | None = None,
) -> Report:
    """What `write_report` writes.

    Raises:
        MeasurementError: A folder holds no measurements, or they can't be read.
    """
    given = [results] if isinstance(results, str | PathLike) else results
    # The same folder, however its path is written, is read once.
    folders = list({folder.resolve(): folder for folder in map(at_home, given)}.values())
    for folder in folders:
        if not any((folder / name).is_file() for name in ("accuracy.csv", "timing.csv")):
            raise MeasurementError(
                f"{folder} holds no measurements: neither accuracy.csv nor timing.csv is there. "
                "Name the folder that --results named, or make some with: tfzoo reproduce NAME"
            )
    return build_report(manifest or load_manifest(), folders)


def report_run(results: Path, out: Path, failures: Sequence[Failure]) -> Path:
    """Writes the report of a run of `tfzoo reproduce`, with what failed in it.

    Raises:
        MeasurementError: The measurements can't be read.
        OutputError: The report can't be written.
    """
    return save_report(build_report(load_manifest(), [results], failures), out)


def check_out(out: str | PathLike[str]) -> None:
    """Tells before the work where a report can't be written: a file of somebody else's lies there.

    Raises:
        OutputError: One does.
    """
    check_pages(out, _KIND, _OPTION, _TWIN)


def save_report(report: Report, out: str | PathLike[str]) -> Path:
    """Writes a report; gives the page's path.

    Raises:
        OutputError: It can't be written.
    """
    texts = {_TWIN: f"{mark_of(_KIND, _TWIN)}\n\n{markdown(report)}", PAGE: page(report)}
    return write_pages(out, texts, _KIND, _OPTION)
