"""A watch ends an exchange that is too slow in all, and leaves the others alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tfzoo.patience import TooSlow, Watch


class Stream:
    """What httpx's trace gives of a new connection."""

    def __init__(self, connection: socket.socket | None) -> None:
        self.connection = connection

    def get_extra_info(self, name: str) -> Any:
        assert name == "socket"
        return self.connection


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        yield mine, theirs


def connected(watch: Watch, connection: socket.socket | None) -> None:
    watch.extensions["trace"](
        "connection.connect_tcp.complete", {"return_value": Stream(connection)}
    )


def wait_for(watch: Watch) -> bool:
    deadline = time.monotonic() + 60
    while watch.reason is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return watch.reason is not None


def test_an_answer_that_does_not_begin_is_ended(pair: tuple[socket.socket, socket.socket]) -> None:
    begun = time.monotonic()
    with pytest.raises(TooSlow, match=r"no answer within 0\.1 s"), Watch(0.1, 1) as watch:
        connected(watch, pair[0])
        assert pair[0].recv(1) == b""  # It was shut.
    assert 0.1 <= time.monotonic() - begun < 20


def test_a_connection_that_is_made_too_late_is_ended_too(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with pytest.raises(TooSlow), Watch(0.05, 1) as watch:
        while watch.reason is None:
            time.sleep(0.01)
        connected(watch, None)  # Of another kind: nothing can be done about it.
        connected(watch, pair[0])
        assert pair[0].recv(1) == b""


def test_a_body_below_the_rate_is_ended_and_says_how_slow_it_was() -> None:
    with pytest.raises(TooSlow, match="stalled at 90 bytes a second"), Watch(0.2, 100) as watch:
        watch.answered()
        watch.moved(18)
        assert wait_for(watch)


def test_a_body_at_the_rate_goes_on_as_long_as_it_takes() -> None:
    with Watch(0.2, 100) as watch:
        watch.answered()
        for _ in range(12):
            watch.moved(10)
            time.sleep(0.05)
    assert watch.reason is None


def test_every_window_counts_for_itself() -> None:
    """What came fast at first is no credit for later."""
    with pytest.raises(TooSlow, match="stalled at 0 bytes a second"), Watch(0.2, 100) as watch:
        watch.answered()
        watch.moved(10**9)
        assert wait_for(watch)


def test_an_exchange_is_over_in_time_however_fast_it_is() -> None:
    with pytest.raises(TooSlow, match=r"took longer than 0\.3 s"), Watch(0.1, 1, 0.3) as watch:
        watch.answered()
        while watch.reason is None:
            watch.moved(1000)
            time.sleep(0.01)


def test_what_the_shut_connection_caused_is_told_as_slowness_and_a_stop_as_a_stop() -> None:
    with pytest.raises(TooSlow), Watch(0.05, 1) as watch:
        assert wait_for(watch)
        raise OSError("the connection broke")
    with pytest.raises(KeyboardInterrupt), Watch(0.05, 1) as watch:
        assert wait_for(watch)
        raise KeyboardInterrupt
    with pytest.raises(OSError, match="broke"), Watch(10, 1):
        raise OSError("the connection broke")


def test_connections_of_before_are_ended_too_and_closed_ones_forgotten(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    connections: list[socket.socket] = []
    with Watch(10, 1, connections=connections) as watch:
        connected(watch, pair[0])
        closed, other = socket.socketpair()
        other.close()
        connected(watch, closed)
        closed.close()
        watch.extensions["trace"]("http11.receive_response_headers.started", {})
    with pytest.raises(TooSlow), Watch(0.05, 1, connections=connections):
        assert pair[0].recv(1) == b""
    third, fourth = socket.socketpair()
    with third, fourth, Watch(10, 1, connections=connections) as watch:
        connected(watch, third)
    assert connections == [pair[0], third]


def test_a_watch_leaves_no_thread_behind() -> None:
    with Watch(30, 1):
        watching = [one for one in threading.enumerate() if one.name == "watch"]
    for thread in watching:
        thread.join(60)
        assert not thread.is_alive()
