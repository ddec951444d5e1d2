"""TensorFlow Lite's graphs: which operations they have that are not built in.

Field numbers: tensorflow/compiler/mlir/lite/schema/schema.fbs of TensorFlow 2.20.
"""

from __future__ import annotations

from tfzoo.messages import BrokenMessage
from tfzoo.safety.findings import Notes
from tfzoo.safety.operations import OF_LITE, computing, danger_of

_CUSTOM, _DELEGATE = 32, 51
#: No built-in operation has a higher number, by the schema.
_LAST = 220
_FLEX = "Flex"


def look_through_lite(content: memoryview, notes: Notes) -> None:
    """Notes what a `.tflite` file may do.

    Raises:
        BrokenMessage: It is none.
        ModelFormatError: It is larger than any detector's.
    """
    import struct

    try:
        _look_through(content, notes)
    except (struct.error, IndexError, TypeError, OverflowError) as error:
        raise BrokenMessage(f"it is cut or damaged: {error}") from None


def _look_through(content: memoryview, notes: Notes) -> None:
    from flatbuffers import number_types as numbers
    from flatbuffers.table import Table

    def field(table: Table, index: int) -> int:
        return int(table.Offset(4 + 2 * index))

    def tables(table: Table, index: int) -> list[Table]:
        if not (at := field(table, index)):
            return []
        start, length = table.Vector(at), table.VectorLen(at)
        notes.see(length)
        if start < 0 or start + 4 * length > len(content):
            raise IndexError("a list reaches over the end")
        return [Table(content, table.Indirect(start + 4 * i)) for i in range(length)]

    def number(table: Table, index: int, kind: type) -> int:
        at = field(table, index)
        return int(table.Get(kind, table.Pos + at)) if at else 0

    root = Table(content, int.from_bytes(content[:4], "little"))
    names = []
    for code in tables(root, 1):
        at = field(code, 1)
        custom = bytes(code.String(code.Pos + at)).decode("utf-8", "replace") if at else ""
        builtin = max(number(code, 0, numbers.Int8Flags), number(code, 3, numbers.Int32Flags))
        names.append(custom if builtin == _CUSTOM else f"built-in {builtin}")
        if builtin == _DELEGATE or not 0 <= builtin <= _LAST:
            names[-1] = f"operation {builtin}"
    subgraphs = tables(root, 2)
    if not subgraphs:
        raise BrokenMessage("there is no graph in it")
    for index, graph in enumerate(subgraphs):
        for place, operator in enumerate(tables(graph, 3)):
            name = names[number(operator, 0, numbers.Uint32Flags)]
            notes.count(name)
            if name.startswith("built-in ") or name in OF_LITE:
                continue
            where = f"operator {place} of subgraph {index}"
            bare = name.removeprefix(_FLEX)
            if name.startswith(_FLEX) and bare in computing("tensorflow"):
                continue
            danger, why = danger_of(bare)
            if danger == "unknown":
                why = "is an operation that is not built in: code of somebody's"
            notes.note(danger, name or "(no name)", where, why)
