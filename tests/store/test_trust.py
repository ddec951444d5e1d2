"""What vouches for a model, what is refused, and what is only warned of."""

import gzip
import hashlib
import http.server
import json
import logging
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import trustme

from tests.helpers.paths import ROOT
from tests.helpers.store_faults import (
    POLICY,
    Answer,
    Request,
    Server,
    check_cache,
    cut,
    known_file,
    make_archive,
    make_spec,
    pack,
    serving,
    snapshot,
    trials,
)
from tfzoo import settings
from tfzoo.errors import ArchiveError, DownloadError, OfflineError, StoreError, VerificationError
from tfzoo.store import upkeep, verify
from tfzoo.store.fetch import add, fetch
from tfzoo.store.models import describe, get_model

ARCHIVE = make_archive(seed=1, size=300_000)
OTHER = make_archive(seed=2, size=300_000)
NAME = "/some_model.tar.gz"
SAVED = "saved_model/saved_model.pb"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TFZOO_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A certificate for localhost, and the authority's bundle to trust it by."""
    ca = trustme.CA()
    bundle = tmp_path_factory.mktemp("ca") / "bundle.pem"
    ca.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return context, bundle


@pytest.fixture
def secure(
    authority: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A server over https whose certificate the environment trusts."""
    context, bundle = authority
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with serving(ARCHIVE, certificate=context) as server:
        yield server


@pytest.fixture
def plain() -> Iterator[Server]:
    with serving(ARCHIVE) as server:
        yield server


def test_plain_http_without_a_digest_is_refused_unless_allowed(
    plain: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(plain.url + NAME)
    with pytest.raises(VerificationError, match="--allow-unverified"):
        fetch(spec, policy=POLICY)
    assert plain.requests == []
    assert fetch(spec, policy=POLICY, allow_unverified=True).provenance.vouched_by == ()
    upkeep.remove(spec.id, forget=True)
    monkeypatch.setenv("TFZOO_ALLOW_UNVERIFIED", "1")
    assert fetch(spec, policy=POLICY).provenance.vouched_by == ()


def test_a_digest_in_the_manifest_vouches_for_plain_http(plain: Server) -> None:
    entry = fetch(make_spec(plain.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
    assert entry.provenance.vouched_by == ("sha256 in the manifest",)
    assert entry.provenance.digest == f"sha256:{ARCHIVE.sha256}"


def test_https_vouches_by_its_certificate(secure: Server, root: Path) -> None:
    spec = make_spec(secure.url + NAME)
    assert fetch(spec, policy=POLICY).provenance.vouched_by == ("https certificate (localhost)",)
    found = describe(spec)
    assert found is not None and found.as_dict()["vouched_by"] == ["https certificate (localhost)"]


def test_https_without_a_trusted_certificate_is_an_error(
    secure: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DownloadError, match="SSL_CERT_FILE"):
        fetch(make_spec(secure.url + NAME), policy=POLICY)
    assert check_cache(root) == []


def test_the_bundle_that_other_tools_read_is_trusted_too(
    secure: Server, authority: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority[1]))
    assert fetch(make_spec(secure.url + NAME), policy=POLICY).is_complete()


def test_the_servers_own_digest_vouches_over_https(secure: Server) -> None:
    secure.md5 = True
    entry = fetch(make_spec(secure.url + NAME), policy=POLICY)
    assert entry.provenance.vouched_by == ("server's md5 over https (localhost)",)


def test_bytes_that_differ_from_the_servers_own_digest_are_refused(
    secure: Server, root: Path
) -> None:
    secure.md5 = True
    spec = make_spec(secure.url + NAME)
    for chance in trials("bytes differ from x-goog-hash"):
        wrong = bytearray(ARCHIVE.content)
        wrong[chance.randrange(len(wrong))] ^= 1

        def tampered(request: Request, answer: Answer, body: bytes = bytes(wrong)) -> Answer:
            return replace(answer, body=body)

        secure.faults = [tampered]
        with pytest.raises(VerificationError, match="md5"):
            fetch(spec, policy=POLICY)
        assert check_cache(root) == []
    fetch(spec, policy=POLICY)
    assert len(check_cache(root, ARCHIVE)) == 1


def test_pieces_that_do_not_fit_the_servers_digest_are_fetched_anew(
    secure: Server, root: Path
) -> None:
    secure.md5 = True

    def another(request: Request, answer: Answer) -> Answer:
        return replace(answer, body=bytes(len(answer.body)))

    secure.faults = [cut(100_000), another]
    fetch(make_spec(secure.url + NAME), policy=POLICY)
    assert [request.status for request in secure.requests] == [200, 206, 200]
    assert len(check_cache(root, ARCHIVE)) == 1


def test_a_redirect_from_https_to_http_is_refused(
    secure: Server, plain: Server, root: Path
) -> None:
    def downgrade(request: Request, answer: Answer) -> Answer:
        return Answer(302, b"", {"Location": plain.url + NAME})

    secure.always = downgrade
    spec = make_spec(secure.url + NAME)
    with pytest.raises(DownloadError, match="redirects from https to http"):
        fetch(spec, policy=POLICY)
    assert plain.requests == []
    entry = fetch(spec, policy=POLICY, allow_unverified=True)
    assert entry.provenance.vouched_by == ()


def test_redirects_are_followed_and_circles_are_not(secure: Server, root: Path) -> None:
    secure.faults = [lambda request, answer: Answer(302, b"", {"Location": NAME})]
    assert fetch(make_spec(secure.url + "/moved"), policy=POLICY).is_complete()
    upkeep.remove("some_model")
    secure.always = lambda request, answer: Answer(301, b"", {"Location": request.path})
    with pytest.raises(DownloadError, match="more than 10 times"):
        fetch(make_spec(secure.url + NAME), policy=POLICY)


def test_the_digest_recorded_first_holds_for_later_downloads(secure: Server, root: Path) -> None:
    spec = make_spec(secure.url + NAME)
    fetch(spec, policy=POLICY)
    upkeep.remove(spec.id)
    secure.objects[NAME] = OTHER.content
    with pytest.raises(VerificationError) as caught:
        fetch(spec, policy=POLICY)
    assert ARCHIVE.sha256 in str(caught.value) and OTHER.sha256 in str(caught.value)
    assert "cache remove some_model --forget" in str(caught.value)
    assert check_cache(root) == []
    secure.objects[NAME] = ARCHIVE.content
    vouchers = fetch(spec, policy=POLICY).provenance.vouched_by
    assert vouchers[0] == "https certificate (localhost)"
    assert vouchers[1].startswith("digest recorded on ")
    upkeep.remove(spec.id, forget=True)
    secure.objects[NAME] = OTHER.content
    fetch(spec, policy=POLICY)
    assert len(check_cache(root, OTHER)) == 1


@pytest.mark.parametrize("kind", ["sha256", "git_blob_sha1"])
def test_known_files_that_agree_raise_trust(secure: Server, kind: str) -> None:
    content = ARCHIVE.files[f"some_model/{SAVED}"]
    spec = make_spec(secure.url + NAME, known_files=(known_file(SAVED, content, kind),))
    vouchers = fetch(spec, policy=POLICY).provenance.vouched_by
    assert vouchers[-1] == "1 of 1 files agree with public repositories"


@pytest.mark.parametrize("kind", ["sha256", "git_blob_sha1"])
def test_known_files_that_differ_are_a_warning_naming_both(secure: Server, kind: str) -> None:
    known = known_file(SAVED, b"something else", kind)
    content = ARCHIVE.files[f"some_model/{SAVED}"]
    ours = known_file(SAVED, content, kind)
    spec = make_spec(secure.url + NAME, known_files=(known,))
    with pytest.warns(UserWarning, match=f"{ours.digest}.*{known.digest}"):
        entry = fetch(spec, policy=POLICY)
    assert entry.provenance.vouched_by == ("https certificate (localhost)",)


def test_a_proxy_of_the_environment_is_used(plain: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name can't be resolved: only the proxy knows the way."""
    seen = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(ARCHIVE.content)))
            self.end_headers()
            self.wfile.write(ARCHIVE.content)

        def log_message(self, *_: object) -> None: ...

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    fetch(make_spec("http://zoo.invalid/m.tar.gz", sha256=ARCHIVE.sha256), policy=POLICY)
    assert seen == ["http://zoo.invalid/m.tar.gz"]
    upkeep.remove("some_model")
    fetch(make_spec(plain.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
    assert len(seen) == 1 and len(plain.requests) == 1
    proxy.shutdown()
    proxy.server_close()


def pass_on(near: socket.socket, far: socket.socket) -> None:
    """Passes bytes on in both directions until either side ends."""
    with suppress(OSError):
        while True:
            decrypted = near.pending() if isinstance(near, ssl.SSLSocket) else 0
            ready = [near] if decrypted else select.select([near, far], [], [])[0]
            for source, sink in ((near, far), (far, near)):
                if source in ready:
                    if not (data := source.recv(1 << 16)):
                        return
                    sink.sendall(data)


@pytest.mark.parametrize("encrypted", [False, True], ids=["http proxy", "https proxy"])
def test_https_through_a_proxys_tunnel(
    secure: Server,
    authority: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    encrypted: bool,
) -> None:
    tunnels = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            tunnels.append(self.path)
            host, _, port = self.path.partition(":")
            with socket.create_connection((host, int(port))) as far:
                self.send_response(200)
                self.end_headers()
                pass_on(self.connection, far)
            self.close_connection = True

        def log_message(self, *_: object) -> None: ...

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    if encrypted:
        proxy.socket = authority[0].wrap_socket(proxy.socket, server_side=True)
    threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
    scheme = "https" if encrypted else "http"
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://localhost:{proxy.server_address[1]}")
    secure.faults = [cut(100_000)]
    fetch(make_spec(secure.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
    assert len(check_cache(root, ARCHIVE)) == 1
    # The cut connection and its continuation.
    assert tunnels == [secure.url.removeprefix("https://")] * 2
    assert [request.status for request in secure.requests] == [200, 206]
    proxy.shutdown()
    proxy.server_close()


@pytest.mark.parametrize("place", ["/zoo/2020/some_model.tar.gz", "/some_model.tar.gz"])
def test_a_mirror_is_tried_first(
    plain: Server, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """By the path of the archive, or flat."""
    with serving() as mirror:
        mirror.objects["/base" + place] = ARCHIVE.content
        monkeypatch.setenv("TFZOO_MIRROR", mirror.url + "/base/")
        spec = make_spec(plain.url + "/zoo/2020/some_model.tar.gz", sha256=ARCHIVE.sha256)
        entry = fetch(spec, policy=POLICY)
        assert entry.provenance.source == f"{mirror.url}/base{place}"
        assert plain.requests == []


@pytest.mark.parametrize("mirror", ["no address", "ftp://mirror", "http://:x"])
def test_a_mirror_that_is_no_address_is_passed_over(
    plain: Server, monkeypatch: pytest.MonkeyPatch, mirror: str
) -> None:
    monkeypatch.setenv("TFZOO_MIRROR", mirror)
    spec = make_spec(plain.url + NAME, sha256=ARCHIVE.sha256)
    assert fetch(spec, policy=replace(POLICY, attempts=1)).provenance.source == plain.url + NAME


def test_a_mirror_is_not_told_what_an_address_asks_with(
    plain: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as mirror:
        monkeypatch.setenv("TFZOO_MIRROR", mirror.url)
        plain.objects[NAME + "?sig=S3CR"] = ARCHIVE.content
        fetch(make_spec(plain.url + NAME + "?sig=S3CR", sha256=ARCHIVE.sha256), policy=POLICY)
    assert [request.path for request in mirror.requests] == [NAME]


def test_without_the_mirror_the_sources_serve(
    plain: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as mirror:
        monkeypatch.setenv("TFZOO_MIRROR", mirror.url)
        entry = fetch(make_spec(plain.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
        assert entry.provenance.source == plain.url + NAME
        assert mirror.requests


def test_offline_downloads_nothing_but_opens_what_is_there(
    plain: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(plain.url + NAME, sha256=ARCHIVE.sha256)
    monkeypatch.setenv("TFZOO_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"tfzoo cache add some_model\.tar\.gz"):
        get_model(spec)
    assert plain.requests == []
    monkeypatch.setenv("TFZOO_OFFLINE", "0")
    fetch(spec, policy=POLICY)
    monkeypatch.setenv("TFZOO_OFFLINE", "1")
    assert get_model(spec).digest == f"sha256:{ARCHIVE.sha256}"
    assert len(plain.requests) == 1


def test_the_second_use_touches_no_network(plain: Server) -> None:
    spec = make_spec(plain.url + NAME, sha256=ARCHIVE.sha256)
    first = get_model(spec)
    plain.close()
    second = get_model(spec)
    assert first.path == second.path
    assert len(plain.requests) == 1


def test_a_shared_cache_is_searched_first_and_never_written(
    plain: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(plain.url + NAME, sha256=ARCHIVE.sha256)
    fetch(spec, policy=POLICY)
    shared = tmp_path / "shared"
    root.rename(shared)
    before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}
    nothing = tmp_path / "no such folder"
    monkeypatch.setenv("TFZOO_SHARED_CACHE", f"{nothing}:{shared}")
    model = get_model(spec)
    assert model.path.is_relative_to(shared)
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before
    assert not root.exists()
    assert len(plain.requests) == 1
    # What the shared cache lacks goes into the user's own.
    other = fetch(replace(spec, id="other", name="Other"), policy=POLICY)
    assert other.path.is_relative_to(root)


def test_an_archive_added_by_hand_is_checked_like_a_download(tmp_path: Path, root: Path) -> None:
    file = tmp_path / "some_model.tar.gz"
    file.write_bytes(ARCHIVE.content)
    spec = make_spec("https://zoo.invalid/some_model.tar.gz", sha256=ARCHIVE.sha256)
    with pytest.raises(VerificationError, match="manifest says"):
        add(replace(spec, sha256=OTHER.sha256), file)
    assert check_cache(root) == []
    entry = add(spec, file)
    assert entry.provenance.vouched_by == ("sha256 in the manifest", "added by hand")
    assert get_model(spec).path == entry.path
    with pytest.raises(StoreError, match="is no file"):
        add(spec, tmp_path / "nothing")


def test_adding_a_bad_archive_keeps_the_good_one(tmp_path: Path, root: Path) -> None:
    file = tmp_path / "some_model.tar.gz"
    file.write_bytes(ARCHIVE.content)
    spec = make_spec()
    add(spec, file)
    before = snapshot(root)
    file.write_bytes(ARCHIVE.content[:-1000])
    verify.forget(spec.id)
    with pytest.raises(ArchiveError, match="damaged"):
        add(spec, file)
    assert snapshot(root) == before


def test_a_licence_that_binds_is_named_before_the_download(
    plain: Server, caplog: pytest.LogCaptureFixture
) -> None:
    onnx = b"\x08\x07" + bytes(1000)
    plain.objects["/y.onnx"] = onnx
    spec = make_spec(
        plain.url + "/y.onnx",
        sha256=hashlib.sha256(onnx).hexdigest(),
        archive="y.onnx",
        license="AGPL-3.0",
    )
    with caplog.at_level(logging.WARNING, "tfzoo"):
        entry = fetch(spec, policy=POLICY)
    assert [record.message for record in caplog.records] == [
        "Some Model is licensed AGPL-3.0; its terms bind whoever uses or serves it"
    ]
    assert entry.path.name == "y.onnx" and entry.path.read_bytes() == onnx
    caplog.clear()
    get_model(spec)
    assert caplog.records == []


def test_a_page_instead_of_an_onnx_file_is_refused(secure: Server, root: Path) -> None:
    secure.objects["/y.onnx"] = b"<!DOCTYPE html>"
    with pytest.raises(ArchiveError, match="no ONNX model"):
        fetch(make_spec(secure.url + "/y.onnx", archive="y.onnx"), policy=POLICY)
    assert check_cache(root) == []


def test_a_bundled_model_needs_no_network(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "small.tar.gz").write_bytes(ARCHIVE.content)
    monkeypatch.setattr(settings, "PACKAGE", package)
    monkeypatch.setenv("TFZOO_OFFLINE", "1")
    spec = make_spec("bundled:small.tar.gz", sha256=ARCHIVE.sha256)
    vouchers = fetch(spec, policy=POLICY).provenance.vouched_by
    assert vouchers == ("sha256 in the manifest", "bundled with tfzoo")
    assert len(check_cache(root, ARCHIVE)) == 1


HUB = """
import os
from pathlib import Path
from tests.helpers.store_faults import POLICY, make_spec
from tfzoo.store.fetch import fetch
handle = os.environ["HANDLE"]
entry = fetch(make_spec("https://localhost:9/gone.tar.gz", "hub:" + handle), policy=POLICY)
record = entry.provenance
assert record.source == handle and record.kind == "tfhub", record
assert record.vouched_by[0] == "https certificate (localhost)", record
assert (entry.path / "saved_model.pb").read_bytes() == Path(os.environ["EXPECTED"]).read_bytes()
assert entry.damages() == []
assert os.environ.get("TFHUB_CACHE_DIR") == "elsewhere"
"""


def test_tf_hub_serves_as_the_second_source(secure: Server, tmp_path: Path, root: Path) -> None:
    """tensorflow-hub's own resolver downloads from our server, as it does from tfhub.dev."""
    if find_spec("tensorflow_hub") is None:
        pytest.skip("tensorflow-hub is not installed")
    module = make_archive(seed=5, size=1000, root=".")
    flat = pack(
        {
            path.removeprefix("./").removeprefix("saved_model/"): content
            for path, content in module.files.items()
        }
    )
    secure.objects["/team/model/1?tf-hub-format=compressed"] = flat
    (tmp_path / "expected.pb").write_bytes(module.files["./saved_model/saved_model.pb"])
    environment = {
        "HANDLE": secure.url + "/team/model/1",
        "EXPECTED": str(tmp_path / "expected.pb"),
        "TFHUB_CACHE_DIR": "elsewhere",
    }
    done = subprocess.run(
        [sys.executable, "-c", HUB],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not list((root / "downloads").rglob("*"))


def test_nobody_listens(root: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spec = make_spec(f"http://127.0.0.1:{port}/m.tar.gz", sha256=ARCHIVE.sha256)
    with pytest.raises(DownloadError, match="gave up after 5 attempts"):
        fetch(spec, policy=POLICY)
    assert check_cache(root) == []


def test_what_nothing_vouched_for_stays_so_however_often_it_is_fetched(
    plain: Server, root: Path
) -> None:
    spec = make_spec(plain.url + NAME)
    for _ in trials("nothing vouches, removed and fetched again"):
        entry = fetch(spec, policy=POLICY, allow_unverified=True)
        assert (entry.provenance.vouched_by, entry.vouchers) == ((), "nothing")
        assert get_model(spec).vouchers == "nothing"
        upkeep.remove(spec.id)
    plain.objects[NAME] = OTHER.content
    with pytest.raises(VerificationError, match="differs from the some_model"):
        fetch(spec, policy=POLICY, allow_unverified=True)


def test_what_vouches_later_counts_from_then_on(secure: Server, plain: Server) -> None:
    spec = make_spec(plain.url + NAME, secure.url + NAME)
    assert fetch(spec, policy=POLICY, allow_unverified=True).vouchers == "nothing"
    upkeep.remove(spec.id)
    assert fetch(spec, policy=POLICY).vouchers == "https certificate (localhost)"
    upkeep.remove(spec.id)
    vouchers = fetch(spec, policy=POLICY, allow_unverified=True).vouchers
    assert vouchers.startswith("digest recorded on ")


def test_manifests_with_one_id_never_share_a_model(plain: Server, root: Path) -> None:
    with serving(OTHER) as elsewhere:
        one, other = make_spec(plain.url + NAME), make_spec(elsewhere.url + NAME)
        asked = make_spec(plain.url + NAME + "?model=a"), make_spec(plain.url + NAME + "?model=b")
        for spec in asked:
            plain.objects[spec.sources[0].url.removeprefix(plain.url)] = ARCHIVE.content
        bare = make_spec(archive="one.tar.gz"), make_spec(archive="other.tar.gz")
        for spec in (one, other, *asked):
            assert describe(spec) is None
            fetch(spec, policy=POLICY, allow_unverified=True)
        for spec, archive in zip(bare, (ARCHIVE, OTHER), strict=True):
            assert describe(spec) is None
            (root.parent / "copy").write_bytes(archive.content)
            add(spec, root.parent / "copy")
        found = [get_model(spec) for spec in (one, other, *asked, *bare)]
    digests = [f"sha256:{archive.sha256}" for archive in (ARCHIVE, OTHER)]
    assert [model.digest for model in found] == [*digests, *digests[:1] * 2, *digests]
    assert len({model.path for model in found}) == len(found)
    assert len(check_cache(root, ARCHIVE, OTHER)) == len(found)
    # A manifest that gains a source means the same model.
    assert describe(make_spec("https://new.invalid/m.tar.gz", plain.url + NAME)) is not None
    upkeep.remove("some_model", forget=True)
    assert not list((root / "digests").rglob("some_model*"))


@pytest.mark.parametrize(
    "source", ["{url}", "/copied/by/hand/some_model.tar.gz", "http://mirror/some_model.tar.gz"]
)
def test_a_cache_of_old_serves_the_manifest_it_was_filled_by(
    plain: Server, root: Path, source: str
) -> None:
    spec = make_spec(plain.url + NAME)
    entry = fetch(spec, policy=POLICY, allow_unverified=True)
    record = json.loads((entry.folder / "provenance.json").read_text())
    del record["origins"]
    record["source"] = source.format(url=plain.url + NAME)
    (entry.folder / "provenance.json").write_text(json.dumps(record))
    assert describe(spec) is not None
    elsewhere = make_spec("https://zoo.invalid/other.tar.gz", archive="other.tar.gz")
    assert describe(elsewhere) is None


@pytest.mark.parametrize("known", [True, False], ids=["digest known", "no digest"])
def test_an_archive_coded_in_gzip_once_more_is_called_so(
    plain: Server, root: Path, known: bool
) -> None:
    def coded(request: Request, answer: Answer) -> Answer:
        headers = {**answer.headers, "Content-Encoding": "gzip"}
        return Answer(200, gzip.compress(ARCHIVE.content), headers)

    plain.always = coded
    spec = make_spec(plain.url + NAME, sha256=ARCHIVE.sha256 if known else None)
    for _ in trials("coded in gzip once more"):
        with pytest.raises((VerificationError, ArchiveError), match="is coded in gzip twice"):
            fetch(spec, policy=POLICY, allow_unverified=True)
    assert check_cache(root) == []


def test_an_archive_that_says_its_own_coding_is_taken_as_it_is(plain: Server, root: Path) -> None:
    """As servers that take .tar.gz for a tar which is coded in gzip say it."""
    plain.always = lambda request, answer: replace(
        answer, headers={**answer.headers, "Content-Encoding": "x-gzip"}
    )
    fetch(make_spec(plain.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
    assert len(check_cache(root, ARCHIVE)) == 1


def test_an_archive_that_was_decompressed_on_its_way_is_called_so(
    plain: Server, root: Path
) -> None:
    plain.objects[NAME] = gzip.decompress(ARCHIVE.content)
    with pytest.raises(VerificationError, match="is a plain tar: something on its way"):
        fetch(make_spec(plain.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
    plain.objects["/y.onnx"] = gzip.compress(b"\x08\x07")
    spec = make_spec(plain.url + "/y.onnx", archive="y.onnx")
    with pytest.raises(ArchiveError, match="is coded in gzip, which its name does not say"):
        fetch(spec, policy=POLICY, allow_unverified=True)
