"""tfzoo: the TF2 Detection Model Zoo by name.

    import tfzoo

    detector = tfzoo.load("EfficientDet D0 512x512")
    found = detector("photo.jpg").above(0.5)

Importing the package loads no TensorFlow: each name below is looked up when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfzoo.detections import Detection, Detections
    from tfzoo.detector import Detector, load
    from tfzoo.errors import TfzooError
    from tfzoo.folder import Summary, detect_folder
    from tfzoo.manifest import ModelSpec, find_model, list_models
    from tfzoo.measure.accuracy import Accuracy, evaluate
    from tfzoo.measure.timing import Timing, benchmark
    from tfzoo.sources import read_image

__version__ = "0.1.0"

_HOMES = {
    "Accuracy": "measure.accuracy",
    "Detection": "detections",
    "Detections": "detections",
    "Detector": "detector",
    "ModelSpec": "manifest",
    "Summary": "folder",
    "TfzooError": "errors",
    "Timing": "measure.timing",
    "benchmark": "measure.timing",
    "detect_folder": "folder",
    "evaluate": "measure.accuracy",
    "find_model": "manifest",
    "list_models": "manifest",
    "load": "detector",
    "read_image": "sources",
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
