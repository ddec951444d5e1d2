"""Label maps of the Object Detection API, read by protobuf's own grammar of text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from tfzoo.errors import UsageError

#: The API's string_int_label_map.proto. What it knows no field for is refused, as the API does.
_SCHEMA = """
name: "tfzoo/label_map.proto" package: "tfzoo" syntax: "proto2"
message_type {
  name: "Map"
  field { name: "item" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".tfzoo.Item" }
}
message_type {
  name: "Item"
  field { name: "name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "id" number: 2 label: LABEL_OPTIONAL type: TYPE_INT32 }
  field { name: "display_name" number: 3 label: LABEL_OPTIONAL type: TYPE_STRING }
  field {
    name: "keypoints" number: 4 label: LABEL_REPEATED type: TYPE_MESSAGE
    type_name: ".tfzoo.Keypoint"
  }
  field { name: "ancestor_ids" number: 5 label: LABEL_REPEATED type: TYPE_INT32 }
  field { name: "descendant_ids" number: 6 label: LABEL_REPEATED type: TYPE_INT32 }
  field {
    name: "frequency" number: 7 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".tfzoo.Frequency"
  }
  field { name: "instance_count" number: 8 label: LABEL_OPTIONAL type: TYPE_INT32 }
}
message_type {
  name: "Keypoint"
  field { name: "id" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 }
  field { name: "label" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
}
enum_type {
  name: "Frequency"
  value { name: "UNSPECIFIED" number: 0 }
  value { name: "FREQUENT" number: 1 }
  value { name: "COMMON" number: 2 }
  value { name: "RARE" number: 3 }
}
"""


@cache
def _label_map() -> Any:
    """The class of the API's `StringIntLabelMap`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(_SCHEMA, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tfzoo.Map"))


def read_label_map(text: str) -> Iterator[tuple[int, str]]:
    """Ids and names of a `StringIntLabelMap`; a display name comes before a name.

    Raises:
        UsageError: protobuf refuses it, with line and column; or an item has no id or no name.
    """
    from google.protobuf import text_format

    try:
        items = text_format.Parse(text, _label_map()()).item
    except text_format.ParseError as error:
        # It quotes the whole line, which may be the whole file, before what is wrong with it.
        what = str(error).partition(" : ")[2].strip("'").rpartition("': ")[2].rstrip(".")[-200:]
        what = what.replace('Message type "tfzoo.Map"', "a label map")
        what = what.replace('Message type "tfzoo.Item"', "an item")
        what = what.replace('Message type "tfzoo.Keypoint"', "a keypoint")
        line, column = error.GetLine(), error.GetColumn()
        raise UsageError(f"line {line}, column {column}: {what}") from None
    except RecursionError:
        raise UsageError("its items lie too deep in one another") from None
    for number, item in enumerate(items, start=1):
        name = item.display_name or item.name
        if not item.HasField("id"):
            raise UsageError(f"item {number} ('{name}') has no id")
        if not name:
            raise UsageError(f"item {number} (id {item.id}) has no name")
        yield item.id, name
