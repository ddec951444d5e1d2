"""TensorFlow's graphs: what their nodes do, in functions and whatever calls them.

Field numbers: tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph}.proto and
tensorflow/core/framework/{graph,node_def,function,attr_value}.proto of TensorFlow 2.20.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tfzoo.messages import BrokenMessage, fields, last, messages, text
from tfzoo.safety.findings import Notes
from tfzoo.safety.operations import OF_A_SAVER, computing, danger_of

_MAIN = "the graph"
_FED = ("Placeholder", "PlaceholderWithDefault", "PlaceholderV2", "_Arg")


@dataclass
class Node:
    """A node of a graph or function."""

    name: str = ""
    operation: str = ""
    inputs: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)


@dataclass
class Graph:
    """The main graph, or a function, with its nodes by name."""

    name: str
    nodes: dict[str, Node] = field(default_factory=dict)
    arguments: set[str] = field(default_factory=set)


def look_through_saved_model(content: memoryview, notes: Notes) -> None:
    """Notes what a `saved_model.pb` may do.

    Raises:
        BrokenMessage: It is none.
        ModelFormatError: It is larger than any detector's.
    """
    graphs = 0
    for meta in messages(content, 2):
        graphs += 1
        graph = _Graphs(messages(meta, 2), notes)
        roots = set(_signature_outputs(meta)) | set(_initialisers(meta))
        graph.look_through(roots, {text(key) for key in messages(meta, 7, 2, 1)})
        for name in messages(meta, 6, 2):
            notes.note("files", text(name), "assets", "is a file that is read beside the graph")
    if not graphs:
        raise BrokenMessage("there is no graph in it")


def look_through_frozen_graph(content: memoryview, notes: Notes) -> None:
    """Notes what a graph without variables, `frozen_inference_graph.pb`, may do.

    Raises:
        BrokenMessage: It is none.
        ModelFormatError: It is larger than any detector's.
    """
    graph = _Graphs([content], notes)
    if not graph.main.nodes:
        raise BrokenMessage("there is no graph in it")
    graph.look_through(set(graph.main.nodes), set(graph.functions))


class _Graphs:
    """A graph with its functions."""

    def __init__(self, definitions: Iterable[memoryview], notes: Notes) -> None:
        self._notes = notes
        self.main = Graph(_MAIN)
        self.functions: dict[str, Graph] = {}
        for definition in definitions:
            self._read_nodes(messages(definition, 1), self.main)
            for function in messages(definition, 2, 1):
                self._read_function(function)

    def _read_function(self, function: memoryview) -> None:
        name = "".join([last(signature, 1) for signature in messages(function, 1)][-1:])
        if name in self.functions:
            self._notes.note("unknown", name, _MAIN, "is the name of two functions")
        graph = Graph(name, arguments={text(one) for one in messages(function, 1, 2, 1)})
        self.functions[name] = graph
        self._notes.see(len(graph.arguments))
        self._read_nodes(messages(function, 3), graph)

    def _read_nodes(self, definitions: Iterable[memoryview], graph: Graph) -> None:
        for definition in definitions:
            node = Node()
            for number, value in fields(definition):
                if isinstance(value, int):
                    continue
                self._notes.see()
                if number == 1:
                    node.name = text(value)
                elif number == 2:
                    node.operation = text(value)
                elif number == 3:
                    node.inputs.append(text(value))
                elif number == 5:
                    node.functions += _functions_in(value)
            self._notes.count(node.operation)
            if node.name in graph.nodes:
                where = f"{_node(node, graph)}"
                self._notes.note("unknown", node.operation, where, "is at a name that is taken")
            graph.nodes[node.name] = node

    def look_through(self, roots: set[str], called: set[str]) -> None:
        """Notes what is dangerous.

        Args:
            roots: Nodes of the main graph that a run may ask for.
            called: Functions that whoever loads the model may call.
        """
        reached = self._reached(roots, called)
        for graph in (self.main, *self.functions.values()):
            for node in graph.nodes.values():
                self._look_at(node, graph, reached)
        for name, graph in self.functions.items():
            if name in computing("tensorflow") or danger_of(name)[0] != "unknown":
                self._notes.note(
                    "unknown", name, graph.name, "is a function by the name of an operation"
                )

    def _look_at(self, node: Node, graph: Graph, reached: set[tuple[str, str]]) -> None:
        operation = node.operation
        if operation in computing("tensorflow") or operation in self.functions:
            return
        danger, why = danger_of(operation)
        if operation in OF_A_SAVER:
            # TensorFlow calls these itself, to read the variables, with a path of its own.
            if (graph.name, node.name) not in reached and self._is_fed(node, graph):
                return
            why = "reads or writes files while the model runs, or at a path of its own"
        self._notes.note(danger, operation, _node(node, graph), why)

    def _is_fed(self, node: Node, graph: Graph) -> bool:
        """Whether the path that a saver takes comes from whoever calls it."""
        waiting, seen = [_bare(name) for name in node.inputs[:1]], set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in graph.arguments:
                return True
            if (before := graph.nodes.get(name)) is not None:
                if before.operation in _FED:
                    return True
                waiting += map(_bare, before.inputs)
        return False

    def _reached(self, roots: set[str], called: set[str]) -> set[tuple[str, str]]:
        """All (graph, node) that running the roots or calling the functions may run."""
        waiting = [(self.main, _bare(name)) for name in roots]
        entered, reached = set(), set()

        def enter(function: str) -> None:
            if function in self.functions and function not in entered:
                entered.add(function)
                graph = self.functions[function]
                waiting.extend((graph, name) for name in graph.nodes)

        for function in called:
            enter(function)
        while waiting:
            graph, name = waiting.pop()
            node = graph.nodes.get(name)
            if node is None or (graph.name, name) in reached:
                continue
            reached.add((graph.name, name))
            waiting.extend((graph, _bare(one)) for one in node.inputs)
            for function in (node.operation, *node.functions):
                enter(function)
        return reached


def _functions_in(attribute: memoryview) -> Iterator[str]:
    """The functions that an attribute of a node names."""
    for value in messages(attribute, 2):
        # A tensor's bytes are of no interest, and may be many.
        for number, inner in fields(value):
            if isinstance(inner, int):
                continue
            if number == 10:
                yield from map(text, messages(inner, 1))
            elif number == 1:
                yield from map(text, messages(inner, 9, 1))


def _signature_outputs(meta: memoryview) -> Iterator[str]:
    for entry in messages(meta, 5, 2):
        yield from map(text, messages(entry, 2, 2, 1))


def _initialisers(meta: memoryview) -> Iterator[str]:
    """Nodes that are run when the model is loaded."""
    for entry in messages(meta, 4):
        if last(entry, 1) in (
            "saved_model_main_op", "legacy_init_op", "table_initializer", "init_op",
        ):  # fmt: skip
            yield from map(text, messages(entry, 2, 1, 1))


def _bare(name: str) -> str:
    """A node's name, of the name of one of its outputs or of a control input."""
    return name.removeprefix("^").partition(":")[0]


def _node(node: Node, graph: Graph) -> str:
    where = graph.name if graph.name == _MAIN else f"function {graph.name}"
    return f"node {node.name or '(no name)'} of {where}"
