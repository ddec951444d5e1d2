"""How patient a download is, and what it tries again after."""

from __future__ import annotations

import email.utils
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from tfzoo import settings


@dataclass(frozen=True)
class Policy:
    """How patient a download is.

    Attributes:
        attempts: Failures in a row until it is given up; bytes that came since the first at less
            than `slow_bytes_per_s`, waits included, don't end the row.
        timeout_s: Seconds of silence after which a connection counts as stalled; so does one
            that brings less than `slow_bytes_per_s` for as long, or not the whole head of an
            answer. As `TFZOO_SPEED_TIME` says, or 30.
        slow_bytes_per_s: See `timeout_s`. As `TFZOO_SPEED_LIMIT` says, or 4096.
        longest_stall_s: Failures in a row for as long are enough, however few.
        backoff_s: The wait after the first failure; doubled by each further one, up to 30 s,
            and shortened by chance, so that many clients do not come back at one moment.
        longest_wait_s: A server that asks for a longer wait (Retry-After) is given up.
    """

    attempts: int = 5
    timeout_s: float = field(default_factory=settings.speed_time_s)
    slow_bytes_per_s: float = field(default_factory=settings.speed_limit)
    longest_stall_s: float = 60.0
    backoff_s: float = 1.0
    longest_wait_s: float = 120.0

    def wait_s(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(30.0, self.backoff_s * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)


class Retry(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def retry_after_s(headers: httpx.Headers) -> float | None:
    """Seconds that Retry-After asks for, given as a number or as a date."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    with suppress(Exception):  # A date that is none, or before or after all that can be counted.
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return None
