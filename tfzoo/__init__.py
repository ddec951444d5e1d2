"""tfzoo: the TF2 Detection Model Zoo by name.

    import tfzoo

    detector = tfzoo.load("EfficientDet D0 512x512")
    found = detector("photo.jpg").above(0.5)

Importing the package loads no TensorFlow: each name below is looked up when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfzoo.version import __version__

if TYPE_CHECKING:
    from tfzoo.accuracy.evaluate import Accuracy, evaluate
    from tfzoo.batch.folder import Summary, detect_folder
    from tfzoo.detections.types import Detection, Detections
    from tfzoo.detector import Detector, load
    from tfzoo.errors import TfzooError
    from tfzoo.images.reading import read_image
    from tfzoo.timing.benchmark import Timing, benchmark
    from tfzoo.zoo.manifest import find_model, list_models
    from tfzoo.zoo.schema import ModelSpec

_HOMES = {
    "Accuracy": "accuracy.evaluate",
    "Detection": "detections.types",
    "Detections": "detections.types",
    "Detector": "detector",
    "ModelSpec": "zoo.schema",
    "Summary": "batch.folder",
    "TfzooError": "errors",
    "Timing": "timing.benchmark",
    "benchmark": "timing.benchmark",
    "detect_folder": "batch.folder",
    "evaluate": "accuracy.evaluate",
    "find_model": "zoo.manifest",
    "list_models": "zoo.manifest",
    "load": "detector",
    "read_image": "images.reading",
}

__all__ = [
    "Accuracy",
    "Detection",
    "Detections",
    "Detector",
    "ModelSpec",
    "Summary",
    "TfzooError",
    "Timing",
    "__version__",
    "benchmark",
    "detect_folder",
    "evaluate",
    "find_model",
    "list_models",
    "load",
    "read_image",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tfzoo' has no attribute '{name}'")
    return getattr(import_module(f"tfzoo.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
