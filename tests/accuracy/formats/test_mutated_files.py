"""Annotations of each format with anything wrong in them: read, or refused in words."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.limits import no_longer_than
from tests.helpers.truth_formats import WRITERS, carried
from tfzoo.accuracy.category_names import joined, unknown_warning
from tfzoo.accuracy.coco import find_annotated
from tfzoo.accuracy.truth_check import check_kind
from tfzoo.errors import TfzooError

MUTATIONS = int(os.environ.get("MUTATIONS", "300"))

#: What takes the place of some bytes.
ODD = [
    *(b"", b"\0", b"\xff\xfe", b"\x80", b"\n", b" ", b"-", b"1e999", b"nan", b"9" * 5000),
    *(b"</object>", b"<!DOCTYPE a>", b"&a;", b"<a" * 2000, b"]]>", b"<object>", b"<xmin>7</xmin>"),
    *(b'"', b",", b",,", b"../", b"/etc/passwd", b"https://example.org/", b"val: ", b"*a", b"&a "),
    *(b"[" * 3000, b"- ", b": ", b"\r", b"\n7 0.5 0.5 0.5 0.5\n", b"\x12\x07", b"\x1f\x8b", b"%s"),
]

#: Which of the files that are written of each format are mutated.
FILES = {
    "voc": "Annotations/*.xml",
    "yolo": "*.yaml",
    "yolo labels": "labels/val/*.txt",
    "open_images": "*.csv",
    "tfrecords": "*.record*",
}


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[float, int, bytes]]:
    """Places in a file, as shares of its length; how many bytes go there, and what comes."""
    one = st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(ODD))
    return draw(st.lists(one, min_size=1, max_size=3))


@pytest.mark.parametrize("what", FILES)
def test_mutated_annotations_are_read_or_refused_in_words(
    what: str, tmp_path: Path, truth: dict[str, Any], images: Path
) -> None:
    kind = what.split()[0]
    named = WRITERS[kind](carried(truth, kind), images, tmp_path / kind)
    names = {c["id"]: c["name"] for c in truth["categories"]}
    files = {path: path.read_bytes() for path in sorted((tmp_path / kind).glob(FILES[what]))}
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=MUTATIONS // 15, deadline=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from(list(files)), changes())
    def check(path: Path, made: list[tuple[float, int, bytes]]) -> None:
        data = bytearray(files[path])
        for share, removed, piece in made:
            at = int(share * len(data))
            data[at : at + removed] = piece
        path.write_bytes(data)
        with no_longer_than(30):
            try:
                found = find_annotated([named], None)
                found.sources(found.files)
                read = joined(found.truths[0], names)
                check_kind(read, "box")
                unknown_warning(read)
            except TfzooError as error:
                assert 20 < len(str(error)) < 5000
                str(error).encode()
                outcomes["refused"] += 1
            else:
                outcomes["read"] += 1
            finally:
                path.write_bytes(files[path])

    check()
    assert outcomes["refused"] > MUTATIONS / 100
    if kind != "tfrecords":  # Whose checksums see everything.
        assert outcomes["read"] > 0
