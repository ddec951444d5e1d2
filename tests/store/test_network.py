"""Proxies and certificates of the environment: what can't be used is named, and no secret told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.store_faults import POLICY, make_archive, make_spec, serving
from tfzoo import network
from tfzoo.errors import DownloadError, UsageError
from tfzoo.store.fetch import fetch


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "value",
    [
        "ftp://user:secret@host:1", "http://user:secret@", "http://secret@[", "://secret",
        "http://secret@host:99999999", "http://secret@host:port", "http://secret@host:0",
    ],
)  # fmt: skip
def test_a_proxy_that_is_none_is_named_and_its_password_is_not(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=f"{name} names no proxy: expected http://") as told:
        network.open_client()
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("value", ["host", "host:3128", "http://user:p%20w@host:3128", ""])
def test_a_proxy_may_be_written_as_other_tools_take_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    network.open_client(timeout=1).close()


def test_a_socks_proxy_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@localhost:1080")
    with pytest.raises(UsageError, match=r"pip install 'httpx\[socks\]'") as told:
        network.open_client()
    assert "secret" not in str(told.value)


def test_hosts_without_a_proxy_that_can_not_be_understood_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://host:1")
    monkeypatch.setenv("NO_PROXY", "[::1")
    with pytest.raises(UsageError, match="NO_PROXY can't be understood"):
        network.open_client()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_certificates_that_can_not_be_read_are_named(
    name: str, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(name, str(path))
    with pytest.raises(UsageError, match=f"{name} is {path}, which can't be read"):
        network.open_client()


def test_a_folder_of_certificates_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    network.open_client().close()


def test_a_model_and_an_image_are_told_of_what_the_environment_has_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "gopher://host")
    with pytest.raises(UsageError, match="HTTP_PROXY names no proxy"):
        fetch(make_spec("http://127.0.0.1:9/m.tar.gz", sha256="0" * 64))
    # In a process of its own, where no client is there yet.
    program = "from tfzoo.images.reading import read_image; read_image('http://127.0.0.1:9/x.jpg')"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr
    assert "ImageError: http://127.0.0.1:9/x.jpg: can't be read: HTTP_PROXY names no" in told


def test_an_address_of_nothing_leads_to_the_next_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path))
    # What is no address at all, the manifest refuses.
    wrong = [f"http://{'a' * 300}/m.tar.gz", "http://a..b/m.tar.gz", "http://xn--a/m.tar.gz"]
    archive = make_archive(seed=1, size=300_000)
    with serving(archive) as server:
        spec = make_spec(*wrong, server.url + "/some_model.tar.gz", sha256=archive.sha256)
        assert fetch(spec, policy=POLICY).is_complete()
        with pytest.raises(DownloadError) as told:
            fetch(make_spec(*wrong, sha256="0" * 64), policy=POLICY)
    assert all(url in str(told.value) for url in wrong)
