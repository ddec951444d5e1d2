"""Downloading one file over a bad line: resumed, retried, hashed while it arrives.

What has arrived lies in a part file; beside it, a small state file says of which object. A part is
only continued if the server confirms that it is still the same object, or if a digest will tell.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import json
import logging
import os
import queue
import random
import re
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tfzoo.errors import DownloadError, StoreError, VerificationError
from tfzoo.version import __version__

_log = logging.getLogger("tfzoo.store")
_BLOCK = 1 << 20
_BUFFERS = 8
#: A buffer and how much of it is filled.
_Filled = tuple[bytearray, int]
_MAX_REDIRECTS = 10


@dataclass(frozen=True)
class Policy:
    """How patient a download is.

    Attributes:
        attempts: Failures in a row, without a new byte, until it is given up.
        timeout_s: Seconds of silence after which a connection counts as stalled; so does one
            that brings less than `slow_bytes_per_s` for as long.
        slow_bytes_per_s: See `timeout_s`.
        backoff_s: The wait after the first failure; doubled by each further one, up to 30 s,
            and shortened by chance, so that many clients do not come back at one moment.
        longest_wait_s: A server that asks for a longer wait (Retry-After) is given up.
    """

    attempts: int = 5
    timeout_s: float = 30.0
    slow_bytes_per_s: float = 1024.0
    backoff_s: float = 1.0
    longest_wait_s: float = 120.0

    def wait_s(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(30.0, self.backoff_s * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)


@dataclass(frozen=True)
class Downloaded:
    """A complete file.

    Attributes:
        path: The part file; whoever asked moves or removes it.
        bytes: Its size.
        sha256: Its digest.
        secure: Whether every byte came over https, redirects included.
        host: The host the bytes came from.
        server_md5: Whether the server stated a digest of its own, and the file agrees.
        in_one_piece: Whether it came in one answer, not joined from several.
        fetched_bytes: What this call moved over the network.
    """

    path: Path
    bytes: int
    sha256: str
    secure: bool
    host: str
    server_md5: bool
    in_one_piece: bool
    fetched_bytes: int


@dataclass(frozen=True)
class _State:
    """Which object a part file belongs to, as the server described it."""

    url: str
    total: int | None
    etag: str | None
    last_modified: str | None
    md5: str | None
    secure: bool
    host: str

    @property
    def validator(self) -> str | None:
        """What If-Range takes: a strong ETag, or a date."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def fits(self, other: _State) -> bool:
        """Whether another answer describes the same object."""
        pairs = (
            (self.total, other.total),
            (self.etag, other.etag),
            (self.last_modified, other.last_modified),
            (self.md5, other.md5),
        )
        return all(mine == theirs or None in (mine, theirs) for mine, theirs in pairs)


