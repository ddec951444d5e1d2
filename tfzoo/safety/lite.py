"""TensorFlow Lite's graphs: which operations they have that are not built in.

Field numbers: tensorflow/compiler/mlir/lite/schema/schema.fbs of TensorFlow 2.20.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfzoo.messages import BrokenMessage
from tfzoo.safety.findings import Notes
from tfzoo.safety.operations import OF_LITE, computing, danger_of

if TYPE_CHECKING:
    from tfzoo.safety.flat import Table

_CUSTOM, _DELEGATE = 32, 51
#: No built-in operation has a higher number, by the schema.
_LAST = 220
#: Begins the names of TensorFlow's own operations, which Lite hands over to TensorFlow.
FLEX = "Flex"


def look_through_lite(content: memoryview, notes: Notes) -> None:
    """Notes what a `.tflite` file may do.

    Raises:
        BrokenMessage: It is none.
        ModelFormatError: It is larger than any detector's.
    """
    from flatbuffers import number_types as numbers

    from tfzoo.safety.flat import reading, root

    with reading():
        model = root(content, notes.see)
        names = operations_of(model)
        subgraphs = model.tables(2)
        if not subgraphs:
            raise BrokenMessage("there is no graph in it")
        for index, graph in enumerate(subgraphs):
            for place, operator in enumerate(graph.tables(3)):
                name = names[operator.number(0, numbers.Uint32Flags)]
                notes.count(name)
                if not name.startswith("built-in ") and name not in OF_LITE:
                    _note(name, f"operator {place} of subgraph {index}", notes)


def operations_of(model: Table) -> list[str]:
    """Names of the operations that a file's operators point to: `built-in N` or a custom one's."""
    from flatbuffers import number_types as numbers

    names = []
    for code in model.tables(1):
        builtin = max(code.number(0, numbers.Int8Flags), code.number(3, numbers.Int32Flags))
        names.append(code.text(1) if builtin == _CUSTOM else f"built-in {builtin}")
        if builtin == _DELEGATE or not 0 <= builtin <= _LAST:
            names[-1] = f"operation {builtin}"
    return names


def _note(name: str, where: str, notes: Notes) -> None:
    bare = name.removeprefix(FLEX)
    if name.startswith(FLEX) and bare in computing("tensorflow"):
        return
    danger, why = danger_of(bare)
    if danger == "unknown":
        why = "is an operation that is not built in: code of somebody's"
    notes.note(danger, name or "(no name)", where, why)
