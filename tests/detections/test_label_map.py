"""Label maps as protobuf reads them: its own text_format is the reference."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tfzoo.detections.label_map import read_label_map
from tfzoo.errors import UsageError


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("item { id: 1 # the driver's {seat}\n name: 'cat' }", {1: "cat"}),
        ("# item { id: 7 }\nitem { id: 1 name: 'cat' }", {1: "cat"}),
        (r'item { name: "fu\303\237g\303\244nger" id: 1 }', {1: "fußgänger"}),
        (r"item { name: 'tab\there \u00e9 \x41' id: 1 }", {1: "tab\there é A"}),
        ("item:{id:1,name:'cat';}", {1: "cat"}),
        ("item < id: 1 name: 'cat' >", {1: "cat"}),
        ("item: [{id: 1 name: 'cat'}, <id: 2 name: 'dog'>]", {1: "cat", 2: "dog"}),
        ("item { id: 1 name: 'red' \" \" 'fox' }", {1: "red fox"}),
        ("item { id: 0x1F name: 'cat' } item { id: 010 name: 'dog' }", {31: "cat", 8: "dog"}),
        ("item { keypoints { id: 9 label: 'nose' } name: 'cat' id: 1 }", {1: "cat"}),
        ("item { name: 'Card, id: 7' id: 1 }", {1: "Card, id: 7"}),
        ("item { name: '/m/01' id: 1 display_name: 'cat' }", {1: "cat"}),
        ("item { id: 1 name: 'a } b' }", {1: "a } b"}),
        (
            "item { id: 2 name: 'cat' frequency: RARE instance_count: 3 ancestor_ids: [1, 3] }",
            {2: "cat"},
        ),
        ("", {}),
    ],
)
def test_what_protobuf_reads_is_read(text: str, labels: dict[int, str]) -> None:
    assert dict(read_label_map(text)) == labels


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("item {\n id: 1\n name: 'cat'\nitem {\n id: 2 }\n}", "line 4, column 1: an item has no"),
        ("item {\n  id: 1\n  name: ‘cat’\n}", "line 3, column 9: Expected string"),
        ("item { id: 1 nmae: 'cat' }", 'an item has no field named "nmae"'),
        ("item { id: 1 id: 2 name: 'cat' }", 'should not have multiple "id" fields'),
        ("item { id: '1' name: 'cat' }", "line 1, column 12: "),
        ("item { id: 1.5 name: 'cat' }", "line 1, column 12: "),
        ("item { id: 4294967296 name: 'cat' }", "Value out of range"),
        ("item { id: 1 name: 'cat }", "String missing ending quote"),
        (r"item { id: 1 name: '\377' }", "line 1, column 2"),
        ("item { id: 1 name: 'cat'", 'line 1, column 20: Expected "}"'),
        ("items { id: 1 }", 'a label map has no field named "items"'),
        ("item { name: 'cat' } ", r"item 1 \('cat'\) has no id"),
        ("item { id: 1 name: 'cat' } item { id: 2 }", r"item 2 \(id 2\) has no name"),
        ("item { id: 1 foo {" + "a {" * 5000, "."),
    ],
)
def test_what_protobuf_refuses_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        dict(read_label_map(text))


def test_a_long_line_is_not_repeated() -> None:
    with pytest.raises(UsageError) as error:
        dict(read_label_map("item { id: 1 name: 'x' } " * 2000 + "item { id 2 }"))
    assert len(str(error.value)) < 300


def test_reading_loads_no_tensorflow() -> None:
    code = (
        "import sys; from tfzoo.detections.label_map import read_label_map\n"
        "assert 'google.protobuf' not in sys.modules\n"
        "list(read_label_map('item { id: 1 name: \"cat\" }'))\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
