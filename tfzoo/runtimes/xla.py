"""TensorFlow's compiler XLA on a model's frozen form; it compiles anew for every size of batch."""

from __future__ import annotations

from pathlib import Path

from tfzoo.errors import RuntimeUnavailableError
from tfzoo.runtimes.frozen import FrozenRuntime

# Operations that XLA has no form of, or whose results have no fixed shape.
_NEVER = {"NonMaxSuppressionV5", "Where"}


class XLARuntime(FrozenRuntime):
    """A prepared SavedModel, compiled by XLA at the first call."""

    name = "xla"

    def __init__(self, folder: Path, device: str) -> None:
        import tensorflow as tf

        super().__init__(folder, device)
        graph = self._function.graph.as_graph_def()
        nodes = [*graph.node, *(n for called in graph.library.function for n in called.node_def)]
        present = {node.op for node in nodes}
        if found := sorted(_NEVER & present):
            raise RuntimeUnavailableError(
                f"XLA can't compile {folder.parent.name}: {' and '.join(found)} is in its graph, "
                "which could not be cut before its post-processing. Run it with --runtime frozen, "
                "or see why it is whole: tfzoo info NAME --runtimes"
            )
        self._function = tf.function(self._function, jit_compile=True, autograph=False)


def open_model(folder: Path, device: str, throughput: bool = False) -> XLARuntime:
    """Opens a prepared SavedModel folder; see `tfzoo.runtimes.open_runtime`."""
    return XLARuntime(folder, device)
