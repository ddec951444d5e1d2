"""A source that is slow in all, or has no end, is left for the next: each in its own way."""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
import trustme

from tests.helpers.slow_servers import BROKEN, ENDLESS, SLOW, head, speaking
from tests.helpers.store_faults import (
    POLICY,
    TRIALS,
    Answer,
    Request,
    Server,
    check_cache,
    make_archive,
    make_spec,
    serving,
    trial,
)
from tfzoo.errors import DownloadError
from tfzoo.store import download, hub
from tfzoo.store.fetch import fetch, fetch_all

ARCHIVE = make_archive(seed=1, size=100_000)
NAME = "/some_model.tar.gz"
#: One stall is enough; a good server on a busy machine is faster than this.
HASTY = replace(POLICY, timeout_s=0.8, longest_stall_s=0.5)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache; and few certificates, since reading all of the machine's takes long."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "bundle.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def good() -> Iterator[Server]:
    with serving(ARCHIVE) as server:
        yield server


def test_a_bad_source_is_left_for_the_next(
    good: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All kinds at once, since they do little but wait."""
    # A limit of its own, or the endless ones would take a while to fill the disk.
    monkeypatch.setattr(download, "MOST_BYTES", 20_000_000)
    bad = SLOW | ENDLESS | BROKEN

    def leave(name: str, manner: str) -> None:
        with trial(f"first source: {manner}"), speaking(bad[manner]) as first:
            sources = (first + NAME, good.url + NAME)
            # The good one, too, has to answer beside all others.
            policy = replace(HASTY, timeout_s=1.5)
            entry = fetch(make_spec(*sources, sha256=ARCHIVE.sha256, id=name), policy=policy)
            assert entry.provenance.source == good.url + NAME

    with ThreadPoolExecutor(len(bad)) as pool:
        for number in range(TRIALS):
            begun = time.monotonic()
            names = [f"model_{number}_{kind}" for kind in range(len(bad))]
            list(pool.map(leave, names, bad))
            assert time.monotonic() - begun < 60
    assert len(check_cache(root, ARCHIVE)) == TRIALS * len(bad)


@pytest.mark.parametrize("manner", ["a length that lies", "chunks without an end"])
def test_what_the_manifest_says_of_the_size_bounds_a_download(
    manner: str, good: Server, root: Path
) -> None:
    with speaking(ENDLESS[manner]) as bad:
        spec = make_spec(bad + NAME, sha256=ARCHIVE.sha256, download_mb=1.5)
        with pytest.raises(DownloadError, match="where by what is known of it the file has 5 MB"):
            fetch(spec, policy=POLICY)
    # Nothing of it is kept.
    assert not list((root / "downloads").rglob("*.part"))


def test_a_file_of_twice_the_size_that_is_known_of_it_is_taken(good: Server, root: Path) -> None:
    assert download.most_bytes(None) == download.MOST_BYTES == 8 * 10**9
    spec = make_spec(good.url + NAME, sha256=ARCHIVE.sha256, download_mb=len(ARCHIVE.content) / 2e6)
    fetch(spec, policy=POLICY)
    assert len(check_cache(root, ARCHIVE)) == 1


def test_a_slow_source_says_how_slow_it_was(root: Path) -> None:
    for manner, reason in (
        ("a body byte by byte", r"stalled at \d+ bytes a second"),
        ("a head byte by byte", r"no answer within 0\.8 s"),
    ):
        with speaking(SLOW[manner]) as bad, pytest.raises(DownloadError, match=reason):
            fetch(make_spec(bad + NAME, sha256=ARCHIVE.sha256), policy=HASTY)


def test_a_line_that_breaks_again_and_again_but_is_fast_enough_is_kept_to(
    good: Server, root: Path
) -> None:
    """Ten pieces, far more than the failures in a row that are borne."""
    piece = len(ARCHIVE.content) // 10 + 1
    with serving(ARCHIVE) as server:
        server.faults = [
            lambda request, answer: replace(answer, cut_after=min(piece, len(answer.body)))
        ] * 9
        fetch(make_spec(server.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
        assert len(server.requests) == 10
    assert len(check_cache(root, ARCHIVE)) == 1


def test_what_a_slow_source_had_sent_is_gone_on_with(root: Path) -> None:
    with serving(ARCHIVE) as server:
        half = len(ARCHIVE.content) // 2

        def stall(request: Request, answer: Answer) -> Answer:
            return replace(answer, stall_after=half, stall_s=3.0)

        server.faults = [stall]
        spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
        fetch(spec, policy=replace(HASTY, longest_stall_s=60))
        assert [request.status for request in server.requests] == [200, 206]


def test_a_stalled_line_over_tls_leaves_nothing_but_the_files_own_bytes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is shut within a record gives nothing that is not decrypted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(ARCHIVE, certificate=context) as server:

        def stall(request: Request, answer: Answer) -> Answer:
            return replace(answer, stall_after=0 if request.range_start else 40_000, stall_s=3.0)

        def broken_off(number: int) -> bytes:
            place = tmp_path / f"part {number}"
            with (
                trial("stalled over TLS"),
                download.open_client(HASTY) as client,
                pytest.raises(DownloadError, match=r"no answer|stalled at"),
            ):
                download.download(server.url + NAME, place, client, policy=HASTY)
            return place.read_bytes()

        server.always = stall
        with ThreadPoolExecutor(5) as pool:
            for kept in pool.map(broken_off, range(TRIALS)):
                assert ARCHIVE.content.startswith(kept)
                assert len(kept) > 16_000


def test_whoever_stops_fetching_waits_for_no_server(root: Path) -> None:
    with speaking(SLOW["no answer"]) as bad, serving(ARCHIVE) as server:
        specs = [
            make_spec(bad + NAME, sha256=ARCHIVE.sha256, id="slow"),
            make_spec(server.url + NAME, sha256=ARCHIVE.sha256),
        ]
        fetching = fetch_all(specs)
        assert next(fetching)[0].id == "some_model"
        begun = time.monotonic()
        with trial("stopped while a server does not answer"):
            assert isinstance(fetching, Generator)
            fetching.close()
            assert time.monotonic() - begun < 30


def resolver(resolve: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("tensorflow_hub")
    module.__spec__ = ModuleSpec("tensorflow_hub", None)
    module.resolve = resolve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflow_hub", module)


def test_tf_hubs_resolver_is_watched_by_what_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    quick = replace(HASTY, timeout_s=0.3)

    def slow(handle: str) -> str:
        (tmp_path / "part").write_bytes(bytes(100))
        time.sleep(5)
        return str(tmp_path)

    resolver(slow, monkeypatch)
    with pytest.raises(DownloadError, match=r"stalled at \d+ bytes a second"):
        hub.resolve("https://host/m", tmp_path, quick, 1000)

    def endless(handle: str) -> str:
        (tmp_path / "part").write_bytes(bytes(3_000_000))
        time.sleep(5)
        return str(tmp_path)

    resolver(endless, monkeypatch)
    with pytest.raises(DownloadError, match="more than 2 MB"):
        hub.resolve("https://host/m", tmp_path, quick, 2_000_000)

    def steady(handle: str) -> str:
        for i in range(6):
            (tmp_path / "part").write_bytes(bytes(10_000 * (i + 1)))
            time.sleep(0.1)
        return str(tmp_path / "module")

    resolver(steady, monkeypatch)
    assert hub.resolve("https://host/m", tmp_path, quick, 10**9) == tmp_path / "module"


def test_the_head_of_an_answer_is_whole_in_time_redirects_included(root: Path) -> None:
    """Each hop alone is quick enough."""

    def hop(connection: socket.socket) -> None:
        time.sleep(0.3)
        connection.sendall(head("Location: /again", "Content-Length: 0", status="302 Found"))

    begun = time.monotonic()
    with speaking(hop) as bad, pytest.raises(DownloadError, match=r"no answer within 0\.8 s"):
        fetch(make_spec(bad + NAME, sha256=ARCHIVE.sha256), policy=HASTY)
    assert time.monotonic() - begun < 20
