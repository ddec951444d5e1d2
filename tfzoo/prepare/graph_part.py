"""Parts of a frozen graph, from some of its tensors to others, as functions of TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

# Operations that are told the shape of their result, and which of their inputs tells it.
_SHAPED = {"Reshape": 1, "Conv2DBackpropInput": 0}

#: What a network takes: images, and each one's height, width and channels without the padding.
_ARGUMENTS = ("input_tensor", "true_image_shape")


@dataclass(frozen=True)
class Part:
    """Part of a frozen graph, from some of its tensors to others.

    Attributes:
        graph_def: The whole graph, for building.
        starts: The tensors it begins at.
        ends: The tensors it returns, by output name.
        free_batch: Whether the first dimension of its inputs is free.
    """

    graph_def: Any
    starts: Sequence[tf.Tensor]
    ends: Mapping[str, tf.Tensor]
    free_batch: bool = False

    def function(self) -> Any:
        """It as a function of TensorFlow, from its starts to a dictionary.

        Raises:
            ValueError: Shapes in it do not allow a free batch.
        """
        import tensorflow as tf

        # In the place of the starts the function's arguments will stand.
        starts = {start.name for start in self.starts}
        inside = behind(self.ends.values(), past=starts) - starts
        kept = {name.partition(":")[0] for name in inside}
        part = tf.compat.v1.GraphDef(
            node=[node for node in self.graph_def.node if node.name in kept],
            library=self.graph_def.library,
            versions=self.graph_def.versions,
        )
        for node in part.node:
            # Nothing in a detector has effects that others would wait for.
            inputs = [name for name in node.input if not name.startswith("^")]
            del node.input[:]
            node.input.extend(inputs)
            node.attr.pop("_class", None)  # Wishes to be placed beside nodes that are left out.
        shapes = self._shapes_of_one() if self.free_batch else {}
        for node in part.node:
            if node.name in shapes:
                node.input[_SHAPED[node.op]] = f"{node.name}/shape_of_any_batch"

        used = {name if ":" in name else f"{name}:0" for node in part.node for name in node.input}
        wanted = {name: port.name for name, port in self.ends.items() if port.name not in starts}

        def run(*given: tf.Tensor) -> dict[str, tf.Tensor]:
            by_name = {start.name: one for start, one in zip(self.starts, given, strict=True)}
            size = tf.shape(given[0])[0]
            values = {
                f"{name}/shape_of_any_batch:0": tf.stack([size, *rest])
                for name, rest in shapes.items()
            }
            found = tf.graph_util.import_graph_def(
                part,
                input_map=values | {name: one for name, one in by_name.items() if name in used},
                return_elements=list(wanted.values()),
                name="",
            )
            by_name |= dict(zip(wanted.values(), found, strict=True))
            return {name: by_name[port.name] for name, port in self.ends.items()}

        specs = tensor_specs(self.starts, None if self.free_batch else 1)
        return tf.function(run, autograph=False).get_concrete_function(*specs)

    def _shapes_of_one(self) -> dict[str, list[int]]:
        """The operations that are told a shape whose first dimension is a batch of one: the rest.

        Those are changes of shape, and transposed convolutions.
        """
        # Built with inputs of fixed size, a graph knows most of its shapes.
        graph = replace(self, free_batch=False).function().graph
        varying = {port.name for port in graph.inputs}
        found = {}
        for op in graph.get_operations():
            if any(port.name in varying for port in op.inputs):
                varying |= {port.name for port in op.outputs}
                sizes = op.outputs[0].shape.as_list() if op.type in _SHAPED else []
                if sizes and sizes[0] == 1 and None not in sizes:
                    found[op.name] = sizes[1:]
        return found


def tensor_specs(starts: Sequence[tf.Tensor], size: int | None) -> list[tf.TensorSpec]:
    """What a function takes that begins at some tensors, in batches of a size (None: of any).

    What is no image and no map of features has no batch: a list of boxes, say, is of any length.
    """
    import tensorflow as tf

    names = [*_ARGUMENTS, *(f"feature_{i}" for i in range(len(starts)))]
    return [
        tf.TensorSpec(
            start.shape if size == 1 and start.shape.rank != 4 else [size, *start.shape[1:]],
            start.dtype,
            name,
        )
        for start, name in zip(starts, names, strict=False)
    ]


def behind(ports: Iterable[tf.Tensor], past: Set[str] = frozenset()) -> set[str]:
    """Names of all tensors that some depend on, by ways that do not lead past others."""
    seen = set(past)
    waiting = list(ports)
    while waiting:
        port = waiting.pop()
        if port.name not in seen:
            seen.add(port.name)
            waiting += port.op.inputs
    return seen
