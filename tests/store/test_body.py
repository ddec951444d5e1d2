"""Bodies are read from the connection itself where that is safe, and by httpx where it is not."""

from collections.abc import Iterator

import httpx
import pytest

from tests.helpers.store_faults import POLICY, make_archive, serving
from tfzoo.patience import Watch
from tfzoo.store.body import Body

ARCHIVE = make_archive(seed=1, size=1_000_000)


def read(response: httpx.Response, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, int]:
    """The body, and how many pieces of it httpx was asked for."""
    pieces, asked = response.iter_raw(), 0

    def counted() -> Iterator[bytes]:
        nonlocal asked
        for piece in pieces:
            asked += 1
            yield piece

    monkeypatch.setattr(response, "iter_raw", counted)
    watch = Watch(POLICY.timeout_s, POLICY.slow_bytes_per_s)
    body, buffer, received = Body(response, watch), bytearray(1 << 16), b""
    while not body.ended:
        received += buffer[: body.fill(buffer)]
    assert body.failure is None
    return received, asked


def test_all_but_the_first_piece_comes_from_the_connection_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        serving(ARCHIVE) as server,
        httpx.stream("GET", f"{server.url}/some_model.tar.gz", trust_env=False) as response,
    ):
        assert read(response, monkeypatch) == (ARCHIVE.content, 1)


class Untouched:
    """A connection that nobody may read from beside httpx."""

    def get_extra_info(self, name: str) -> object:
        raise AssertionError(f"asked for its {name}")


@pytest.mark.parametrize(
    "extensions",
    [{}, {"http_version": b"HTTP/2", "network_stream": Untouched()}],
    ids=["no connection", "HTTP/2"],
)
def test_httpx_gives_every_piece_where_the_connection_is_none_or_carries_more_than_a_body(
    extensions: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        pieces = iter([b"one", b"two", b"three"])
        headers = {"Content-Length": "11"}
        return httpx.Response(200, headers=headers, content=pieces, extensions=extensions)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    with client, client.stream("GET", "http://example.org/") as response:
        assert read(response, monkeypatch) == (b"onetwothree", 3)
