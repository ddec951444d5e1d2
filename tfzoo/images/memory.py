"""Memory that several threads share while they decode images."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: What decoding holds for each pixel at its peak: Pillow's four bytes, a copy turned or converted,
#: the three given; for 16 bits of colour twice as many.
BYTES_A_PIXEL = 16


#: Shares after which freed memory is given back to the system at once, which takes a moment.
LARGE = 512 * 2**20


class Budget:
    """Bytes that threads take a share of, each waiting until there is room for its own.

    Args:
        size: How many there are. What asks for more gets all of them, alone.
    """

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()
        # Who waits for much is not overtaken for ever by those who want little.
        self._turn = threading.Lock()

    @contextmanager
    def share(self, size: int) -> Iterator[None]:
        """Holds so many bytes, once they are free."""
        size = min(size, self._size)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._free >= size)
            self._free -= size
        try:
            yield
        finally:
            if size > LARGE:
                _give_back_freed()
            with self._changed:
                self._free += size
                self._changed.notify_all()


def _give_back_freed() -> None:
    """Has the C library give freed memory back: glibc's keeps it for the thread that used it."""
    with suppress(OSError, AttributeError, TypeError):  # Other systems' have no need of it.
        ctypes.CDLL(None).malloc_trim(0)


#: For all that this process decodes: six photographs of 20 megapixels at once.
DECODING = Budget(2 * 2**30)
