"""How patient a download is unless told otherwise, and what Retry-After asks for."""

import httpx
import pytest

from tests.helpers.store_faults import http_date
from tfzoo.errors import UsageError
from tfzoo.store.retry import Policy, retry_after_s


def test_a_line_gets_five_attempts_and_half_a_minute_of_silence() -> None:
    assert Policy() == Policy(
        attempts=5,
        timeout_s=30.0,
        slow_bytes_per_s=4096.0,
        longest_stall_s=60.0,
        backoff_s=1.0,
        longest_wait_s=120.0,
    )


def test_the_environment_says_how_slow_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFZOO_SPEED_TIME", "2.5")
    monkeypatch.setenv("TFZOO_SPEED_LIMIT", " 1e6 ")
    assert Policy() == Policy(timeout_s=2.5, slow_bytes_per_s=1e6)
    for wrong in ("soon", "0", "-1", "inf", "nan"):
        monkeypatch.setenv("TFZOO_SPEED_TIME", wrong)
        with pytest.raises(UsageError, match=f"TFZOO_SPEED_TIME is '{wrong}'; expected a number"):
            Policy()


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), (" 0 ", 0.0), ("soon", None), ("", None), ("-3", None)]
)
def test_a_wait_is_a_number_of_seconds(text: str, seconds: float | None) -> None:
    assert retry_after_s(httpx.Headers({"Retry-After": text})) == seconds


def test_a_wait_until_a_moment_is_the_time_left_and_none_where_it_has_passed() -> None:
    assert retry_after_s(httpx.Headers({"Retry-After": http_date(100)})) == pytest.approx(
        100, abs=5
    )
    assert retry_after_s(httpx.Headers({"Retry-After": http_date(-100)})) == 0
    assert retry_after_s(httpx.Headers()) is None


@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000, "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon, 99 Foo 99999999999 99:99:99 GMT", "\x00", "1e999", "0x10", "Mon, 1 Jan " + "9" * 5000,
    ],
)  # fmt: skip
def test_a_hostile_wait_is_none_or_longer_than_any_patience(text: str) -> None:
    found = retry_after_s(httpx.Headers({"Retry-After": text}))
    assert found is None or found >= 0
