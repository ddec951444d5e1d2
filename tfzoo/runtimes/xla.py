"""TensorFlow's compiler XLA on a model's frozen form; it compiles anew for every size of batch."""

from __future__ import annotations

import logging
from pathlib import Path

from tfzoo.errors import RuntimeUnavailableError
from tfzoo.runtimes.frozen import FrozenRuntime
from tfzoo.runtimes.runtime import quiet_stderr

_log = logging.getLogger("tfzoo.runtimes.xla")

# Operations that XLA has no form of, or whose results have no fixed shape.
_NEVER = {"CombinedNonMaxSuppression", "NonMaxSuppressionV5", "Where"}


class XLARuntime(FrozenRuntime):
    """A prepared SavedModel, compiled by XLA at the first call."""

    name = "xla"

    def __init__(self, folder: Path, device: str) -> None:
        import tensorflow as tf

        super().__init__(folder, device)
        with quiet_stderr(), tf.device(self._device):
            # XLA tells of itself once, at whatever it compiles first.
            tf.function(lambda value: value + 1, jit_compile=True)(tf.constant(0.0))
        graph = self._function.graph.as_graph_def()
        nodes = [*graph.node, *(n for called in graph.library.function for n in called.node_def)]
        present = {node.op for node in nodes}
        if found := sorted(_NEVER & present):
            raise RuntimeUnavailableError(
                f"XLA can't compile {folder.parent.name}: {' and '.join(found)} is in its graph, "
                "which could not be cut before its post-processing. Run it with --runtime frozen, "
                "or see why it is whole: tfzoo info NAME --runtimes"
            )
        if any(None in info.shape[1:] for info in self.signature.inputs):
            _log.warning(
                "%s resizes its images itself: XLA compiles it anew for every size of image",
                folder.parent.name,
            )
        plain, (_, specs) = self._function, self._function.structured_input_signature
        # Traced once, for any batch; only XLA's own compilation is for each size.
        self._function = tf.function(
            lambda **inputs: plain(**inputs), jit_compile=True, autograph=False
        ).get_concrete_function(**specs)


def open_model(folder: Path, device: str, throughput: bool = False) -> XLARuntime:
    """Opens a prepared SavedModel folder; see `tfzoo.runtimes.open_runtime`."""
    return XLARuntime(folder, device)
