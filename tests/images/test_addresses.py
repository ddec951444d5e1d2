"""What lies behind an address comes in time and within bounds, or is a reason; others go on."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.slow_servers import BROKEN, ENDLESS, SLOW, Manner, bomb, coded, head, speaking
from tests.helpers.store_faults import trials
from tfzoo.errors import ImageError
from tfzoo.images import addresses
from tfzoo.images.addresses import open_image, open_regular, opened
from tfzoo.images.reading import read_image

PNG = bomb(8)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """For those that are about waiting alone: a busy machine keeps a good server waiting too."""
    monkeypatch.setenv("TFZOO_SPEED_TIME", "0.3")
    monkeypatch.setenv("TFZOO_IMAGE_TIME", "1.0")


def reason(address: str) -> str:
    """Why the image behind an address can't be had."""
    with pytest.raises(ImageError) as caught:
        read_image(address)
    assert str(caught.value).startswith(address)
    return str(caught.value)


@pytest.mark.usefixtures("hasty")
def test_every_bad_server_is_a_reason_in_time_all_of_them_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(addresses, "MAX_FETCHED_BYTES", 20 << 20)
    bad = SLOW | ENDLESS | BROKEN
    for _ in trials("a bad server of images"):
        with ThreadPoolExecutor(len(bad)) as pool:
            begun = time.monotonic()
            reasons = dict(zip(bad, pool.map(_reason_of, bad.values()), strict=True))
            assert time.monotonic() - begun < 150
        for manner in SLOW:
            assert re.search("no answer (within|in time)|stalled at", reasons[manner])
        for manner in ("a length that lies", "a body without an end", "chunks without an end"):
            assert "larger than 20 MiB" in reasons[manner]


def _reason_of(manner: Manner) -> str:
    with speaking(manner) as address:
        return reason(f"{address}/a.png")


@pytest.mark.usefixtures("hasty")
def test_an_image_that_comes_fast_enough_but_has_no_end_takes_its_time_and_no_more() -> None:
    def steady(connection: socket.socket) -> None:
        connection.sendall(head())
        while True:
            connection.sendall(bytes(2000))
            time.sleep(0.02)

    with speaking(steady) as address:
        begun = time.monotonic()
        assert "took longer than 1 s" in reason(f"{address}/a.png")
        assert time.monotonic() - begun < 15


@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_comes_coded_is_refused_before_it_is_unpacked(times: int) -> None:
    codings = ["gzip"] * times
    with speaking(coded(PNG, *codings)) as address:
        for _ in trials(f"an image coded {times} times"):
            assert f"sends it coded ({', '.join(codings)})" in reason(f"{address}/a.png")


def test_what_says_that_it_is_not_coded_is_taken() -> None:
    answer = head("Content-Encoding: Identity", f"Content-Length: {len(PNG)}") + PNG
    with speaking(lambda connection: connection.sendall(answer)) as address:
        assert read_image(f"{address}/a.png").shape == (8, 8, 3)
    with addresses._line() as line:
        assert line.client.headers["Accept-Encoding"] == "identity"


def test_a_connection_is_used_again_and_a_bad_server_spoils_no_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TFZOO_SPEED_TIME", "3")
    opened_connections = []

    def lasting(connection: socket.socket) -> None:
        opened_connections.append(connection)
        while True:
            connection.sendall(head(f"Content-Length: {len(PNG)}") + PNG)
            if not connection.recv(1 << 16):
                return

    with speaking(lasting) as address, speaking(SLOW["a body byte by byte"]) as bad:
        for _ in range(5):
            assert read_image(f"{address}/a.png").shape == (8, 8, 3)
        assert len(opened_connections) == 1
        reason(f"{bad}/a.png")
        assert read_image(f"{address}/a.png").shape == (8, 8, 3)


def test_a_large_file_waits_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    body = os.urandom(300_000)
    answer = head(f"Content-Length: {len(body)}") + body
    for held in (1_000_000, 300_000, 299_999, 1000, 0):
        monkeypatch.setattr(addresses, "HELD_BYTES", held)
        with speaking(lambda connection: connection.sendall(answer)) as address:
            with opened(f"{address}/a.png") as file:
                assert file.read() == body
                on_disk = hasattr(file, "raw")
            assert on_disk == (held < len(body))


KINDS = ("pipe", "socket", "folder", "/dev/zero", "/dev/random", "/dev/null")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_not_waited_for_by_whatever_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    listening = socket.socket(socket.AF_UNIX)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        listening.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path(kind)
    (tmp_path / "link.png").symlink_to(path)
    (tmp_path / "link of a link.png").symlink_to("link.png")
    named = [path, tmp_path / "link.png", tmp_path / "link of a link.png"]
    for one in [*map(str, named), *(one.as_uri() for one in named)]:
        for _ in trials(f"no file but a {kind}"):
            with pytest.raises(ImageError, match=r"a folder, not an image|a pipe or device"):
                read_image(one)
    listening.close()


def test_a_file_without_a_size_is_empty_whatever_it_would_say(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    for name in ("/proc/self/status", str(tmp_path / "empty.png")):
        with pytest.raises(ImageError, match="the file is empty"):
            open_image(name)
    open_regular(str(tmp_path / "empty.png")).close()


@pytest.mark.usefixtures("hasty")
def test_a_file_system_that_does_not_answer_is_a_reason_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()

    def hang(address: str) -> None:
        gate.wait(60)
        raise OSError("at last")

    monkeypatch.setattr(addresses, "file_system", hang)
    monkeypatch.setenv("TFZOO_IMAGE_TIME", "0.2")
    begun = time.monotonic()
    assert "took longer than 0.2 s" in reason("s3://bucket/a.png")
    assert time.monotonic() - begun < 30
    gate.set()
