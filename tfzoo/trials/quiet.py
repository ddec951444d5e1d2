"""Whether other work disturbs a measurement."""

from __future__ import annotations

import time

import psutil

#: A machine is quiet whose other processes use no more than this part of one core.
LEAST_CORES = 0.3

#: How long is looked, before something begins, in seconds.
_GLANCE_S = 0.3


class Neighbours:
    """Counts what other processes use of the processor, from when it is made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy, self._own = _busy_s(), _own_s()

    def cores(self) -> float:
        """Cores that others have used since, on average."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        others = (_busy_s() - self._busy) - (_own_s() - self._own)
        return max(others, 0.0) / seconds


def is_quiet() -> bool:
    """Whether nothing else uses the machine now; takes a moment."""
    neighbours = Neighbours()
    time.sleep(_GLANCE_S)
    return neighbours.cores() <= LEAST_CORES


def _busy_s() -> float:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # A guest's time is counted as the user's already.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - idle - guests - getattr(times, "steal", 0.0))


def _own_s() -> float:
    """Processor time of this process, of its children, and of those that have ended."""
    me = psutil.Process()
    own = me.cpu_times()
    total = own.user + own.system
    total += getattr(own, "children_user", 0.0) + getattr(own, "children_system", 0.0)
    for child in me.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return float(total)
