"""Receiving an answer's body, and hashing it while it arrives."""

from __future__ import annotations

import hashlib
import queue
import socket
import threading
import time
from pathlib import Path
from types import TracebackType

import httpx

from tfzoo.patience import Watch
from tfzoo.store.part_state import State
from tfzoo.store.retry import Retry

_BLOCK = 1 << 20
_BUFFERS = 8
#: A buffer and how much of it is filled.
_Filled = tuple[bytearray, int]


class Body:
    """The body of an answer, read into big buffers.

    httpx hands out a body in pieces of 64 KiB at most, each copied several times, which takes
    longer than hashing them. Where the length is known, all but the first piece is read from the
    connection itself, which httpx offers as the extension `network_stream`.

    Attributes:
        ended: Whether there is no more to come, for good or by a failure.
        failure: Why it ended before its time, where the connection says so.
    """

    def __init__(self, response: httpx.Response, watch: Watch) -> None:
        self.ended = False
        self.failure: Exception | None = None
        self._response = response
        self._watch = watch
        self._pieces = response.iter_raw()
        self._piece = memoryview(b"")
        self._socket: socket.socket | None = None
        length = response.headers.get("Content-Length", "")
        simple = "Transfer-Encoding" not in response.headers and length.isdecimal()
        self._left = int(length) if simple else None

    def fill(self, buffer: bytearray) -> int:
        """Reads until the buffer is full, half a second has passed or the body has ended.

        Returns:
            How much of the buffer was filled.
        """
        view = memoryview(buffer)
        filled = 0
        deadline = time.monotonic() + 0.5
        try:
            while filled < len(view) and time.monotonic() < deadline:
                size = self._read_into(view[filled:])
                if size == 0:
                    self.ended = True
                    break
                filled += size
                self._watch.moved(size)
        except (httpx.TransportError, Retry) as failure:
            self.failure, self.ended = failure, True
        return filled

    def _read_into(self, view: memoryview) -> int:
        if self._left == 0:
            return 0
        if self._socket is not None:
            size = self._receive_into(view[: self._left])
        else:
            if not self._piece:
                self._piece = memoryview(next(self._pieces, b""))
            size = min(len(view), len(self._piece))
            view[:size] = self._piece[:size]
            self._piece = self._piece[size:]
            if not self._piece and self._left is not None:
                self._take_over()
        if self._left is not None:
            self._left -= size
        return size

    def _take_over(self) -> None:
        """Reads the rest from the connection: with the first piece, httpx gave all that it had."""
        stream = self._response.extensions.get("network_stream")
        if stream is None or not self._response.http_version.startswith("HTTP/1"):
            return
        connection = stream.get_extra_info("socket")
        # Inside the TLS of a proxy, the connection is not what decrypts the body.
        if connection is None or stream.get_extra_info("ssl_object") not in (None, connection):
            return
        connection.settimeout(self._watch.timeout_s)
        self._socket = connection

    def _receive_into(self, view: memoryview) -> int:
        assert self._socket is not None
        try:
            return self._socket.recv_into(view)
        except TimeoutError:
            raise Retry(f"no answer within {self._watch.timeout_s:g} s") from None
        except OSError as error:
            raise Retry(f"the connection broke: {error}") from None


class Hashes:
    """Digests of a growing file, each in a thread of its own, so that none holds up the line.

    A few buffers go round: filled by the caller, to the first digest, to the next, and back.
    """

    def __init__(self, state: State, part: Path, prefix_bytes: int) -> None:
        self.result: dict[str, str] = {}
        names = ["sha256", "md5"] if state.md5 is not None else ["sha256"]
        self._queues: list[queue.Queue[_Filled | None]] = [queue.Queue() for _ in names]
        self._free: queue.Queue[_Filled | None] = queue.Queue()
        for _ in range(_BUFFERS):
            self._free.put((bytearray(_BLOCK), 0))
        self._threads = [
            threading.Thread(
                target=self._work, args=(name, part, prefix_bytes, source, sink), daemon=True
            )
            for name, source, sink in zip(
                names, self._queues, [*self._queues[1:], self._free], strict=True
            )
        ]
        for thread in self._threads:
            thread.start()

    def _work(
        self,
        name: str,
        part: Path,
        prefix_bytes: int,
        source: queue.Queue[_Filled | None],
        sink: queue.Queue[_Filled | None],
    ) -> None:
        digest = hashlib.new(name, usedforsecurity=name != "md5")
        try:
            with part.open("rb") as file:
                while block := file.read(min(_BLOCK, prefix_bytes)):
                    digest.update(block)
                    prefix_bytes -= len(block)
        finally:
            while (filled := source.get()) is not None:
                buffer, size = filled
                digest.update(memoryview(buffer)[:size])
                sink.put(filled)
            sink.put(None)
        self.result[name] = digest.hexdigest()

    def free_buffer(self) -> bytearray:
        """A buffer to fill; waits until one is hashed."""
        filled = self._free.get()
        assert filled is not None  # Nothing ends the round before `__exit__`.
        return filled[0]

    def put(self, buffer: bytearray, size: int) -> None:
        """Hashes what was filled into a buffer, some time."""
        self._queues[0].put((buffer, size))

    def __enter__(self) -> Hashes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._queues[0].put(None)
        for thread in self._threads:
            thread.join()


def digests_of(part: Path, state: State) -> dict[str, str]:
    """Digests of a part that was complete already."""
    with Hashes(state, part, part.stat().st_size) as hashes:
        pass
    return hashes.result
