"""Fetching a model: its sources in order, each download verified, unpacked and published."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from urllib.parse import urlsplit

from tfzoo import settings
from tfzoo.errors import (
    ArchiveError,
    DownloadError,
    OfflineError,
    StoreError,
    TfzooError,
    VerificationError,
)
from tfzoo.outside import public, shown
from tfzoo.store import archive, cache, folders, hub, verify
from tfzoo.store.cache import Entry
from tfzoo.store.digests import file_digest, short, tree_digest
from tfzoo.store.download import Downloaded, download, most_bytes, open_client
from tfzoo.store.progress import Progress, Step, ignore
from tfzoo.store.provenance import CONTENT, FileRecord, Origin, origins_of
from tfzoo.store.retry import Policy
from tfzoo.store.sound import check_unpacked
from tfzoo.store.unpacked import find_model, unpack_model
from tfzoo.threads import Workers
from tfzoo.zoo.schema import SINGLE_FILES, ModelSpec

_log = logging.getLogger("tfzoo.store")
_PERMISSIVE = {"Apache-2.0", "BSD-3-Clause", "MIT"}


def fetch(
    spec: ModelSpec,
    *,
    offline: bool | None = None,
    allow_unverified: bool | None = None,
    report: Progress = ignore,
    policy: Policy | None = None,
) -> Entry:
    """A model in the cache, downloaded if no cache has it.

    Args:
        spec: The model.
        offline: Forbids downloads; None asks the environment.
        allow_unverified: Accepts bytes that nothing vouches for; None asks the environment.
        report: Is told of progress.
        policy: How patient to be with a bad line.

    Raises:
        OfflineError: It is in no cache, and downloads are switched off.
        DownloadError, VerificationError, ArchiveError: No source gave a good copy.
        StoreError: The cache can't be written, or the disk is full.
    """
    if entry := cache.find(spec):
        entry.mark_used()
        return entry
    root = settings.cache_folder()
    waiting = Step(spec.id, "waiting")
    with cache.writing(root), cache.lock(spec.id, lambda: report(waiting)):
        # Another process may have fetched it while this one waited.
        if (entry := cache.find(spec)) is None:
            folders.sweep(cache.model_folder(root, spec.id))
            entry = _Fetching(
                spec,
                root,
                settings.allow_unverified() if allow_unverified is None else allow_unverified,
                report,
                policy or Policy(),
            ).run(settings.offline() if offline is None else offline)
            shutil.rmtree(_downloads(root, spec), ignore_errors=True)
    report(Step(spec.id, "done"))
    return entry


def fetch_all(
    specs: Sequence[ModelSpec],
    *,
    jobs: int = 3,
    offline: bool | None = None,
    allow_unverified: bool | None = None,
    report: Progress = ignore,
) -> Iterator[tuple[ModelSpec, Entry | TfzooError]]:
    """Fetches several models, a few at a time; gives each with its entry or error when done.

    Args:
        specs: The models.
        jobs: How many at a time.
        offline: See `fetch`.
        allow_unverified: See `fetch`.
        report: Is told of progress, from several threads.
    """
    stopped = threading.Event()

    def report_until_stopped(step: Step) -> None:
        # Whoever interrupts the program must not wait for downloads nobody wants any more.
        if stopped.is_set():
            raise KeyboardInterrupt
        report(step)

    def fetch_one(spec: ModelSpec) -> Entry | TfzooError:
        try:
            return fetch(
                spec,
                offline=offline,
                allow_unverified=allow_unverified,
                report=report_until_stopped,
            )
        except TfzooError as error:
            return error

    if len(specs) == 1:  # In this thread, where an interrupt is felt at once.
        (spec,) = specs
        yield spec, fetch_one(spec)
        return
    pool = Workers(jobs, "fetch")
    try:
        pending = {pool.submit(fetch_one, spec): spec for spec in specs}
        for done in as_completed(pending):
            yield pending[done], done.result()
    finally:
        stopped.set()
        pool.close()


def add(spec: ModelSpec, path: Path) -> Entry:
    """Puts a local copy of a model's archive into the cache.

    Raises:
        VerificationError: It differs from the manifest's or the recorded digest.
        ArchiveError: It is damaged, hostile or holds no model.
        ModelFormatError: The model in it is damaged.
        StoreError: The cache can't be written.
    """
    root = settings.cache_folder()
    if not path.is_file():
        raise StoreError(f"{path} is no file; expected {spec.archive}")
    with cache.writing(root), cache.lock(spec.id):
        folders.sweep(cache.model_folder(root, spec.id))
        fetching = _Fetching(spec, root, True, ignore, Policy())
        return fetching.from_file(path, "added", "added by hand")


def unpack_local(path: Path, digest: str) -> Entry:
    """An archive that no manifest lists, unpacked into the cache once.

    Args:
        path: The archive.
        digest: Its `sha256:...`.

    Raises:
        ArchiveError: It is damaged, hostile or holds no model.
        StoreError: The cache can't be written.
    """
    root = settings.cache_folder()
    parent = cache.local_folder(root, path)
    with cache.writing(root), cache.lock(f"local-{parent.name}"):
        if entry := cache.find_local(path, digest):
            return entry
        folders.sweep(parent)
        origin = Origin(str(path), "added", digest, path.stat().st_size, ())

        def build(folder: Path) -> None:
            model, files = unpack_model(path, folder / CONTENT)
            check_unpacked(model, folder / CONTENT, path.name)
            origin.record(parent.name, folder, model, files).write(folder)

        return cache.opened(folders.publish(parent / short(digest), build))


class _Fetching:
    """One model on its way into the cache, under its lock."""

    def __init__(
        self, spec: ModelSpec, root: Path, unverified: bool, report: Progress, policy: Policy
    ) -> None:
        self.spec = spec
        self.root = root
        self.unverified = unverified
        self.report = report
        self.policy = policy
        self.origins = origins_of(spec)
        self.single_file = Path(spec.archive).suffix in SINGLE_FILES

    def run(self, offline: bool) -> Entry:
        """Tries the sources in order until one gives a good copy."""
        failures: list[StoreError] = []
        # What lies in the package needs no network: it comes before any mirror.
        sources = sorted(self._sources(), key=lambda source: source[0] != "bundled")
        if offline:
            sources = [source for source in sources if source[0] == "bundled"]
        elif self.spec.license not in {*_PERMISSIVE, ""}:
            _log.warning(
                "%s is licensed %s; its terms bind whoever uses or serves it",
                shown(self.spec.name),
                shown(self.spec.license),
            )
        ways = {"bundled": self._from_package, "tfhub": self._from_hub, "archive": self._from_url}
        for kind, url in sources:
            try:
                return ways[kind](url)
            except (DownloadError, VerificationError, ArchiveError) as failure:
                _log.info("%s: %s", public(url), failure)
                failures.append(failure)
        raise self._failed(failures, offline)

    def _sources(self) -> Iterator[tuple[str, str]]:
        """Kind and address of the mirror's archive, then of the manifest's sources."""
        if mirror := settings.mirror():
            urls = [source.url for source in self.spec.sources if source.kind == "archive"]
            # What an address asks with is its own server's.
            paths = [url.partition("?")[0].partition("://")[2].partition("/")[2] for url in urls]
            for path in dict.fromkeys((*paths, self.spec.archive)):
                yield "archive", f"{mirror}/{path}"
        yield from ((source.kind, source.url) for source in self.spec.sources)

    def _failed(self, failures: list[StoreError], offline: bool) -> StoreError:
        listed = "".join(f"\n  {failure}" for failure in failures)
        if offline:
            return OfflineError(
                f"{self.spec.id} is in no cache, and downloads are switched off "
                f"({settings.OFFLINE_VARIABLE} or --offline). Fetch it with a network: tfzoo fetch "
                f"{self.spec.id}; or bring its archive: tfzoo cache add {self.spec.archive}{listed}"
            )
        # What was refused weighs more than what could not be reached.
        worst = next(
            (
                kind
                for kind in (VerificationError, ArchiveError)
                if any(isinstance(failure, kind) for failure in failures)
            ),
            DownloadError,
        )
        return worst(f"{self.spec.id} could not be had from any source:{listed or ' it has none'}")

    def _from_package(self, relative: str) -> Entry:
        path = settings.PACKAGE / relative
        if not path.is_file():
            raise DownloadError(f"{relative} is not in this installation of tfzoo")
        return self.from_file(path, "bundled", "bundled with tfzoo")

    def from_file(self, path: Path, kind: str, by: str) -> Entry:
        """Publishes a copy of the archive that lies on this disk."""
        digest = f"sha256:{file_digest(path)}"
        vouched = (*self._checked(path, digest), by)
        return self._unpack(
            path, self._origin(str(path), kind, digest, path.stat().st_size, vouched)
        )

    def _from_url(self, url: str) -> Entry:
        self._check_scheme(url)
        known = verify.recorded(self.spec.id, "archive", self.origins)
        name = hashlib.sha256(url.encode()).hexdigest()[:12]
        part = _downloads(self.root, self.spec) / f"{name}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        for last in (False, True):
            with open_client(self.policy) as client:
                got = download(
                    url,
                    part,
                    client,
                    policy=self.policy,
                    verifiable=self.spec.sha256 is not None or known is not None,
                    allow_downgrade=self.unverified,
                    room=0.0 if self.single_file else 1.0,
                    most_bytes=most_bytes(self.spec.download_mb),
                    report=lambda done, total: self.report(
                        Step(self.spec.id, "downloading", done, total)
                    ),
                )
            try:
                return self._verified(got, url)
            except (VerificationError, ArchiveError):
                part.unlink(missing_ok=True)
                # Pieces of two objects may have been joined; one clean download tells.
                if got.in_one_piece or last:
                    raise
        raise AssertionError("unreachable: the loop returns or raises")

    def _verified(self, got: Downloaded, url: str) -> Entry:
        digest = f"sha256:{got.sha256}"
        vouched = self._checked(got.path, digest)
        if got.secure:
            way = "server's md5 over https" if got.server_md5 else "https certificate"
            vouched.insert(1 if self.spec.sha256 else 0, f"{way} ({got.host})")
        return self._unpack(got.path, self._origin(url, "archive", digest, got.bytes, vouched))

    def _checked(self, path: Path, digest: str) -> list[str]:
        """What vouches for an archive by its digest; one that was coded on its way is told so."""
        try:
            return verify.check_digest(self.spec, digest, of="archive")
        except VerificationError as error:
            if coded := archive.told_of_coding(path, self.spec.archive):
                raise VerificationError(f"{error}. It {coded}") from None
            raise

    def _origin(
        self, source: str, kind: str, digest: str, size: int, vouched: Sequence[str]
    ) -> Origin:
        return Origin(source, kind, digest, size, tuple(vouched), self.origins)

    def _from_hub(self, handle: str) -> Entry:
        self._check_scheme(handle)
        if self.spec.sha256 is not None and not self.unverified:
            raise VerificationError(
                f"{handle}: TF Hub packs models anew, so the manifest's digest can't vouch for "
                "them (to accept it all the same: --allow-unverified)"
            )
        self.report(Step(self.spec.id, "downloading"))
        downloads = _downloads(self.root, self.spec) / "tfhub"
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir(parents=True)
        try:
            return self._resolved(handle, downloads)
        finally:
            # Beside a module the resolver writes down its address, with all that it hides.
            shutil.rmtree(downloads, ignore_errors=True)

    def _resolved(self, handle: str, downloads: Path) -> Entry:
        most = most_bytes(self.spec.download_mb)
        model = find_model(hub.resolve(handle, downloads, self.policy, most))
        files = archive.records(model)
        digest = f"sha256:{tree_digest(files)}"
        vouched = verify.check_digest(self.spec, digest, of="tfhub")
        if handle.startswith("https:"):
            vouched.insert(0, f"https certificate ({urlsplit(handle).hostname})")
        size = sum(file.bytes for file in files.values())
        origin = self._origin(handle, "tfhub", digest, size, vouched)

        def build(folder: Path) -> None:
            content = folder / CONTENT / "saved_model"
            content.parent.mkdir()
            model.rename(content)
            placed = {f"saved_model/{path}": file for path, file in files.items()}
            self._write_record(folder, content, placed, origin)

        return self._publish(origin, build)

    def _check_scheme(self, url: str) -> None:
        if url.startswith("https:") or self.spec.sha256 is not None or self.unverified:
            return
        raise VerificationError(
            f"{url} is plain http and the manifest has no digest of {self.spec.archive}: nothing "
            "would vouch for the bytes (to accept them all the same: --allow-unverified)"
        )

    def _unpack(self, path: Path, origin: Origin) -> Entry:
        self.report(Step(self.spec.id, "unpacking", origin.bytes, origin.bytes))

        def build(folder: Path) -> None:
            content = folder / CONTENT
            if self.single_file:
                model = content / self.spec.archive
                files = {model.name: archive.place_file(path, model, origin.digest)}
            else:
                model, files = unpack_model(path, content)
            self._write_record(folder, model, files, origin)

        return self._publish(origin, build)

    def _write_record(
        self, folder: Path, model: Path, files: dict[str, FileRecord], origin: Origin
    ) -> None:
        found = {folder / CONTENT / path: file for path, file in files.items()}
        further = verify.check_known_files(self.spec, model, found)
        record = origin.record(self.spec.id, folder, model, files, (further,) if further else ())
        record.write(folder)

    def _publish(self, origin: Origin, build: Callable[[Path], None]) -> Entry:
        place = cache.place_of(self.root, self.spec, origin.digest)
        entry = cache.opened(folders.publish(place, build))
        record = entry.provenance
        of = "tfhub" if origin.kind == "tfhub" else "archive"
        what = verify.Recorded(
            record.digest, of, record.date, record.source, bool(record.vouched_by), self.origins
        )
        verify.record(self.spec.id, what)
        return entry


def _downloads(root: Path, spec: ModelSpec) -> Path:
    return root / "downloads" / spec.id
