"""JPEG files that lack their end mark: whole but for it, or cut."""

from __future__ import annotations

import io

from tfzoo.images.formats import pillow

END_MARK = b"\xff\xd9"

# Put in place of what may be missing: a decoder that still waits for pixels takes it for theirs.
_FILLERS = (b"\x5a\x31\xc7\x0e\x96\x6b\xf3\xa8" * 8, b"\xfe" * 64)

#: As many zeros at the end are what a broken transfer left of a file; they decode, to gray.
_ZEROS = bytes(64)

#: Marks without a length: stuffing, restarts, start and end.
_BARE = frozenset({0x00, 0x01, 0xFF, *range(0xD0, 0xDA)})
_RESTART, _SCAN = 0xD0, 0xDA
#: Marks of a frame's header; three of their range mean something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def ended(data: bytes) -> bytes | None:
    """A JPEG file with the end mark that was all it lacked, or None where more is missing.

    Cameras and streams leave the mark away; a transfer that broke off leaves pixels away too. They
    are told apart by decoding: where all pixels are there, they don't depend on what follows.

    Args:
        data: The file, which ends without a mark.
    """
    data = data.rstrip(b"\xff")
    if data.endswith((END_MARK, _ZEROS)):
        return None
    whole = data + END_MARK
    try:
        if not _sends_all(data):
            return None
        # One that waits for the next restart mark is given that too.
        restart = bytes((0xFF, _RESTART + _restarts(data) % 8))
        pixels = _pixels(whole)
        same = all(
            _pixels(data + filler + restart + filler + END_MARK) == pixels for filler in _FILLERS
        )
    except Exception:  # Damaged files raise nearly anything from Pillow's parsers.
        return None
    return whole if same else None


def _restarts(data: bytes) -> int:
    """How many restart marks the last scan has so far."""
    scan = data[data.rfind(bytes((0xFF, _SCAN))) :]
    return sum(scan.count(bytes((0xFF, _RESTART + n))) for n in range(8))


def _pixels(data: bytes) -> bytes:
    with pillow().open(io.BytesIO(data), formats=("JPEG",)) as image:
        return bytes(image.tobytes())


def _sends_all(data: bytes) -> bool:
    """Whether scans were begun for every bit of every coefficient: a progressive file has many."""
    missing: dict[int, set[int]] = {}
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        mark = data[at + 1]
        if mark in _BARE:
            at += 1 if mark == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if len(body) < length - 2:
            return False
        if mark in _FRAMES:
            missing = {component: set(range(64)) for component in body[6 : 6 + 3 * body[5] : 3]}
        elif mark == _SCAN:
            first, last, precision = body[1 + 2 * body[0] : 4 + 2 * body[0]]
            if precision & 15 == 0:
                for component in body[1 : 1 + 2 * body[0] : 2]:
                    missing[component].difference_update(range(first, last + 1))
        at += 2 + length
    return bool(missing) and not any(missing.values())
