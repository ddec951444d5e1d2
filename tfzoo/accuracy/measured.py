"""What an evaluation measured: the numbers by kind, and of what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tfzoo.accuracy.evidence import Evidence
from tfzoo.accuracy.metrics import Metrics
from tfzoo.accuracy.operating_point import OperatingPoint
from tfzoo.accuracy.truth import KINDS, Kind
from tfzoo.results import ACCURACY_COLUMNS
from tfzoo.trials.check import Check


class AccuracyWarning(UserWarning):
    """Something about an evaluation looks like a mistake; the message names the likely cause."""


@dataclass(frozen=True)
class Accuracy:
    """What a model was measured to do on a set of images.

    Attributes:
        model: Id of the model, or the path of a model or results file that no manifest lists.
        images: Number of images.
        metrics: COCO's numbers by kind, for what both the model gives and the annotations hold.
        warnings: What looks like a mistake; each names the likely cause.
        image_set: What the images are (see `tfzoo.accuracy.coco.name_of`).
        image_list_digest: Digest of the list of their names.
        evaluator: Evaluator and its version.
        date: When, UTC, ISO 8601.
        model_digest: Digest of the model.
        vouched_by: What vouches for its bytes, `nothing` where nothing does.
        runtime: Runtime and its version.
        precision: `float32` or `int8`.
        batch: Images at once.
        tiles: How images were detected in tiles, in words; empty where they were not.
        suppression: What was told in place of the model's own suppression and COCO's 100
            detections, such as `max_detections 300`; empty by the protocol.
        device: Device the detections were made on.
        hardware: What that is: the GPU's name, or the processor's and its number of cores.
        command: What measures it again, where a command can.
        operating_points: Score thresholds by what they miss, where that was asked for; that of all
            categories first.
        evidence: The annotations and detections that it was taken from, for `explain_accuracy`.
        check: How a sample compares with TensorFlow's detections, where that was asked for.
    """

    model: str
    images: int
    metrics: Mapping[Kind, Metrics]
    warnings: tuple[str, ...]
    image_set: str
    image_list_digest: str
    evaluator: str
    date: str
    model_digest: str = ""
    vouched_by: str = ""
    runtime: str = ""
    precision: str = ""
    batch: int | None = None
    tiles: str = ""
    suppression: str = ""
    device: str = ""
    hardware: str = ""
    command: str | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    check: Check | None = None
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    @property
    def box(self) -> Metrics | None:
        """COCO's numbers for boxes, or None."""
        return self.metrics.get("box")

    @property
    def keypoints(self) -> Metrics | None:
        """COCO's numbers for keypoints, or None."""
        return self.metrics.get("keypoints")

    @property
    def masks(self) -> Metrics | None:
        """COCO's numbers for masks, or None."""
        return self.metrics.get("masks")

    def _origin(self) -> dict[str, Any]:
        names: tuple[str, ...] = (
            "model",
            "model_digest",
            "vouched_by",
            "images",
            "image_set",
            "image_list_digest",
        )
        names += ("runtime", "precision", "batch", "tiles", "suppression", "device", "hardware")
        names += ("evaluator", "command", "date")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """The measurement as `tfzoo evaluate --json` prints it; metrics are 0 to 1."""
        shown: dict[str, Any] = {"model": self.model, "images": self.images}
        for kind in KINDS:
            metrics = self.metrics.get(kind)
            shown[kind] = None if metrics is None else metrics.to_json()
        shown |= self._origin() | {"warnings": list(self.warnings)}
        if self.operating_points:
            shown["operating_points"] = [asdict(one) for one in self.operating_points]
        return shown if self.check is None else shown | {"check": asdict(self.check)}

    def to_rows(self) -> list[dict[str, Any]]:
        """The measurement as rows of accuracy.csv, one for each kind."""
        return [
            {
                **self._origin(),
                "kind": kind,
                # AR300 is no AR100: the table has it as AR, and in `suppression` what of.
                **{n if n in ACCURACY_COLUMNS else "AR": v for n, v in metrics.values.items()},
                "AP_low": metrics.interval and metrics.interval.low,
                "AP_high": metrics.interval and metrics.interval.high,
            }
            for kind, metrics in self.metrics.items()
        ]
