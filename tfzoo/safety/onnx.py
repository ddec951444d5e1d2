"""ONNX's graphs: which operators they have, and what lies outside of the file.

Field numbers: onnx/onnx.proto of ONNX 1.23.
"""

from __future__ import annotations

from tfzoo.messages import BrokenMessage, fields, last, messages
from tfzoo.safety.findings import Notes
from tfzoo.safety.operations import computing

_STANDARD = ("", "ai.onnx")
_DEEPEST = 50


def look_through_onnx(content: memoryview, notes: Notes) -> None:
    """Notes what an ONNX model may do.

    Raises:
        BrokenMessage: It is none.
        ModelFormatError: It is larger than any detector's.
    """
    own = {(last(function, 10), last(function, 1)): function for function in messages(content, 25)}
    graphs = list(messages(content, 7))
    if not graphs:
        raise BrokenMessage("there is no graph in it")
    for training in messages(content, 20):
        graphs += [*messages(training, 1), *messages(training, 2)]
    for graph in graphs:
        _look_through(graph, notes, "the graph", set(own), 0)
    for (domain, name), function in own.items():
        for node in messages(function, 7):
            _look_at(node, notes, f"function {name}", set(own), 0)
        if domain in _STANDARD:
            notes.note("unknown", name, f"function {name}", "is a function by a standard's name")


def _look_through(
    graph: memoryview, notes: Notes, where: str, own: set[tuple[str, str]], depth: int
) -> None:
    if depth > _DEEPEST:
        raise BrokenMessage(f"graphs lie in one another more than {_DEEPEST} deep")
    for number, value in fields(graph):
        if isinstance(value, int):
            continue
        notes.see()
        if number == 1:
            _look_at(value, notes, where, own, depth)
        elif number == 5:
            _look_at_tensor(value, notes, where)
        elif number == 15:
            for tensor in (*messages(value, 1), *messages(value, 2)):
                _look_at_tensor(tensor, notes, where)


def _look_at(
    node: memoryview, notes: Notes, where: str, own: set[tuple[str, str]], depth: int
) -> None:
    operator, domain, name = last(node, 4), last(node, 7), last(node, 3)
    notes.count(operator)
    here = f"node {name or '(no name)'} of {where}"
    if (domain, operator) not in own:
        if domain not in _STANDARD:
            what = f"{domain}.{operator}"
            notes.note("unknown", what, here, "is an operator of no standard: code of somebody's")
        elif operator not in computing("onnx"):
            notes.note("unknown", operator, here, "is no operator of the standard")
    for attribute in messages(node, 5):
        for number, value in fields(attribute):
            if isinstance(value, int):
                continue
            if number in (5, 10):
                _look_at_tensor(value, notes, here)
            elif number in (6, 11):
                _look_through(value, notes, here, own, depth + 1)
            elif number in (22, 23):
                for tensor in (*messages(value, 1), *messages(value, 2)):
                    _look_at_tensor(tensor, notes, here)


def _look_at_tensor(tensor: memoryview, notes: Notes, where: str) -> None:
    """Notes weights that lie in another file."""
    notes.see()
    for number, value in fields(tensor):
        if number == 13 and not isinstance(value, int):
            if last(value, 1) == "location":
                notes.note("files", last(value, 2), where, "is a file that weights are read from")
        elif number == 14 and value == 1:
            notes.note("files", "data_location", where, "says that weights lie in another file")
