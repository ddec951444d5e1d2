"""Downloading one file over a bad line: resumed, retried, hashed while it arrives.

What has arrived lies in a part file; beside it, a small state file says of which object. A part is
only continued if the server confirms that it is still the same object, or if a digest will tell.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from tfzoo import network, records
from tfzoo.errors import DownloadError, StoreError, TfzooError, VerificationError
from tfzoo.files import write_whole
from tfzoo.outside import keyed, public
from tfzoo.patience import TooSlow, Watch, answer_to
from tfzoo.store.body import Body, Hashes, digests_of
from tfzoo.store.part_state import State, describe, joined, number_of_bytes
from tfzoo.store.retry import Policy, Retry, retry_after_s
from tfzoo.version import __version__

_log = logging.getLogger("tfzoo.store")

#: What a file may have that nobody knows the size of; no archive of the zoo has a quarter of it.
MOST_BYTES = 8 * 10**9


def most_bytes(megabytes: float | None) -> int:
    """What a file may have that is said to have so many megabytes or so."""
    return MOST_BYTES if megabytes is None else int(2e6 * megabytes) + 2 * 10**6


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


@contextmanager
def open_client(policy: Policy) -> Iterator[httpx.Client]:
    """An HTTP client for downloads, as the environment has its proxies and certificates."""
    timeout = httpx.Timeout(policy.timeout_s, connect=min(policy.timeout_s, 15.0))
    # The bytes of the object itself are wanted, in no coding of the transfer.
    headers = {"User-Agent": f"tfzoo/{__version__}", "Accept-Encoding": "identity"}
    with network.open_client(timeout=timeout, headers=headers) as client:
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
    most_bytes: int = MOST_BYTES,
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
        most_bytes: A file that claims or brings more is not the one that is meant.
        report: Is called with the bytes there are and the total (None if unknown).

    Raises:
        DownloadError: The server refuses, or failed too often, or has too large a file.
        VerificationError: The bytes differ from the digest that the server states.
        StoreError: The disk has too little room.
        OSError: The disk failed.
    """
    transfer = _Transfer(
        url, part, client, policy, verifiable, allow_downgrade, room, most_bytes, report
    )
    try:
        return transfer.run()
    except (TfzooError, OSError):
        raise
    except Exception as error:  # Anything at all, from what reads addresses and answers.
        raise DownloadError(f"{url}: {str(error) or type(error).__name__}") from error


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
    most_bytes: int
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
        furthest, since = self._size(), time.monotonic()
        while True:
            try:
                return self._attempt()
            except TooSlow as failure:
                reason, wait_s = str(failure), None
            except Retry as failure:
                reason, wait_s = str(failure), failure.wait_s
            except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise DownloadError(f"{self.url} is no address to download from: {error}") from None
            except httpx.TooManyRedirects as error:
                raise DownloadError(f"{self.url} {error}") from None
            except httpx.TimeoutException:
                reason, wait_s = f"no answer within {self.policy.timeout_s:g} s", None
            except httpx.TransportError as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise DownloadError(
                        f"{self.url}: {error}. Behind a proxy with a certificate of its own, name "
                        "its CA bundle in SSL_CERT_FILE"
                    ) from None
                reason, wait_s = str(error) or type(error).__name__, None
            now = time.monotonic()
            # A few bytes now and then are no progress: they would hold up other sources for ever.
            if self._size() - furthest > self.policy.slow_bytes_per_s * (now - since):
                failures, furthest, since = 0, self._size(), now
            failures += 1
            stalled = now - since > self.policy.longest_stall_s
            if stalled or failures >= self.policy.attempts:
                raise DownloadError(
                    f"{self.url}: {reason}; gave up after {failures} attempts in a row. What has "
                    "arrived is kept: the next fetch goes on from there"
                )
            if wait_s is not None and wait_s > self.policy.longest_wait_s:
                raise DownloadError(
                    f"{self.url}: {reason}, and asks to come back in {wait_s:.0f} s; try then"
                )
            wait_s = max(wait_s or 0.0, self.policy.wait_s(failures))
            told = public(f"{self.url}: {reason}")
            _log.info("%s; next attempt in %.1f s", told, wait_s)
            time.sleep(wait_s)

    def _attempt(self) -> Downloaded:
        state = self._read_state()
        offset = self._size() if state is not None else 0
        if state is not None and offset and offset == state.total:
            return self._finish(state, digests_of(self.part, state))
        headers, digests = {}, None
        if state is not None and offset:
            headers["Range"] = f"bytes={offset}-"
            if state.validator:
                headers["If-Range"] = state.validator
        watch = Watch(self.policy.timeout_s, self.policy.slow_bytes_per_s)
        with watch, self._open(headers, watch) as (response, secure):
            watch.answered()
            answer = describe(response, keyed(self.url), secure)
            if response.status_code == 206 and state is not None and offset:
                start = _range_start(response)
                if start != offset or not state.fits(answer):
                    self._forget()
                    raise Retry("the server answered with another part than was asked for")
                state = joined(state, answer)
            elif response.status_code == 416 and state is not None:
                if not state.fits(answer) or answer.total != offset:
                    self._forget()
                    raise Retry("the file has changed on the server")
            elif response.status_code == 200:
                state, offset = answer, 0
            else:
                raise self._refusal(response)
            if response.status_code != 416:
                self._check_size(state.total)
                self._check_room(state.total, offset)
                self.in_one_piece = offset == 0
                if offset == 0:
                    self._forget()
                    self.part.touch()
                    self._write_state(state)
                digests = self._receive(response, state, offset, watch)
        return self._finish(state, digests or digests_of(self.part, state))

    @contextmanager
    def _open(self, headers: dict[str, str], watch: Watch) -> Iterator[tuple[httpx.Response, bool]]:
        """The answer to a request, and whether every hop to it was https."""
        request = self.client.build_request(
            "GET", self.url, headers=headers, extensions=watch.extensions
        )
        secure = request.url.scheme == "https"

        def hop(before: httpx.Request, after: httpx.Request) -> None:
            nonlocal secure
            if after.url.scheme == "https":
                return
            secure = False
            if before.url.scheme == "https" and not self.allow_downgrade:
                raise DownloadError(
                    f"{self.url} redirects from https to {after.url}, where nothing vouches "
                    "for the bytes; refused (to accept it all the same: --allow-unverified)"
                )

        response = answer_to(self.client, request, hop)
        try:
            yield response, secure
        finally:
            response.close()

    def _refusal(self, response: httpx.Response) -> Exception:
        status = f"{response.status_code} {response.reason_phrase}".strip()
        if response.status_code in (408, 425, 429) or response.status_code >= 500:
            return Retry(f"the server answered {status}", retry_after_s(response.headers))
        return DownloadError(f"{self.url}: the server answered {status}")

    def _check_size(self, bytes_: int | None) -> None:
        """Leaves a server whose file is not the one that is meant, however long it may be."""
        if bytes_ is not None and bytes_ > self.most_bytes:
            self._forget()
            raise DownloadError(
                f"{self.url}: {bytes_ / 1e6:,.0f} MB or more, where by what is known of it the "
                f"file has {self.most_bytes / 1e6:,.0f} MB at the most; not what it should be"
            )

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

    def _receive(
        self, response: httpx.Response, state: State, offset: int, watch: Watch
    ) -> dict[str, str]:
        """Appends the body to the part, and gives the digests of the whole."""
        body = Body(response, watch)
        with self.part.open("r+b") as file, Hashes(state, self.part, offset) as hashes:
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
                if offset > self.most_bytes:
                    break
        # What came before a failure is on disk by now.
        self._check_size(offset)
        if body.failure is not None:
            raise body.failure
        if state.total is not None and offset != state.total:
            raise Retry(f"the connection ended after {offset} of {state.total} bytes")
        return hashes.result

    def _finish(self, state: State, digests: dict[str, str]) -> Downloaded:
        if state.md5 is not None and digests["md5"] != state.md5:
            self._forget()
            if not self.in_one_piece:
                raise Retry("the pieces that arrived do not fit together")
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

    def _read_state(self) -> State | None:
        """What the part belongs to, or None where it can't be continued."""
        try:
            state = records.read(self.state_file, State)
        except (OSError, ValueError):
            return None
        known = self.verifiable or state.validator or state.md5
        fitting = state.total is None or self._size() <= state.total
        return state if state.url == keyed(self.url) and known and fitting else None

    def _write_state(self, state: State) -> None:
        write_whole(self.state_file, json.dumps(asdict(state)))

    def _forget(self) -> None:
        # The state goes first: bytes without a state are never continued.
        self.state_file.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)


def _range_start(response: httpx.Response) -> int | None:
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    return number_of_bytes(found[1]) if found else None
