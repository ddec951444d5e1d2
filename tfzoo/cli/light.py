"""Keeps libraries out of a command that it would only wait for."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder


class _Absent(MetaPathFinder):
    """Lets some modules seem not to be installed."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def start_light() -> None:
    """Makes this process, which must be the command line's own, start without what it won't need.

    pyarrow imports pandas (half a second) at the first array it makes, only to tell a series from
    a list; it looks again when something does ask for pandas. OpenVINO imports its converter of
    other frameworks' models, and absl with it, and does without.
    """
    sys.meta_path.insert(0, _Absent({"openvino.tools.ovc"}))
    for_now = _Absent({"pandas"})
    sys.meta_path.insert(0, for_now)
    try:
        import pyarrow as pa

        pa.array([])
    finally:
        sys.meta_path.remove(for_now)
