"""TensorFlow on a model's frozen form: opens in a fraction of the time, cut where it may be."""

from __future__ import annotations

from pathlib import Path

from tfzoo.runtimes.tensorflow import TensorFlowRuntime


class FrozenRuntime(TensorFlowRuntime):
    """A prepared SavedModel, as `tfzoo.prepare.frozen_graph.write_prepared` makes it."""

    name = "frozen"


def open_model(folder: Path, device: str, throughput: bool = False) -> FrozenRuntime:
    """Opens a prepared SavedModel folder; see `tfzoo.runtimes.open_runtime`."""
    return FrozenRuntime(folder, device)
