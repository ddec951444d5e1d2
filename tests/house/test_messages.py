"""Messages are read as protobuf reads them, and never over their ends."""

from __future__ import annotations

import pytest

from tfzoo.messages import BrokenMessage, fields, last, messages, text


def view(content: bytes) -> memoryview:
    return memoryview(content)


def test_fields_are_as_protobuf_wrote_them() -> None:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef()
    graph.node.add(name="one", op="Add", input=["a", "b"])
    graph.node.add(name="two", op="Mul")
    graph.versions.producer = 300
    content = view(graph.SerializeToString())
    assert [text(name) for name in messages(content, 1, 1)] == ["one", "two"]
    assert [text(name) for name in messages(content, 1, 3)] == ["a", "b"]
    assert [dict(fields(one)) for one in messages(content, 4)] == [{1: 300}]


def test_fixed_numbers_are_passed_over() -> None:
    content = b"\x09" + bytes(8) + b"\x15" + bytes(4) + b"\x1a\x01x"
    assert [(number, bytes(value)) for number, value in fields(view(content))] == [
        (1, bytes(8)), (2, bytes(4)), (3, b"x"),
    ]  # fmt: skip


def test_of_several_texts_the_last_counts() -> None:
    assert last(view(b"\x0a\x01a\x0a\x01b"), 1) == "b"
    assert last(view(b"\x12\x01a"), 1) == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x00", "no field begins at byte 1"),
        (b"\x0a\x05abcd", "a field of 5 bytes begins at byte 2 of 6"),
        (b"\x0a" + b"\xff" * 12, "a number at byte 1 has no end"),
        (b"\x0b\x0c", "no field is of kind 3"),
        (b"\x0d\x00", "a field of 4 bytes"),
        (b"\x80", "has no end"),
    ],
)
def test_what_is_no_message_is_told_of(content: bytes, reason: str) -> None:
    with pytest.raises(BrokenMessage, match=reason):
        list(fields(view(content)))


def test_a_number_in_a_text_s_place_and_a_name_without_end_are_told_of() -> None:
    with pytest.raises(BrokenMessage, match="field 1 is a number"):
        list(messages(view(b"\x08\x01"), 1))
    with pytest.raises(BrokenMessage, match="a name has 200000 bytes"):
        text(view(bytes(200_000)))
    assert text(view(b"\xff")) == "\N{REPLACEMENT CHARACTER}"
