"""What the store's tests share: a server that misbehaves on demand, archives, processes to kill.

Everything is real: an HTTP(S) server on 127.0.0.1, archives on disk, processes that get signals.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import http.server
import io
import multiprocessing
import os
import random
import re
import ssl
import tarfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path, PurePosixPath
from typing import Any

from tests.helpers.saved_files import graph, index
from tfzoo.store import cache
from tfzoo.store.cache import Entry
from tfzoo.store.fetch import fetch
from tfzoo.store.progress import Step
from tfzoo.store.retry import Policy
from tfzoo.zoo.schema import InputSize, KnownFile, ModelSpec, Source

TRIALS = int(os.environ.get("TRIALS", "5"))
#: Hardly waits between attempts, so that tests are quick; a busy machine is no stall.
POLICY = Policy(attempts=5, timeout_s=10.0, backoff_s=0.01)
#: Tried and ended well, by fault; printed at the end of the run where TRIALS is set.
TALLY: dict[str, list[int]] = defaultdict(lambda: [0, 0])


def trials(fault: str) -> Iterator[random.Random]:
    """A source of chance for each trial; a trial counts as ended well if the loop comes back."""
    for trial in range(TRIALS):
        TALLY[fault][0] += 1
        yield random.Random(f"{fault} {trial}")
        TALLY[fault][1] += 1


@contextmanager
def trial(fault: str) -> Iterator[None]:
    """One trial where chance plays no part."""
    TALLY[fault][0] += 1
    yield
    TALLY[fault][1] += 1


# Archives -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Archive:
    """A model's archive: its bytes and what is in it."""

    content: bytes
    files: dict[str, bytes]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def md5(self) -> str:
        return base64.b64encode(hashlib.md5(self.content).digest()).decode()


