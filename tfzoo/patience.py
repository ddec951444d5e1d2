"""How long a server is waited for in all, whatever it sends.

The timeouts of an HTTP library are those of one read: a byte now and then, in the body, the head or
the framing between, keeps them from ever passing. A watch looks at the whole of an exchange, and
shuts its connections where that is too slow.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

_MOST_REDIRECTS = 10

#: Events of httpx's `trace` that tell of a new connection, behind the name of who tells.
_CONNECTED = ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")


class TooSlow(Exception):
    """A server took too long in all."""


class Watch:
    """A thread that ends an exchange with a server which is too slow. Use as a context manager.

    Args:
        timeout_s: Seconds until the whole head of the answer must be there, redirects included;
            and over which the rate of the body is taken.
        least_bytes_per_s: The rate of the body below which the server counts as stalled.
        in_all_s: Seconds after which the whole exchange must be over.
        connections: Those that the client has from before, if any; new ones are added.

    Attributes:
        reason: Why the exchange was ended, where it was.

    Raises:
        TooSlow: At the end of the context, in place of what the shut connection caused.
    """

    def __init__(
        self,
        timeout_s: float,
        least_bytes_per_s: float,
        in_all_s: float = math.inf,
        connections: list[socket.socket] | None = None,
    ) -> None:
        self.reason: str | None = None
        self.timeout_s = timeout_s
        self._least = least_bytes_per_s
        self._in_all_s = in_all_s
        self._connections = [] if connections is None else connections
        self._bytes = 0
        self._answered = False
        self._over = threading.Event()

    @property
    def extensions(self) -> dict[str, Any]:
        """What a request of httpx takes as its extensions, to be watched."""
        return {"trace": self._trace}

    def answered(self) -> None:
        """The head of the answer is there; from now on, its body has a rate."""
        self._due = time.monotonic() + self.timeout_s
        self._answered = True

    def moved(self, size: int) -> None:
        """So many bytes of the body have come."""
        self._bytes += size

    def __enter__(self) -> Watch:
        begun = time.monotonic()
        self._due = begun + self.timeout_s
        threading.Thread(
            target=self._look, args=(begun + self._in_all_s,), name="watch", daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        # An answer that ends when its connection does looks whole when that was shut.
        if self.reason is not None and (error is None or isinstance(error, Exception)):
            raise TooSlow(self.reason) from None

    def _look(self, last: float) -> None:
        counted = 0
        while not self._over.wait(max(0.0, min(self._due, last) - time.monotonic())):
            now = time.monotonic()
            if now >= last:
                self.reason = f"took longer than {self._in_all_s:g} s"
            elif now < self._due:
                continue
            elif not self._answered:
                self.reason = f"no answer within {self.timeout_s:g} s"
            elif self._bytes - counted < self._least * self.timeout_s:
                rate = (self._bytes - counted) / self.timeout_s
                self.reason = f"stalled at {rate:.0f} bytes a second"
            else:
                counted, self._due = self._bytes, now + self.timeout_s
                continue
            for connection in list(self._connections):
                _shut(connection)
            return

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if not event.endswith(_CONNECTED):
            return
        connection = info["return_value"].get_extra_info("socket")
        if connection is not None:
            self._connections[:] = [one for one in self._connections if one.fileno() >= 0]
            self._connections.append(connection)
            if self.reason is not None:
                _shut(connection)


def answer_to(
    client: httpx.Client,
    request: httpx.Request,
    hop: Callable[[httpx.Request, httpx.Request], None] = lambda before, after: None,
) -> httpx.Response:
    """The answer to a request where redirects end, its body still to be read.

    The bodies of redirects are not read, as httpx would by itself: they may have no end.

    Args:
        client: Sends it.
        request: With the extensions of a watch.
        hop: Is told of each redirect: the request before and after it. It may raise.

    Raises:
        httpx.HTTPError: There is none, or there are too many redirects.
    """
    import httpx

    for _ in range(_MOST_REDIRECTS):
        response = client.send(request, stream=True, follow_redirects=False)
        if response.next_request is None:
            return response
        response.close()
        hop(request, response.next_request)
        request = response.next_request
    raise httpx.TooManyRedirects(f"redirects more than {_MOST_REDIRECTS} times", request=request)


def _shut(connection: socket.socket) -> None:
    # A TLS connection's own method would have it read on without TLS.
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
