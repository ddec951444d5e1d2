"""Addresses of images and folders: what is one, and the bytes behind it."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tfzoo.errors import ImageError
from tfzoo.network import open_client

if TYPE_CHECKING:
    import httpx

#: What is fetched from an address is held in memory before it is decoded.
MAX_FETCHED_BYTES = 512 * 2**20

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_address(source: str) -> bool:
    """Whether a source is an address (`https://...`, `s3://...`) and no path."""
    return _ADDRESS.match(source) is not None


def absolute(source: str) -> str:
    """A source that means the same from any folder: an address, or a path from the root."""
    return source if is_address(source) else os.path.abspath(source)  # noqa: PTH100 - links stay


def fetch(address: str) -> bytes:
    """The bytes behind an address: http and https, or a file system that pyarrow knows."""
    too_large = ImageError(f"{address}: larger than {MAX_FETCHED_BYTES >> 20} MiB")
    if urlsplit(address).scheme.lower() in ("http", "https"):
        import httpx

        gathered = bytearray()
        try:
            with _client().stream("GET", address) as response:
                response.raise_for_status()
                for chunk in response.iter_bytes():
                    gathered += chunk
                    if len(gathered) > MAX_FETCHED_BYTES:
                        raise too_large
        except httpx.HTTPStatusError as error:
            raise ImageError(
                f"{address}: the server answered {error.response.status_code}"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ImageError(f"{address}: can't be fetched: {error}") from None
        return bytes(gathered)
    try:
        system, path = file_system(address)
        with system.open_input_file(path) as file:
            if file.size() > MAX_FETCHED_BYTES:
                raise too_large
            return bytes(file.read())
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these.
        raise ImageError(f"{address}: can't be read: {error}") from None


@lru_cache(maxsize=1)
def _client() -> httpx.Client:
    return open_client(follow_redirects=True, timeout=30)


def file_system(address: str) -> tuple[Any, str]:
    """Pyarrow's file system for an address, and the path in it."""
    from pyarrow.fs import FileSystem

    system, path = FileSystem.from_uri(address)
    return system, path
