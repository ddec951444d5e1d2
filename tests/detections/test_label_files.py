"""Names of fine-tuned models: each form by its own grammar, or refused by name."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.limits import no_longer_than
from tfzoo.detections.label_files import labels_of, read_labels
from tfzoo.errors import UsageError

#: Mutated files tried; .ci/run tries 10,000.
MUTATIONS = int(os.environ.get("MUTATIONS", "300"))

LABEL_MAP = """
# Written by hand.
item {
  id: 1
  name: 'cat'
}
item { name: "/m/01g317" id: 120 display_name: "person, {seated}" }
item{
  name:"o'clock"
  id:3
}
"""


def read(folder: Path, name: str, content: str | bytes) -> dict[int, str]:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return read_labels(folder / name)


def test_a_label_map_gives_its_own_ids_and_display_names(tmp_path: Path) -> None:
    (tmp_path / "label_map.pbtxt").write_text(LABEL_MAP)
    labels = read_labels(tmp_path / "label_map.pbtxt")
    assert labels == {1: "cat", 120: "person, {seated}", 3: "o'clock"}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("cat\ndog\n\n", {1: "cat", 2: "dog"}),
        ("# mine\ncat\nred fox\n", {1: "cat", 2: "red fox"}),
        ("91 cat\n200: red fox\n", {91: "cat", 200: "red fox"}),
        ("1,cat\n7,dog\n", {1: "cat", 7: "dog"}),
        ("\ufeffcat\r\ndog\r\n", {1: "cat", 2: "dog"}),
        ("7up can\ncola can\n", {1: "7up can", 2: "cola can"}),
    ],
)
def test_a_text_file_gives_a_name_a_line(tmp_path: Path, text: str, labels: dict[int, str]) -> None:
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8")
    assert read_labels(tmp_path / "labels.txt") == labels


def test_a_list_is_numbered_from_one() -> None:
    assert read_labels("cat, red fox") == {1: "cat", 2: "red fox"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "item { name: 'cat' }"])
def test_a_file_without_labels_is_refused_with_the_forms_that_work(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(UsageError, match=r"Expected a label_map\.pbtxt"):
        read_labels(tmp_path / "labels.txt")


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_labels("nowhere.pbtxt")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("cat\n\ndog\n", {1: "cat", 3: "dog"}),
        ("# mine\n\ncat\ndog", {1: "cat", 2: "dog"}),
        ("???\ncat\n???\ndog", {1: "cat", 3: "dog"}),
        ("background\ncat", {0: "background", 1: "cat"}),
        ("__background__\ncat", {0: "__background__", 1: "cat"}),
        ("tench, Tinca tinca\nshark\n", {1: "tench, Tinca tinca", 2: "shark"}),
        ("0  cat\n1  dog\n", {0: "cat", 1: "dog"}),
        ("1. cat\n2. dog\n", {1: "cat", 2: "dog"}),
        ("a\u2028b\ndog\n", {1: "a\u2028b", 2: "dog"}),
        ("[unk]\ncat", {1: "[unk]", 2: "cat"}),
    ],
)
def test_lines_keep_their_numbers(tmp_path: Path, text: str, labels: dict[int, str]) -> None:
    assert read(tmp_path, "labels.txt", text) == labels


CATEGORIES = '{"info": {}, "categories": [{"id": 1, "name": "cat"}, {"id": 18, "name": "dog"}]}'
YOLO = "path: ../coco\nnc: 3\nnames:\n  0: person\n  1: no\n  2: 'on'\n"


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("c.json", CATEGORIES, {1: "cat", 18: "dog"}),
        ("c.txt", CATEGORIES, {1: "cat", 18: "dog"}),
        ("c.json", '[{"id": "1", "name": "cat"}, {"id": 2.0, "name": 7}]', {1: "cat", 2: "7"}),
        ("c.json", '{"1": "cat", "2": "dog"}', {1: "cat", 2: "dog"}),
        ("c.json", '{"cat": 1, "dog": 2}', {1: "cat", 2: "dog"}),
        ("data.yaml", YOLO, {0: "person", 1: "no", 2: "on"}),
        ("data.txt", YOLO, {0: "person", 1: "no", 2: "on"}),
        ("data.yml", "names: [cat, yes, 1.0]", {0: "cat", 1: "yes", 2: "1.0"}),
        ("data.yaml", "1: cat\n2: dog\n", {1: "cat", 2: "dog"}),
        ("t.csv", 'id,name\n1,cat\n2,"dog, big"\n', {1: "cat", 2: "dog, big"}),
        ("t.csv", "name;id\ncat;1\n", {1: "cat"}),
        ("t.tsv", "class_id\tclass_name\n1\tcat\n", {1: "cat"}),
        ("t.txt", "id,name\n1,cat\n", {1: "cat"}),
        ("t.csv", "1,cat\n7,dog\n", {1: "cat", 7: "dog"}),
        ("map.txt", LABEL_MAP, {1: "cat", 120: "person, {seated}", 3: "o'clock"}),
        ("map.prototxt", "item<id:1 name:'cat'>", {1: "cat"}),
        ("map.txt", "item\n{ id: 1 name: 'cat' }", {1: "cat"}),
    ],
)
def test_each_form_is_read_by_its_own_grammar(
    tmp_path: Path, name: str, text: str, labels: dict[int, str]
) -> None:
    assert read(tmp_path, name, text) == labels


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("text", ["fußgänger\nRad\n", "item { id: 1 name: 'fußgänger' }"])
def test_encodings_are_told_by_their_marks(tmp_path: Path, encoding: str, text: str) -> None:
    marked = text if encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32") else f"\ufeff{text}"
    assert read(tmp_path, "labels.txt", marked.encode(encoding))[1] == "fußgänger"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("map.pbtxt", "cat\ndog\n", 'line 1, column 1: a label map has no field named "cat"'),
        ("map.txt", "item {\n id: 1\n name: ‘cat’\n}", "line 3, column 8"),
        ("map.txt", "label {\n id: 1\n}", 'no field named "label"'),
        ("map.txt", "id: 1\nname: 'cat'\n", 'no field named "id"'),
        ("map.pbtxt", "item {id: 1 name: 'a'} item {id: 1 name: 'b'}", "id 1 stands twice, as 'a'"),
        ("map.pbtxt", "item {id: -1 name: 'a'}", "whole number from 0"),
        ("c.json", '{"categories": [{"id": 1, "name": "cat"}', "looks like JSON, but is not"),
        ("c.txt", '{"categories": [{"id": 1, "name": "cat"}', "looks like JSON, but is not"),
        ("c.json", '["cat", "dog"]', "does not say from which number it counts"),
        ("c.json", '{"1": "cat", "1": "dog"}', "'1' stands twice"),
        ("c.json", '[{"name": "cat"}]', "'cat' has the id 'None'"),
        ("c.json", '[{"id": 1}]', "id 1 has no name"),
        ("c.json", '[{"id": NaN, "name": "cat"}]', "has the id 'nan'"),
        ("c.json", '[{"id": 1e999, "name": "cat"}]', "has the id 'inf'"),
        ("c.json", '{"1": "\\ud800"}', "half a character"),
        ("c.json", '{"images": []}', "holds no categories"),
        ("c.json", "[" * 100_000, "too deep"),
        ("data.yaml", "names: [cat\n", "looks like YAML, but is not"),
        ("data.yaml", "nc: 3\nnames: [cat, dog]\n", "nc is 3, but names holds 2"),
        ("data.yaml", "names:\n  0: cat\n  0: dog\n", "line 3, column 3: '0' stands twice"),
        ("data.yaml", "names: &a [*a]\n", "recursive"),
        ("data.yaml", "train: images\n", "holds no categories"),
        ("data.yaml", "[" * 5000, "too deep"),
        ("t.csv", "/m/01,Tortoise\n", "has no columns id and name"),
        ("t.csv", "id,name\n1\n", "line 2 has 1 columns"),
        ("t.csv", 'id,name\n1,"cat\n', "is no CSV"),
        ("labels.txt", "1 cat\n2 dog\n3 cow\nhorse\n", r"line 4 \('horse'\) has no id"),
        ("labels.txt", "1 cat\n1 dog\n", "id 1 stands twice"),
        ("labels.txt", "9999999999 cat\n", "whole number from 0"),
        ("labels.txt", "cat\nfußgänger\n".encode("latin-1"), r"line 2 is not UTF-8 \(byte 0xdf\)"),
        ("labels.txt", "cat\n".encode("utf-16-le"), "UTF-16 without its mark"),
        ("labels.txt", b"\xff\xfea", "mark of UTF-16-LE, but"),
        ("labels.txt", "<annotation>\n</annotation>", "XML"),
        ("labels.toml", "[names]\ncat = 1\n", "INI or TOML"),
        (
            "labels.txt",
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "git lfs pull",
        ),
    ],
)
def test_what_fits_no_form_is_refused_with_file_and_place(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as error:
        read(tmp_path, name, content)
    assert name in str(error.value) and "Expected a label_map.pbtxt" in str(error.value)


def test_a_list_is_no_file_however_long(tmp_path: Path) -> None:
    names = [f"category {i}" for i in range(1, 200)]
    assert read_labels(",".join(names)) == dict(enumerate(names, 1))
    assert read_labels("cat, , dog,") == {1: "cat", 3: "dog"}
    for missing in ("a,b.pbtxt", "/nowhere/a,b", "~nobody/labels.txt"):
        with pytest.raises(UsageError, match="no such file"):
            read_labels(missing)
    with pytest.raises(UsageError, match="it is a folder"):
        read_labels(tmp_path)
    with pytest.raises(UsageError, match="no names found"):
        read_labels(",")


FILES = {
    "a.pbtxt": LABEL_MAP.encode(),
    "a.json": CATEGORIES.encode(),
    "a.yaml": YOLO.encode(),
    "a.csv": b"id,name\n1,cat\n2,dog\n",
    "a.txt": b"???\ncat\n\nred fox\n",
    "b.txt": LABEL_MAP.encode("utf-16"),
}
PIECES = [
    *(b"", b"{", b"}", b"<", b">", b"[", b"]", b'"', b"'", b":", b",", b"\n", b"#", b"\\", b"\\3"),
    *(b"item", b"id", b"name", b"0x", b"-", b"1e999", b"99999999999", b"\0", b"\xff\xfe"),
    *(b"[" * 500, b"item {" * 99, b"&a *a", b"NaN", b"\\ud800", b"- ", b"? ", b"\xc3"),
]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(FILES)))
    data = bytearray(FILES[name])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=3))
        data[at : at + draw(st.sampled_from([0, 0, 1, 2, 9]))] = piece
    return name, bytes(data)


def test_a_mutated_file_is_read_or_refused_in_words(tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=MUTATIONS, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(mutated())
    def check(file: tuple[str, bytes]) -> None:
        with no_longer_than(5):
            try:
                labels = read(tmp_path, *file)
            except UsageError as error:
                assert file[0] in str(error)
                outcomes["refused"] += 1
            else:
                assert labels and all(type(i) is int and i >= 0 for i in labels)
                "".join(labels.values()).encode()
                outcomes["read"] += 1

    check()
    assert outcomes["read"] > MUTATIONS / 20
    assert outcomes["refused"] > MUTATIONS / 20


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (None, None),
        (["a", "b"], {1: "a", 2: "b"}),
        (("a",), {1: "a"}),
        (np.array(["a", "b"]), {1: "a", 2: "b"}),
        ({"7": "a"}, {7: "a"}),
        ({np.int64(7): "a"}, {7: "a"}),
        ("a,b", {1: "a", 2: "b"}),
    ],
)
def test_labels_are_taken_as_they_are_given_in_python(names: Any, expected: Any) -> None:
    assert labels_of(names) == expected


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "labels are empty"),
        ({}, "labels are empty"),
        (7, "labels are int; expected names by id"),
        (b"a,b", "labels are bytes"),
        (["a", None], "labels: id 2 has no name"),
        ({"x": "a"}, "labels: 'a' has the id 'x'"),
        ("nothing.txt", "no such file"),
    ],
)
def test_labels_that_are_none_are_refused(names: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        labels_of(names)


def test_labels_that_are_a_git_lfs_pointer_say_so(tmp_path: Path) -> None:
    for name in ("labels.txt", "label_map.pbtxt", "classes.names"):
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\nsize 5\n")
        with pytest.raises(UsageError, match=r"Git LFS pointer.*git lfs pull"):
            labels_of(tmp_path / name)