class _Retry(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@contextmanager
def open_client(policy: Policy) -> Iterator[httpx.Client]:
    """An HTTP client with the environment's proxies and CA bundle.

    Proxies: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY. CA bundle: SSL_CERT_FILE, SSL_CERT_DIR,
    or REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, which other tools read.
    """
    verify: ssl.SSLContext | bool = True
    if not any(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")):
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        if bundle and Path(bundle).is_file():
            verify = ssl.create_default_context(cafile=bundle)
    timeout = httpx.Timeout(policy.timeout_s, connect=min(policy.timeout_s, 15.0))
    # The bytes of the object itself are wanted, in no coding of the transfer.
    headers = {"User-Agent": f"tfzoo/{__version__}", "Accept-Encoding": "identity"}
    with httpx.Client(timeout=timeout, verify=verify, headers=headers) as client:
        yield client


def download(
    url: str,
    part: Path,
    client: httpx.Client,
    *,
    policy: Policy,
    verifiable: bool = False,
    allow_downgrade: bool = False,
    room: float = 1.0,
    report: Callable[[int, int | None], None] = lambda done, total: None,
) -> Downloaded:
    """Downloads a file, continuing what `part` has of it.

    Args:
        url: http or https.
        part: Where the bytes go; `<part>.json` beside it says of which object they are.
        client: See `open_client`.
        policy: How patient to be.
        verifiable: Whether the caller knows the file's digest, so that a part may be continued
            even where the server can't confirm it.
        allow_downgrade: Whether a redirect from https to http is followed.
        room: Bytes of disk that must be free for each byte of the file, beside the file itself.
        report: Is called with the bytes there are and the total (None if unknown).

    Raises:
        DownloadError: The server refuses, or failed too often.
        VerificationError: The bytes differ from the digest that the server states.
        StoreError: The disk has too little room.
        OSError: The disk failed.
    """
    return _Transfer(url, part, client, policy, verifiable, allow_downgrade, room, report).run()


@dataclass
class _Transfer:
    """One download (see `download`), and what came over the network so far."""

    url: str
    part: Path
    client: httpx.Client
    policy: Policy
    verifiable: bool
    allow_downgrade: bool
    room: float
    report: Callable[[int, int | None], None]
    fetched: int = 0
    in_one_piece: bool = False

    @property
    def state_file(self) -> Path:
        """Says which object the part belongs to."""
        return self.part.with_name(self.part.name + ".json")

    def run(self) -> Downloaded:
        """Attempts until the file is complete or patience ends."""
        failures = 0
        furthest = self._size()
        while True:
            try:
                return self._attempt()
            except _Retry as failure:
                reason, wait_s = str(failure), failure.wait_s
            except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise DownloadError(f"{self.url} is no address to download from: {error}") from None
            except httpx.TimeoutException:
                reason, wait_s = f"no answer within {self.policy.timeout_s:g} s", None
            except httpx.TransportError as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise DownloadError(
                        f"{self.url}: {error}. Behind a proxy with a certificate of its own, name "
                        "its CA bundle in SSL_CERT_FILE"
                    ) from None
                reason, wait_s = str(error) or type(error).__name__, None
            failures = 1 if self._size() > furthest else failures + 1
            furthest = max(furthest, self._size())
            if failures >= self.policy.attempts:
                raise DownloadError(
                    f"{self.url}: {reason}; gave up after {failures} attempts in a row. What has "
                    "arrived is kept: the next fetch goes on from there"
                )
            if wait_s is not None and wait_s > self.policy.longest_wait_s:
                raise DownloadError(
                    f"{self.url}: {reason}, and asks to come back in {wait_s:.0f} s; try then"
                )
            wait_s = max(wait_s or 0.0, self.policy.wait_s(failures))
            _log.info("%s: %s; next attempt in %.1f s", self.url, reason, wait_s)
            time.sleep(wait_s)

    def _attempt(self) -> Downloaded:
        state = self._read_state()
        offset = self._size() if state is not None else 0
        if state is not None and offset and offset == state.total:
            return self._finish(state, _digests_of(self.part, state))
        headers = {}
        if state is not None and offset:
            headers["Range"] = f"bytes={offset}-"
            if state.validator:
                headers["If-Range"] = state.validator
        with self._open(headers) as (response, secure):
            answer = self._describe(response, secure)
            if response.status_code == 206 and state is not None and offset:
                start = _range_start(response)
                if start != offset or not state.fits(answer):
                    self._forget()
                    raise _Retry("the server answered with another part than was asked for")
                state = _joined(state, answer)
            elif response.status_code == 416 and state is not None:
                if state.fits(answer) and answer.total == offset:
                    return self._finish(state, _digests_of(self.part, state))
                self._forget()
                raise _Retry("the file has changed on the server")
            elif response.status_code == 200:
                state, offset = answer, 0
            else:
                raise self._refusal(response)
            self._check_room(state.total, offset)
            self.in_one_piece = offset == 0
            if offset == 0:
                self._forget()
                self.part.touch()
                self._write_state(state)
            return self._finish(state, self._receive(response, state, offset))

    @contextmanager
    def _open(self, headers: dict[str, str]) -> Iterator[tuple[httpx.Response, bool]]:
        """The answer to a request, and whether every hop to it was https."""
        request = self.client.build_request("GET", self.url, headers=headers)
        secure = request.url.scheme == "https"
        for _ in range(_MAX_REDIRECTS):
            response = self.client.send(request, stream=True, follow_redirects=False)
            if response.next_request is None:
                try:
                    yield response, secure
                finally:
                    response.close()
                return
            response.close()
            before, request = request, response.next_request
            if request.url.scheme != "https":
                secure = False
                if before.url.scheme == "https" and not self.allow_downgrade:
                    raise DownloadError(
                        f"{self.url} redirects from https to {request.url}, where nothing vouches "
                        "for the bytes; refused (to accept it all the same: --allow-unverified)"
                    )
        raise DownloadError(f"{self.url} redirects more than {_MAX_REDIRECTS} times")

    def _describe(self, response: httpx.Response, secure: bool) -> _State:
        total = response.headers.get("Content-Length")
        if response.status_code in (206, 416):
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
        return _State(
            url=self.url,
            total=int(total) if total and total.isdecimal() else None,
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
            md5=_server_md5(response.headers),
            secure=secure,
            host=response.url.host,
        )

    def _refusal(self, response: httpx.Response) -> Exception:
        status = f"{response.status_code} {response.reason_phrase}".strip()
        if response.status_code in (408, 425, 429) or response.status_code >= 500:
            return _Retry(f"the server answered {status}", _retry_after_s(response.headers))
        return DownloadError(f"{self.url}: the server answered {status}")

    def _check_room(self, total: int | None, offset: int) -> None:
        """Says before the first byte that a file will not fit."""
        needed = int((total or 0) * (1 + self.room)) - offset
        free = shutil.disk_usage(self.part.parent).free
        if needed > free:
            raise StoreError(
                f"{self.part.parent} has {free / 1e6:.0f} MB free; this download of "
                f"{(total or 0) / 1e6:.0f} MB needs {needed / 1e6:.0f} MB, unpacking included. "
                "Free some space (tfzoo cache list, tfzoo cache prune) or move the cache with "
                "TFZOO_CACHE"
            )

    def _receive(self, response: httpx.Response, state: _State, offset: int) -> dict[str, str]:
        """Appends the body to the part, and gives the digests of the whole."""
        body = _Body(response, self.policy)
        with self.part.open("r+b") as file, _Hashes(state, self.part, offset) as hashes:
            file.seek(offset)
            file.truncate()
            while not body.ended:
                buffer = hashes.free_buffer()
                size = body.fill(buffer)
                file.write(memoryview(buffer)[:size])
                file.flush()
                hashes.put(buffer, size)
                offset += size
                self.fetched += size
                self.report(offset, state.total)
        # What came before a failure is on disk by now.
        if body.failure is not None:
            raise body.failure
        if state.total is not None and offset != state.total:
            raise _Retry(f"the connection ended after {offset} of {state.total} bytes")
        return hashes.result

    def _finish(self, state: _State, digests: dict[str, str]) -> Downloaded:
        if state.md5 is not None and digests["md5"] != state.md5:
            self._forget()
            if not self.in_one_piece:
                raise _Retry("the pieces that arrived do not fit together")
            raise VerificationError(
                f"{self.url}: the bytes that arrived have md5 {digests['md5']}, but the server "
                f"states {state.md5} for its object"
            )
        return Downloaded(
            path=self.part,
            bytes=self._size(),
            sha256=digests["sha256"],
            secure=state.secure,
            host=state.host,
            server_md5=state.md5 is not None,
            in_one_piece=self.in_one_piece,
            fetched_bytes=self.fetched,
        )

    def _size(self) -> int:
        try:
            return self.part.stat().st_size
        except OSError:
            return 0

    def _read_state(self) -> _State | None:
        """What the part belongs to, or None where it can't be continued."""
        try:
            state = _State(**json.loads(self.state_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        known = self.verifiable or state.validator or state.md5
        fitting = state.total is None or self._size() <= state.total
        return state if state.url == self.url and known and fitting else None

    def _write_state(self, state: _State) -> None:
        temporary = self.state_file.with_name(self.state_file.name + ".tmp")
        temporary.write_text(json.dumps(asdict(state)), encoding="utf-8")
        temporary.replace(self.state_file)

    def _forget(self) -> None:
        # The state goes first: bytes without a state are never continued.
        self.state_file.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)


class _Body:
    """The body of an answer, read into big buffers.

    httpx hands out a body in pieces of 64 KiB at most, each copied several times, which takes
    longer than hashing them. Where the length is known, all but the first piece is read from the
    connection itself, which httpx offers as the extension `network_stream`.

    Attributes:
        ended: Whether there is no more to come, for good or by a failure.
        failure: Why it ended before its time, where the connection says so.
    """

    def __init__(self, response: httpx.Response, policy: Policy) -> None:
        self.ended = False
        self.failure: Exception | None = None
        self._response = response
        self._policy = policy
        self._pieces = response.iter_raw()
        self._piece = memoryview(b"")
        self._socket: socket.socket | None = None
        length = response.headers.get("Content-Length", "")
        simple = "Transfer-Encoding" not in response.headers and length.isdecimal()
        self._left = int(length) if simple else None
        self._window_start, self._window_bytes = time.monotonic(), 0

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
                self._notice_trickle(size)
        except (httpx.TransportError, _Retry) as failure:
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
        connection.settimeout(self._policy.timeout_s)
        self._socket = connection

    def _receive_into(self, view: memoryview) -> int:
        assert self._socket is not None
        try:
            return self._socket.recv_into(view)
        except TimeoutError:
            raise _Retry(f"no answer within {self._policy.timeout_s:g} s") from None
        except OSError as error:
            raise _Retry(f"the connection broke: {error}") from None

    def _notice_trickle(self, size: int) -> None:
        self._window_bytes += size
        elapsed_s = time.monotonic() - self._window_start
        if elapsed_s > self._policy.timeout_s:
            if self._window_bytes < self._policy.slow_bytes_per_s * elapsed_s:
                raise _Retry(f"stalled at {self._window_bytes / elapsed_s:.0f} bytes a second")
            self._window_start, self._window_bytes = time.monotonic(), 0


class _Hashes:
    """Digests of a growing file, each in a thread of its own, so that none holds up the line.

    A few buffers go round: filled by the caller, to the first digest, to the next, and back.
    """

    def __init__(self, state: _State, part: Path, prefix_bytes: int) -> None:
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

    def __enter__(self) -> _Hashes:
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


def _digests_of(part: Path, state: _State) -> dict[str, str]:
    """Digests of a part that was complete already."""
    with _Hashes(state, part, part.stat().st_size) as hashes:
        pass
    return hashes.result


def _joined(before: _State, now: _State) -> _State:
    """What is known of an object whose parts came in several answers."""
    values: dict[str, Any] = {
        name: value if value is not None else getattr(now, name)
        for name, value in asdict(before).items()
    }
    return _State(**values | {"secure": before.secure and now.secure})


def _range_start(response: httpx.Response) -> int | None:
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _server_md5(headers: httpx.Headers) -> str | None:
    """The md5 of the whole object in Google Cloud Storage's `x-goog-hash`, in hexadecimal."""
    for field in headers.get_list("x-goog-hash", split_commas=True):
        name, _, value = field.strip().partition("=")
        if name == "md5":
            with suppress(ValueError):
                return base64.b64decode(value, validate=True).hex()
    return None


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Seconds that Retry-After asks for, given as a number or as a date."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    with suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return None
