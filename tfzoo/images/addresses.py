"""Addresses of images and folders: what is one, and what lies behind it or a path, opened."""

from __future__ import annotations

import io
import os
import re
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tfzoo import settings
from tfzoo.errors import ImageError
from tfzoo.network import open_client
from tfzoo.patience import TooSlow, Watch, answer_to
from tfzoo.threads import within

if TYPE_CHECKING:
    import httpx

#: What is fetched from an address may have so many bytes,
MAX_FETCHED_BYTES = 512 * 2**20
#: of which so many are held in memory: a larger file waits on the disk for its turn to be decoded.
HELD_BYTES = 16 * 2**20

#: A file system is asked for so many at a time: most images in one piece.
_PIECE = 16 * 2**20

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_address(source: str) -> bool:
    """Whether a source is an address (`https://...`, `s3://...`) and no path."""
    return _ADDRESS.match(source) is not None


def absolute(source: str) -> str:
    """A source that means the same from any folder: an address, or a path from the root."""
    return source if is_address(source) else os.path.abspath(source)  # noqa: PTH100 - links stay


def opened(source: str) -> IO[bytes]:
    """The file at a path or address: http and https, or a file system that pyarrow knows.

    Raises:
        ImageError: There is none, or it is too large, or comes too slowly.
    """
    if not is_address(source):
        return open_image(source)
    if urlsplit(source).scheme.lower() in ("http", "https"):
        return _from_server(source)
    limit_s = settings.image_time_s()
    try:
        return within(limit_s, _from_file_system, source)
    except TimeoutError:
        raise ImageError(f"{source}: can't be read: took longer than {limit_s:g} s") from None


def open_regular(name: str) -> IO[bytes]:
    """The file at a path, which is no folder, and no pipe or device that would be waited for.

    Raises:
        ImageError: It is none, or can't be read.
    """
    try:
        # Looked at before it is opened: opening a pipe would wait for a writer.
        mode = Path(name).stat().st_mode
        if stat.S_ISDIR(mode):
            os.scandir(name).close()
            raise ImageError(f"{name}: a folder, not an image")
        if not stat.S_ISREG(mode):
            raise ImageError(f"{name}: a pipe or device, not an image file")
        return Path(name).open("rb")
    except ValueError as error:  # A NUL character in the name.
        raise ImageError(f"{name!r}: no file can be called so: {error}") from None
    except OSError as error:
        raise ImageError(f"{name}: can't be read: {error.strerror}") from None


def open_image(name: str) -> IO[bytes]:
    """The file at a path, if there is anything in it.

    Raises:
        ImageError: There is not, or it can't be read.
    """
    file = open_regular(name)
    # Some of the system's own files have no size either, and reading them waits for ever.
    if not os.fstat(file.fileno()).st_size:
        file.close()
        raise ImageError(f"{name}: the file is empty")
    return file


def _from_file_system(address: str) -> IO[bytes]:
    try:
        system, path = file_system(address)
        if system.type_name == "local":
            with open_image(path) as local:
                return _kept(address, iter(lambda: local.read(_PIECE), b""))
        with system.open_input_file(path) as file:
            if file.size() > MAX_FETCHED_BYTES:
                raise _too_large(address)
            return _kept(address, iter(lambda: file.read(_PIECE), b""))
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these.
        raise ImageError(f"{address}: can't be read: {error}") from None


def _from_server(address: str) -> IO[bytes]:
    import httpx

    try:
        with _line() as line, line.watch() as watch:
            request = line.client.build_request("GET", address, extensions=watch.extensions)
            response = answer_to(line.client, request)
            try:
                response.raise_for_status()
                watch.answered()
                coding = response.headers.get("Content-Encoding", "identity")
                if coding.lower() != "identity":
                    # A few kilobytes, coded twice, unpack to any size.
                    raise ImageError(
                        f"{address}: the server sends it coded ({coding[:40]}) though it was asked "
                        "for it as it is; have it store the image without"
                    )
                if float(response.headers.get("Content-Length") or 0) > MAX_FETCHED_BYTES:
                    raise _too_large(address)
                return _kept(address, response.iter_raw(), watch.moved)
            finally:
                response.close()
    except httpx.HTTPStatusError as error:
        raise ImageError(f"{address}: the server answered {error.response.status_code}") from None
    except (TooSlow, httpx.TimeoutException) as error:
        reason = error if isinstance(error, TooSlow) else "no answer in time"
        raise ImageError(
            f"{address}: can't be fetched: {reason}; to wait longer, set "
            f"{settings.SPEED_TIME_VARIABLE} or {settings.IMAGE_TIME_VARIABLE} to more seconds"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise ImageError(f"{address}: can't be fetched: {error}") from None


def _kept(
    address: str, pieces: Iterator[bytes], moved: Callable[[int], None] = lambda size: None
) -> IO[bytes]:
    """What comes in pieces as an open file, in memory if it is small."""
    file: IO[bytes] = io.BytesIO()
    size = 0
    try:
        for piece in pieces:
            moved(len(piece))
            if size <= HELD_BYTES < size + len(piece):
                file.seek(0)
                held, file = file, TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
                file.write(held.read())
            file.write(piece)
            size += len(piece)
            if size > MAX_FETCHED_BYTES:
                raise _too_large(address)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _too_large(address: str) -> ImageError:
    return ImageError(f"{address}: larger than {MAX_FETCHED_BYTES >> 20} MiB")


@dataclass
class _Line:
    """A client for one address at a time, whose connections can be shut by a watch."""

    client: httpx.Client
    connections: list[socket.socket] = field(default_factory=list)

    def watch(self) -> Watch:
        return Watch(
            settings.speed_time_s(),
            settings.speed_limit(),
            settings.image_time_s(),
            self.connections,
        )


#: Lines that nobody uses right now; there are as many as were ever used at once.
_idle: list[_Line] = []


@contextmanager
def _line() -> Iterator[_Line]:
    import httpx

    try:
        line = _idle.pop()
    except IndexError:
        wait_s = settings.speed_time_s()
        client = open_client(
            timeout=httpx.Timeout(wait_s, connect=min(wait_s, 15.0)),
            headers={"Accept-Encoding": "identity"},
        )
        line = _Line(client)
    try:
        yield line
    finally:
        _idle.append(line)


def file_system(address: str) -> tuple[Any, str]:
    """Pyarrow's file system for an address, and the path in it."""
    from pyarrow.fs import FileSystem

    system, path = FileSystem.from_uri(address)
    return system, path
