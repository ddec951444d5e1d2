"""Which object a part file belongs to, as the server's answers describe it."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class State:
    """Which object a part file belongs to, as the server described it.

    Attributes:
        url: Its address, without what that hides but told apart from others (see `keyed`).
    """

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

    def fits(self, other: State) -> bool:
        """Whether another answer describes the same object."""
        pairs = (
            (self.total, other.total),
            (self.etag, other.etag),
            (self.last_modified, other.last_modified),
            (self.md5, other.md5),
        )
        return all(mine == theirs or None in (mine, theirs) for mine, theirs in pairs)


def describe(response: httpx.Response, url: str, secure: bool) -> State:
    """What an answer says of its object; `secure` is whether every hop to it was https."""
    total = response.headers.get("Content-Length")
    if response.status_code in (206, 416):
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return State(
        url=url,
        total=number_of_bytes(total) if total else None,
        etag=response.headers.get("ETag"),
        last_modified=response.headers.get("Last-Modified"),
        md5=_server_md5(response.headers),
        secure=secure,
        host=response.url.host,
    )


def number_of_bytes(text: str) -> int | None:
    """The number in a header, or None where it is none that a file could have."""
    return int(text) if text.isdecimal() and len(text) < 19 else None


def joined(before: State, now: State) -> State:
    """What is known of an object whose parts came in several answers."""
    values: dict[str, Any] = {
        name: value if value is not None else getattr(now, name)
        for name, value in asdict(before).items()
    }
    return State(**values | {"secure": before.secure and now.secure})


def _server_md5(headers: httpx.Headers) -> str | None:
    """The md5 of the whole object in Google Cloud Storage's `x-goog-hash`, in hexadecimal."""
    for field in headers.get_list("x-goog-hash", split_commas=True):
        name, _, value = field.strip().partition("=")
        if name == "md5":
            with suppress(ValueError):
                return base64.b64decode(value, validate=True).hex()
    return None
