"""Passwords and signatures in addresses: used to fetch, and told, written and kept nowhere."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from tests.helpers.entries import ENTRY
from tests.helpers.folders import everything, fill, stop_after
from tests.helpers.store_faults import Answer, Request, Server, cut, make_archive, serving, trial
from tfzoo.batch.folder import detect_folder
from tfzoo.cli.main import app
from tfzoo.detector import Detector
from tfzoo.errors import ArchiveError, DownloadError
from tfzoo.images.sources import find_images
from tfzoo.store.fetch import fetch
from tfzoo.store.retry import Policy
from tfzoo.zoo.manifest import load_manifest

USER, PASSWORD = "someuser", "hunter2pass"
QUERY = {
    "X-Amz-Signature": "amzSIGNATURE",
    "X-Goog-Signature": "googSIGNATURE",
    "AWSAccessKeyId": "AKIDEXAMPLE",
    "sig": "sasSIGNATURE%3D",
    "token": "tokTOKEN",
    "key": "apiKEYKEY",
}
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SECRETS = [USER, PASSWORD, BASIC, *QUERY.values(), "sasSIGNATURE="]
ASKED = "?" + "&".join(f"{name}={value}" for name, value in QUERY.items())


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFZOO_ALLOW_UNVERIFIED", "1")
    return tmp_path


@pytest.fixture
def server(place: Path) -> Iterator[Server]:
    """A server that gives what it has only to who knows the secrets."""
    with serving() as server:
        for number, image in enumerate(sorted(fill(place / "photos", 3).iterdir())):
            server.objects[f"/{number}.png{ASKED}"] = image.read_bytes()
        server.objects[f"/broken.png{ASKED}"] = b"\x89PNG\r\n\x1a\nbroken"

        def guarded(request: Request, answer: Answer) -> Answer:
            if request.headers.get("authorization") != f"Basic {BASIC}":
                return Answer(403, b"")
            if request.path.startswith("/moved"):
                return Answer(302, b"", {"Location": address(server, "3.png")})
            return answer

        server.always = guarded
        yield server


def address(server: Server, name: str) -> str:
    return server.url.replace("://", f"://{USER}:{PASSWORD}@") + f"/{name}{ASKED}"


def search(what: str, text: str) -> None:
    with trial("a place searched for passwords and signatures"):
        found = [secret for secret in SECRETS if secret in text]
        assert found == [], f"{what} tells {found}"


def search_files(folder: Path, *, but: tuple[str, ...] = ()) -> int:
    """Searches each file, unpacked where it is Parquet, and its name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in but]
    for path in files:
        text = f"{path.relative_to(folder)} {path.read_bytes().decode('latin-1')}"
        if path.suffix == ".parquet":
            table = pq.read_table(path, partitioning=None)
            text += f"{table.to_pylist()} {table.schema.metadata}"
        search(str(path), text)
    return len(files)


def run(caplog: pytest.LogCaptureFixture, *arguments: object) -> Any:
    """Runs a command, and searches what it says, and what it and all libraries log."""
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        done = CliRunner().invoke(app, list(map(str, arguments)))
    search(f"{arguments[0]}, what it prints", done.output)
    search(f"{arguments[0]}, what it logs", caplog.text)
    search(f"{arguments[0]}, its error", str(done.exception))
    return done


