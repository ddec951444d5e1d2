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
    from tfzoo.accuracy.evaluate import evaluate
    from tfzoo.accuracy.measured import Accuracy
    from tfzoo.batch.folder import Summary, detect_folder
    from tfzoo.batch.settings import RunSettings
    from tfzoo.detections.types import Detection, Detections
    from tfzoo.detector import Detector, load
    from tfzoo.errors import NothingQualifiesError, TfzooError
    from tfzoo.gallery.make import Gallery, make_gallery
    from tfzoo.images.reading import read_image
    from tfzoo.options import DetectOptions, DrawOptions
    from tfzoo.prepare.choice import Choice, Trial
    from tfzoo.report.chart import draw_chart, save_chart
    from tfzoo.report.points import as_printed_points, pareto_front, reported_points
    from tfzoo.report.recommend import recommend
    from tfzoo.report.table import build_table
    from tfzoo.reproduction.plan import Plan
    from tfzoo.reproduction.rows import Row
    from tfzoo.reproduction.run import plan_reproduction, reproduce
    from tfzoo.timing.benchmark import Timing, benchmark
    from tfzoo.trials.occasion import prepare_model
    from tfzoo.zoo.manifest import (
        DEFAULT_MODEL,
        find_model,
        list_models,
        load_manifest,
        packaged_scenes,
    )
    from tfzoo.zoo.schema import ModelSpec

_HOMES = {
    "Accuracy": "accuracy.measured",
    "Choice": "prepare.choice",
    "DEFAULT_MODEL": "zoo.manifest",
    "DetectOptions": "options",
    "Detection": "detections.types",
    "Detections": "detections.types",
    "Detector": "detector",
    "DrawOptions": "options",
    "Gallery": "gallery.make",
    "ModelSpec": "zoo.schema",
    "NothingQualifiesError": "errors",
    "Plan": "reproduction.plan",
    "Row": "reproduction.rows",
    "RunSettings": "batch.settings",
    "Summary": "batch.folder",
    "TfzooError": "errors",
    "Trial": "prepare.choice",
    "Timing": "timing.benchmark",
    "as_printed_points": "report.points",
    "benchmark": "timing.benchmark",
    "build_table": "report.table",
    "detect_folder": "batch.folder",
    "draw_chart": "report.chart",
    "evaluate": "accuracy.evaluate",
    "find_model": "zoo.manifest",
    "list_models": "zoo.manifest",
    "load": "detector",
    "load_manifest": "zoo.manifest",
    "make_gallery": "gallery.make",
    "packaged_scenes": "zoo.manifest",
    "pareto_front": "report.points",
    "plan_reproduction": "reproduction.run",
    "prepare_model": "trials.occasion",
    "read_image": "images.reading",
    "recommend": "report.recommend",
    "reported_points": "report.points",
    "reproduce": "reproduction.run",
    "save_chart": "report.chart",
}

__all__ = [
    "DEFAULT_MODEL",
    "Accuracy",
    "Choice",
    "DetectOptions",
    "Detection",
    "Detections",
    "Detector",
    "DrawOptions",
    "Gallery",
    "ModelSpec",
    "NothingQualifiesError",
    "Plan",
    "Row",
    "RunSettings",
    "Summary",
    "TfzooError",
    "Timing",
    "Trial",
    "__version__",
    "as_printed_points",
    "benchmark",
    "build_table",
    "detect_folder",
    "draw_chart",
    "evaluate",
    "find_model",
    "list_models",
    "load",
    "load_manifest",
    "make_gallery",
    "packaged_scenes",
    "pareto_front",
    "plan_reproduction",
    "prepare_model",
    "read_image",
    "recommend",
    "reported_points",
    "reproduce",
    "save_chart",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tfzoo' has no attribute '{name}'")
    return getattr(import_module(f"tfzoo.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
