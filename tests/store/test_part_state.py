"""What answers say of an object, one by one and joined."""

from dataclasses import replace

import httpx
import pytest

from tfzoo.store.part_state import State, describe, joined

URL = "https://example.org/m.tar.gz"
WHOLE = State(URL, 1000, '"a"', "Mon, 05 Jan 2026 00:00:00 GMT", "0f" * 16, True, "example.org")
NOTHING = State(URL, None, None, None, None, True, "example.org")


def said(status: int, **headers: str) -> State:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = httpx.Response(status, headers=named, request=httpx.Request("GET", URL))
    return describe(answer, URL, secure=True)


@pytest.mark.parametrize(
    ("status", "content_range", "total"),
    [
        (200, "", 10),
        (206, "bytes 990-999/1000", 1000),
        (206, "bytes 990-999/*", None),
        (206, "", None),
        (416, "bytes */1000", 1000),
        (206, "bytes 990-999/" + "9" * 5000, None),
        (416, "bytes */" + "9" * 19, None),
        (416, "bytes */" + "9" * 18, 10**18 - 1),
        (206, "bytes 990-999/-1", None),
        (206, "bytes 990-999/1e3", None),
    ],
)
def test_a_part_names_the_size_of_the_whole(
    status: int, content_range: str, total: int | None
) -> None:
    headers = {"Content_Range": content_range} if content_range else {}
    assert said(status, Content_Length="10", **headers).total == total


def test_an_answer_tells_its_object_by_its_headers() -> None:
    answer = said(
        200,
        Content_Length="1000",
        ETag='"a"',
        Last_Modified="Mon, 05 Jan 2026 00:00:00 GMT",
        x_goog_hash="crc32c=AAAAAA==, md5=Dw8PDw8PDw8PDw8PDw8PDw==",
    )
    assert answer == WHOLE
    assert said(200) == NOTHING


def test_what_was_said_first_is_kept_and_what_was_not_said_is_added() -> None:
    assert joined(WHOLE, NOTHING) == WHOLE
    assert joined(NOTHING, WHOLE) == WHOLE
    assert joined(WHOLE, replace(NOTHING, etag='"b"', md5="00" * 16)) == WHOLE
    assert joined(replace(WHOLE, etag=None), replace(NOTHING, etag='"b"')).etag == '"b"'


def test_an_object_is_secure_only_where_all_its_parts_were() -> None:
    plain = replace(WHOLE, secure=False)
    assert [joined(*pair).secure for pair in [(WHOLE, WHOLE), (WHOLE, plain), (plain, WHOLE)]] == [
        True,
        False,
        False,
    ]