def make_archive(
    seed: int = 0, size: int = 2_000_000, root: str = "some_model", mode: str = "w:gz"
) -> Archive:
    """A SavedModel's files full of noise, packed as the zoo packs them."""
    chance = random.Random(seed)
    files = {
        f"{root}/pipeline.config": b"model {}\n",
        f"{root}/saved_model/saved_model.pb": graph(chance.randbytes(size // 10)),
        f"{root}/saved_model/variables/variables.index": index({"w": (0, size)}),
        f"{root}/saved_model/variables/variables.data-00000-of-00001": chance.randbytes(size),
    }
    return Archive(pack(files, mode), files)


def pack(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    """A tar of these files, their folders first."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:  # type: ignore[call-overload]
        parents = {str(parent) for name in files for parent in PurePosixPath(name).parents}
        for name in sorted(parents - {"."}):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def make_spec(*urls: str, sha256: str | None = None, **more: Any) -> ModelSpec:
    """A manifest's entry; `hub:` or `bundled:` before a source's address names its kind."""
    kinds = {"hub": "tfhub", "bundled": "bundled"}
    sources = []
    for url in urls:
        kind, _, rest = url.partition(":")
        sources.append(
            Source(kind=kinds[kind], url=rest) if kind in kinds else Source(kind="archive", url=url)  # type: ignore[arg-type]
        )
    values: dict[str, Any] = {
        "id": "some_model",
        "name": "Some Model",
        "family": "ssd",
        "stages": 1,
        "anchors": True,
        "backbone": "MobileNet",
        "input": InputSize(resizer="fixed_shape", height=300, width=300, source="own"),
        "outputs": ("boxes",),
        "signature": "standard",
        "archive": "some_model.tar.gz",
        "sources": tuple(sources),
        "sha256": sha256,
        "license": "Apache-2.0",
    }
    return ModelSpec(**values | more)


def known_file(path: str, content: bytes, kind: str = "sha256") -> KnownFile:
    """What public repositories would say of a file."""
    if kind == "sha256":
        digest = hashlib.sha256(content).hexdigest()
    else:
        digest = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return KnownFile(path=path, kind=kind, digest=digest, source="own")  # type: ignore[arg-type]


def check_cache(root: Path, *archives: Archive) -> list[Entry]:
    """Asserts that all a cache shows is whole and from these archives; gives its entries."""
    found = []
    for folder in sorted((root / "models").glob("*/[!.]*")):
        entry = cache.entry(folder)
        assert entry is not None, f"{folder} is visible without a record"
        assert entry.damages() == []
        fitting = [a for a in archives if entry.provenance.digest == f"sha256:{a.sha256}"]
        assert fitting, f"{folder} is of none of the archives"
        for path, content in fitting[0].files.items():
            assert (folder / "model" / path).read_bytes() == content
        found.append(entry)
    return found


def snapshot(root: Path) -> dict[str, bytes]:
    """Every published file of a cache, to see that nothing changed."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted((root / "models").rglob("*"))
        if path.is_file()
    }


# The server -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What the server says to one request.

    Attributes:
        cut_after: Closes the connection after so many bytes of the body.
        stall_after: Sends nothing for `stall_s` after so many bytes.
        bytes_per_s: Throttles the body.
        no_length: Leaves out Content-Length and closes at the end.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    stall_after: int | None = None
    stall_s: float = 4.0
    bytes_per_s: float | None = None
    no_length: bool = False


@dataclass
class Request:
    """One request as it arrived, and how much was sent for it."""

    path: str
    headers: dict[str, str]
    time: float
    status: int = 0
    sent: int = 0

    @property
    def range_start(self) -> int | None:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found[1]) if found else None


Fault = Callable[[Request, Answer], Answer]


class Server:
    """A well-behaved file server, like a bucket's, that is told to misbehave.

    Attributes:
        objects: What it serves, by path; may be changed at any moment.
        faults: Change the answers to the next requests, one each; then it behaves again.
        always: Changes every answer.
        requests: All requests so far.
    """

    def __init__(self, certificate: ssl.SSLContext | None = None, md5: bool = False) -> None:
        self.objects: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.always: Fault = lambda request, answer: answer
        self.requests: list[Request] = []
        self.md5 = md5
        self._lock = threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner._answer(self)

            def log_message(self, *_: object) -> None: ...

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None: ...  # Clients die here on purpose.

        self._http = Quiet(("127.0.0.1", 0), Handler)
        if certificate is not None:
            self._http.socket = certificate.wrap_socket(self._http.socket, server_side=True)
        scheme, host = ("https", "localhost") if certificate else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stops it."""
        self._http.shutdown()
        self._http.server_close()

    @property
    def sent(self) -> int:
        """Bytes of bodies sent so far."""
        return sum(request.sent for request in self.requests)

    def honest(self, request: Request) -> Answer:
        """What a good server answers, Range and If-Range understood."""
        content = self.objects.get(request.path)
        if content is None:
            return Answer(404, b"no such object")
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes"}
        if self.md5:
            digest = base64.b64encode(hashlib.md5(content).digest()).decode()
            headers["x-goog-hash"] = f"crc32c=AAAAAA==,md5={digest}"
        start = request.range_start
        if start is None or request.headers.get("if-range", etag) != etag:
            return Answer(200, content, headers)
        if start >= len(content):
            return Answer(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return Answer(206, content[start:], {**headers, "Content-Range": span})

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(handler.path, headers, time.monotonic())
        with self._lock:
            self.requests.append(request)
            fault = self.faults.pop(0) if self.faults else None
        answer = self.always(request, self.honest(request))
        if fault is not None:
            answer = fault(request, answer)
        request.status = answer.status
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if not answer.no_length:
            handler.send_header("Content-Length", str(len(answer.body)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        end = len(answer.body) if answer.cut_after is None else answer.cut_after
        step = 1 << 14 if answer.bytes_per_s or answer.stall_after is not None else 1 << 18
        while request.sent < end:
            if answer.stall_after is not None and request.sent >= answer.stall_after:
                time.sleep(answer.stall_s)
            block = answer.body[request.sent : min(end, request.sent + step)]
            handler.wfile.write(block)
            request.sent += len(block)
            if answer.bytes_per_s:
                time.sleep(len(block) / answer.bytes_per_s)


@contextmanager
def serving(*archives: Archive, **options: Any) -> Iterator[Server]:
    """A server with `/some_model.tar.gz` (and /1, /2 ... for further archives)."""
    server = Server(**options)
    for number, archive in enumerate(archives):
        server.objects[f"/{number}" if number else "/some_model.tar.gz"] = archive.content
    try:
        yield server
    finally:
        server.close()


def cut(after: int) -> Fault:
    """The connection ends early."""
    return lambda request, answer: replace(answer, cut_after=min(after, len(answer.body)))


def status(code: int, **headers: str) -> Fault:
    """Another status, without the object."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request, answer: Answer(code, b"", named)


def http_date(seconds_ahead: float) -> str:
    """A moment as HTTP writes it."""
    return email.utils.formatdate(time.time() + seconds_ahead, usegmt=True)


# Processes ------------------------------------------------------------------------------------

# A process forked from a clean one that has the store loaded starts in milliseconds, however much
# the tests' own process has loaded.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["pytest", "tests.helpers.store_faults"])


@dataclass(frozen=True)
class Ended:
    """How a fetch in another process ended.

    Attributes:
        path: The model's path, where it was had.
        error: Name of the error's class, else.
        message: What it said.
    """

    path: Path | None = None
    error: str = ""
    message: str = ""


class FetchProcess:
    """A fetch in a process of its own, in this one's cache unless `environment` says else."""

    def __init__(
        self,
        spec: ModelSpec,
        environment: dict[str, str] | None = None,
        uid: int | None = None,
    ) -> None:
        self._mine, theirs = _context.Pipe()
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("TFZOO_", "SSL_CERT_"))
        }
        environment = inherited | (environment or {})
        self.process: BaseProcess = _context.Process(
            target=_fetch, args=(spec, environment, uid, theirs), daemon=True
        )
        self.process.start()
        theirs.close()

    def wait_for(self, stage: str) -> None:
        """Waits until the fetch reports a stage (or has ended)."""
        try:
            while True:
                said = self._mine.recv()
                if said == stage or isinstance(said, Ended):
                    return
        except EOFError:
            return

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.join()

    def result(self) -> Ended:
        """Waits for the end."""
        try:
            while True:
                said = self._mine.recv()
                if isinstance(said, Ended):
                    self.process.join()
                    return said
        except EOFError:
            self.process.join()
            return Ended(error="died", message=f"exit code {self.process.exitcode}")


def _fetch(
    spec: ModelSpec, environment: dict[str, str], uid: int | None, connection: Connection
) -> None:
    os.environ.update(environment)
    if uid is not None:
        os.setgid(uid)
        os.setuid(uid)
        # The denial must be real, or the test would prove nothing.
        try:
            Path(environment["TFZOO_CACHE"], "probe").mkdir()
            connection.send(Ended(error="could write", message="the cache is not read-only"))
            return
        except PermissionError:
            pass

    def report(step: Step) -> None:
        connection.send(step.stage)

    try:
        entry = fetch(spec, policy=POLICY, report=report)
        connection.send(Ended(path=entry.path))
    except Exception as error:
        connection.send(Ended(error=type(error).__name__, message=str(error)))


def hold_lock_forever(name: str, root: str) -> BaseProcess:
    """A process that holds a lock of a cache until it is killed."""
    mine, theirs = _context.Pipe()
    process = _context.Process(target=_hold, args=(name, root, theirs), daemon=True)
    process.start()
    mine.recv()
    return process


def _hold(name: str, root: str, connection: Connection) -> None:
    os.environ["TFZOO_CACHE"] = root
    with cache.lock(name):
        connection.send("held")
        time.sleep(600)
