"""Servers that keep a client waiting, each in its own way; they speak byte by byte."""

from __future__ import annotations

import io
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: What a server does with a connection, once the request has come.
Manner = Callable[[socket.socket], None]

#: Seconds between two drops; no window of a test is as short.
_DROP_S = 0.02


@contextmanager
def speaking(manner: Manner) -> Iterator[str]:
    """A server of this manner, at the address that is given."""
    over = threading.Event()
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    connections: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while not over.is_set():
                connection, _ = server.accept()
                connections.append(connection)
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(1 << 16)
            manner(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        for one in (server, *connections):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def head(*lines: str, status: str = "200 OK") -> bytes:
    """The head of an answer."""
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode()


def _drip(first: bytes, drop: bytes) -> Manner:
    def manner(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(drop)
            time.sleep(_DROP_S)

    return manner


def _flood(first: bytes, block: bytes) -> Manner:
    def manner(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(block)

    return manner


def _say(answer: bytes) -> Manner:
    return lambda connection: connection.sendall(answer)


def _silent(connection: socket.socket) -> None:
    time.sleep(30)


_CHUNKED = head("Transfer-Encoding: chunked")
_MEBIBYTE = bytes(1 << 20)

#: Those that hold a client for ever that waits for each read alone.
SLOW: dict[str, Manner] = {
    "no answer": _silent,
    "a head byte by byte": _drip(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "a status line byte by byte": _drip(b"HTTP/1.1 200 ", b"O"),
    "a header now and then": _drip(b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
    "answers that are none yet": _drip(b"", head(status="100 Continue")),
    "a body byte by byte": _drip(head("Content-Length: 1000000"), b"a"),
    "a body without a length byte by byte": _drip(head(), b"a"),
    "chunks byte by byte": _drip(_CHUNKED, b"1\r\na\r\n"),
    "the length of a chunk without end": _drip(_CHUNKED, b"0"),
    "silence within the body": _drip(head("Content-Length: 1000000") + b"a", b""),
}

#: Those that have no end.
ENDLESS: dict[str, Manner] = {
    "a length that lies": _say(head("Content-Length: 9000000000000") + b"a"),
    "a body without an end": _flood(head(), _MEBIBYTE),
    "chunks without an end": _flood(_CHUNKED, b"100000\r\n" + _MEBIBYTE + b"\r\n"),
    "a head without an end": _flood(b"HTTP/1.1 200 OK\r\nX: ", b"a" * 4096),
    "redirects without an end": _say(
        head("Location: /again", "Content-Length: 0", status="302 Found")
    ),
    "redirects, each with a body without an end": _flood(
        head("Location: /again", status="302 Found"), _MEBIBYTE
    ),
}

#: Those that end before their time, time and again.
BROKEN: dict[str, Manner] = {
    "closed at once": _say(b""),
    "closed after a byte of the head": _say(b"H"),
    "closed after a byte of the body": _say(head("Content-Length: 1000000", 'ETag: "1"') + b"a"),
}


def coded(body: bytes, *codings: str) -> Manner:
    """A server that codes its answer with gzip, as often as it says."""
    for _ in codings:
        packer = zlib.compressobj(9, wbits=31)
        body = packer.compress(body) + packer.flush()
    names = f"Content-Encoding: {', '.join(codings)}"
    return _say(head(names, f"Content-Length: {len(body)}") + body)


def bomb(side: int) -> bytes:
    """A PNG of one colour: a few kilobytes that unpack to a square of so many pixels a side."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "PNG")
    return file.getvalue()