def test_a_run_tells_no_secret_of_the_addresses_that_it_detects(
    server: Server, onnx_model: Path, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.objects[f"/3.png{ASKED}"] = server.objects[f"/0.png{ASKED}"]
    names = ["0.png", "gone.png", "broken.png", "1.png", "moved.png"]
    (place / "list.txt").write_text("\n".join(address(server, name) for name in names))
    given = [
        place / "list.txt",
        address(server, "2.png"),
        "http://user:x@127.0.0.1:1/a.png?token=1",
    ]
    given[2] = given[2].replace("user:x", f"{USER}:{PASSWORD}").replace("=1", f"={QUERY['token']}")
    out = place / "out"
    options = ("--model", onnx_model, "--out", out, "--json", "--no-prepare")
    assert run(caplog, "detect", *given, *options).exit_code == 1
    rows = [
        row for part in (out / "parts/images").iterdir() for row in pq.read_table(part).to_pylist()
    ]
    assert [row["error"] is None for row in rows] == [True, False, False, True, True, True, False]
    assert len({row["file_name"] for row in rows}) == len({row["path"] for row in rows}) == 7
    assert len(list((out / "annotated").rglob("*.png*"))) == 4
    assert search_files(out) >= 10
    for changed in ("--resume", "--min-score=0.5", "--overwrite"):
        run(caplog, "detect", *given, *options, changed)
    again = run(caplog, "detect", *given, *options, "--resume", "--min-score", "0.9")
    assert "begun with other settings" in str(again.exception)
    run(caplog, "detect", address(server, "gone.txt"), "--model", address(server, "m.tar.gz"))
    search_files(place, but=("list.txt",))


def test_a_run_stopped_and_resumed_finds_its_whole_addresses_again(
    server: Server, watched: Detector, place: Path
) -> None:
    (place / "list.txt").write_text("\n".join(address(server, f"{n}.png") for n in (0, 1, 2, 1)))
    detect_folder(place / "list.txt", watched, place / "whole")
    with pytest.raises(KeyboardInterrupt):
        detect_folder(place / "list.txt", watched, place / "out", on_progress=stop_after(2))
    summary = detect_folder(place / "list.txt", watched, place / "out", resume=True)
    assert (summary.images, summary.resumed, summary.failed) == (4, 2, 0)
    assert everything(place / "out") == everything(place / "whole")


def test_an_address_that_is_no_longer_among_the_sources_is_told(
    server: Server, watched: Detector, place: Path
) -> None:
    (place / "list.txt").write_text("\n".join(address(server, f"{n}.png") for n in (0, 1, 2)))
    with pytest.raises(KeyboardInterrupt):
        detect_folder(place / "list.txt", watched, place / "out", on_progress=stop_after(1))
    text = (place / "list.txt").read_text()
    (place / "list.txt").write_text(text.replace("1.png?X-Amz-Signature=amz", "1.png?fresh="))
    summary = detect_folder(place / "list.txt", watched, place / "out", resume=True)
    assert (summary.images, summary.failed) == (3, 1)
    assert "not among the sources as it was" in (place / "out/errors.jsonl").read_text()


def test_two_addresses_that_differ_in_what_they_hide_are_two_images(server: Server) -> None:
    one, two = (f"{address(server, '0.png')}&v={value}" for value in ("aaaa", "bbbb"))
    assert len({image.name for image in find_images([one, two])}) == 2


def test_fetching_a_model_tells_no_secret_of_its_sources(
    server: Server, place: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(size=50_000)
    server.objects |= {
        f"/damaged.tar.gz{ASKED}": archive.content[:-100],
        f"/mine.tar.gz{ASKED}": archive.content,
    }
    names = ("gone.tar.gz", "damaged.tar.gz", "mine.tar.gz")
    sources = [{"kind": "archive", "url": address(server, name)} for name in names]
    entry = {**ENTRY, "sources": sources}
    (place / "mine.yaml").write_text(
        yaml.safe_dump({"references": {"me": {"title": "me"}}, "models": [entry]})
    )
    monkeypatch.setenv("TFZOO_MANIFEST", str(place / "mine.yaml"))
    spec = load_manifest().find("mine")
    server.always, guarded = cut(20_000), server.always
    with pytest.raises((DownloadError, ArchiveError)) as caught:
        fetch(spec, policy=Policy(attempts=1, backoff_s=0.01))
    search("the error of a fetch", str(caught.value))
    assert list((place / "cache").rglob("*.part.json"))
    search_files(place, but=("mine.yaml",))
    server.always = guarded
    assert run(caplog, "fetch", "mine").exit_code == 0
    for command in ("info mine", "info mine --json", "cache list --json", "cache verify"):
        assert run(caplog, *command.split()).exit_code == 0
    (record,) = (place / "cache").rglob("provenance.json")
    assert "://***@127.0.0.1" in record.read_text()
    monkeypatch.setenv("TFZOO_MIRROR", address(server, "mirror"))
    run(caplog, "cache", "remove", "mine", "--forget")
    run(caplog, "fetch", "mine", "--json")
    search_files(place, but=("mine.yaml",))
