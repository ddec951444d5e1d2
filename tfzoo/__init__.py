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
    from tfzoo.candidates.ranking import Ranking, rank_models
    from tfzoo.candidates.settings import RankOptions
    from tfzoo.comparison.compare import compare
    from tfzoo.comparison.compared import Comparison
    from tfzoo.detecting import DetectOptions, DrawOptions
    from tfzoo.detections.types import Detection, Detections
    from tfzoo.detector import Detector
    from tfzoo.errors import NothingQualifiesError, TfzooError
    from tfzoo.explain.report import explain_accuracy
    from tfzoo.exports.make import Export, export_model
    from tfzoo.gallery.make import Gallery, make_gallery
    from tfzoo.images.reading import read_image
    from tfzoo.loading import load
    from tfzoo.prepare.choice import Choice, Trial
    from tfzoo.report.chart import draw_chart, save_chart
    from tfzoo.report.here import LatenciesHere, forecast_here
    from tfzoo.report.points import as_printed_points, pareto_front, reported_points
    from tfzoo.report.recommend import recommend
    from tfzoo.report.report_files import write_report
    from tfzoo.report.table import build_table
    from tfzoo.reproduction.plan import Plan
    from tfzoo.reproduction.rows import Row
    from tfzoo.reproduction.run import plan_reproduction, reproduce
    from tfzoo.safety.findings import Audit
    from tfzoo.safety.looking import audit
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
    "Audit": "safety.findings",
    "Choice": "prepare.choice",
    "Comparison": "comparison.compared",
    "DEFAULT_MODEL": "zoo.manifest",
    "DetectOptions": "detecting",
    "Detection": "detections.types",
    "Detections": "detections.types",
    "Detector": "detector",
    "DrawOptions": "detecting",
    "Export": "exports.make",
    "Gallery": "gallery.make",
    "LatenciesHere": "report.here",
    "ModelSpec": "zoo.schema",
    "NothingQualifiesError": "errors",
    "Plan": "reproduction.plan",
    "RankOptions": "candidates.settings",
    "Ranking": "candidates.ranking",
    "Row": "reproduction.rows",
    "RunSettings": "batch.settings",
    "Summary": "batch.folder",
    "TfzooError": "errors",
    "Trial": "prepare.choice",
    "Timing": "timing.benchmark",
    "as_printed_points": "report.points",
    "audit": "safety.looking",
    "benchmark": "timing.benchmark",
    "build_table": "report.table",
    "compare": "comparison.compare",
    "detect_folder": "batch.folder",
    "draw_chart": "report.chart",
    "evaluate": "accuracy.evaluate",
    "explain_accuracy": "explain.report",
    "export_model": "exports.make",
    "find_model": "zoo.manifest",
    "forecast_here": "report.here",
    "list_models": "zoo.manifest",
    "load": "loading",
    "load_manifest": "zoo.manifest",
    "make_gallery": "gallery.make",
    "packaged_scenes": "zoo.manifest",
    "pareto_front": "report.points",
    "plan_reproduction": "reproduction.run",
    "prepare_model": "trials.occasion",
    "rank_models": "candidates.ranking",
    "read_image": "images.reading",
    "recommend": "report.recommend",
    "reported_points": "report.points",
    "reproduce": "reproduction.run",
    "save_chart": "report.chart",
    "write_report": "report.report_files",
}

__all__ = [
    "DEFAULT_MODEL",
    "Accuracy",
    "Audit",
    "Choice",
    "Comparison",
    "DetectOptions",
    "Detection",
    "Detections",
    "Detector",
    "DrawOptions",
    "Export",
    "Gallery",
    "LatenciesHere",
    "ModelSpec",
    "NothingQualifiesError",
    "Plan",
    "RankOptions",
    "Ranking",
    "Row",
    "RunSettings",
    "Summary",
    "TfzooError",
    "Timing",
    "Trial",
    "__version__",
    "as_printed_points",
    "audit",
    "benchmark",
    "build_table",
    "compare",
    "detect_folder",
    "draw_chart",
    "evaluate",
    "explain_accuracy",
    "export_model",
    "find_model",
    "forecast_here",
    "list_models",
    "load",
    "load_manifest",
    "make_gallery",
    "packaged_scenes",
    "pareto_front",
    "plan_reproduction",
    "prepare_model",
    "rank_models",
    "read_image",
    "recommend",
    "reported_points",
    "reproduce",
    "save_chart",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tfzoo' has no attribute '{name}'")
    return getattr(import_module(f"tfzoo.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
