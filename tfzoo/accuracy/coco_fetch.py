"""COCO's own images and annotations, fetched and checked as models are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfzoo import settings
from tfzoo.errors import DownloadError, OfflineError, StoreError, UsageError, VerificationError
from tfzoo.store import archive
from tfzoo.store.download import Downloaded, download, open_client
from tfzoo.store.progress import Progress, Step, ignore
from tfzoo.store.retry import Policy


@dataclass(frozen=True)
class Part:
    """An archive of a COCO folder.

    Attributes:
        name: The folder it holds, and becomes.
        url: Where it lies; plain http, so that the digest alone vouches for it.
        bytes: Its size.
        sha256: Its digest.
        keep: Which of its files are kept, by the end of their names; None keeps all.
    """

    name: str
    url: str
    bytes: int
    sha256: str
    keep: tuple[str, ...] | None = None


#: The sets that can be fetched (sizes and digests: public mirrors of cocodataset.org agree).
SETS: dict[str, tuple[Part, ...]] = {
    "val2017": (
        Part(
            "annotations",
            "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
            252_907_541,
            "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            # Those of the training set are nine tenths of it.
            keep=("instances_val2017.json", "person_keypoints_val2017.json"),
        ),
        Part(
            "val2017",
            "http://images.cocodataset.org/zips/val2017.zip",
            815_585_330,
            "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        ),
    )
}


def default_folder() -> Path:
    """Where COCO is fetched to unless said otherwise: `coco` in the cache."""
    return settings.cache_folder() / "coco"


def fetch_coco(
    name: str = "val2017",
    folder: Path | None = None,
    *,
    parts: tuple[Part, ...] | None = None,
    report: Progress = ignore,
    policy: Policy | None = None,
) -> Path:
    """Fetches a set of COCO into a folder that `tfzoo evaluate --coco` takes.

    A part appears under its name only when it is whole and its digest is right; what is there
    already is not fetched again, and a download that broke off goes on where it was.

    Args:
        name: One of `SETS`.
        folder: Where to; `coco` in the cache if left out.
        parts: What to fetch, in place of the set's own.
        report: Is told of progress.
        policy: How patient to be with a bad line.

    Returns:
        The folder.

    Raises:
        UsageError: No set goes by this name.
        OfflineError: Something is missing, and downloads are switched off.
        DownloadError, VerificationError, ArchiveError: No source gave a good copy.
        StoreError: The folder can't be written, or the disk is full.
    """
    from filelock import FileLock

    if parts is None:
        if name not in SETS:
            raise UsageError(f"no COCO set is called '{name}'; sets are {', '.join(SETS)}")
        parts = SETS[name]
    folder = default_folder() if folder is None else settings.at_home(folder).absolute()
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            for part in parts:
                if not (folder / part.name).is_dir():
                    _fetch_part(part, folder, report, policy or Policy())
    return folder


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{folder} can't be written: {error.strerror or error}. COCO's val2017 takes 1 GB, and "
            "as much again while it is unpacked; choose another folder with --to. What has arrived "
            "is kept: the same command goes on from there"
        ) from error


def _fetch_part(part: Part, folder: Path, report: Progress, policy: Policy) -> None:
    if settings.offline():
        raise OfflineError(
            f"{folder / part.name} is not there, and downloads are switched off "
            f"({settings.OFFLINE_VARIABLE} or --offline)"
        )
    downloads = folder / ".downloads" / part.name
    downloads.mkdir(parents=True, exist_ok=True)
    got = _from_any(part, downloads / "archive.part", report, policy)
    report(Step(part.name, "unpacking", part.bytes, part.bytes))
    unpacked = downloads / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    archive.unpack(got.path, unpacked)
    if part.keep is not None:
        for path in unpacked.rglob("*"):
            if path.is_file() and not path.name.endswith(part.keep):
                path.unlink()
    # The folder gets its name when it is whole: a name that is there needs no second look.
    (unpacked / part.name).rename(folder / part.name)
    shutil.rmtree(downloads)
    report(Step(part.name, "done"))


def _from_any(part: Part, place: Path, report: Progress, policy: Policy) -> Downloaded:
    """The archive from the mirror, if there is one, else from its own address."""
    mirror = settings.mirror()
    path = part.url.partition("://")[2].partition("/")[2]
    urls = [f"{mirror}/{path}", part.url] if mirror else [part.url]
    failures: list[StoreError] = []
    for url in urls:
        try:
            return _from(url, part, place, report, policy)
        except (DownloadError, VerificationError) as failure:
            failures.append(failure)
    listed = "".join(f"\n  {failure}" for failure in failures)
    # What was refused weighs more than what could not be reached.
    refused = any(isinstance(failure, VerificationError) for failure in failures)
    error = VerificationError if refused else DownloadError
    raise error(f"COCO's {part.name} could not be had from any source:{listed}")


def _from(url: str, part: Part, place: Path, report: Progress, policy: Policy) -> Downloaded:
    def told(done: int, total: int | None) -> None:
        report(Step(part.name, "downloading", done, total or part.bytes))

    for last in (False, True):
        with open_client(policy) as client:
            got = download(
                url,
                place,
                client,
                policy=policy,
                verifiable=True,
                allow_downgrade=True,
                most_bytes=part.bytes,
                report=told,
            )
        if got.sha256 == part.sha256:
            return got
        place.unlink(missing_ok=True)
        # Pieces of two objects may have been joined; one clean download tells.
        if got.in_one_piece or last:
            break
    raise VerificationError(
        f"{url} is not what it should be: {got.bytes} bytes with sha256 {got.sha256}, expected "
        f"{part.bytes} bytes with {part.sha256}. It was not kept"
    )


def fetched_folder() -> Path | None:
    """The default folder, if val2017 was fetched into it."""
    folder = default_folder()
    whole = all((folder / part.name).is_dir() for part in SETS["val2017"])
    return folder if whole else None
