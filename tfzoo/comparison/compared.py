"""What a comparison shows, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfzoo.accuracy.fields import Id
from tfzoo.accuracy.truth import KINDS, Kind
from tfzoo.comparison.paired import Difference, KindDifference
from tfzoo.comparison.sides import Side
from tfzoo.comparison.verdict import shown_worse


@dataclass(frozen=True)
class Comparison:
    """What a comparison of two sets of detections shows.

    Attributes:
        a: The first side.
        b: The second side.
        kinds: The differences by kind (`box`, `keypoints`, `masks`), for what both give and the
            annotations hold.
        images: Number of images.
        image_set: What they are, as in accuracy.csv.
        margin: Points of mAP up to which a difference is none.
        evaluator: What matched the detections, and its version.
        changes: Ids of the images that changed, the most first, each with AP of the image by
            itself of A and of B, 0 to 1; of boxes where there are some.
    """

    a: Side
    b: Side
    kinds: Mapping[Kind, KindDifference]
    images: int
    image_set: str
    margin: float
    evaluator: str
    changes: Sequence[tuple[Id, float, float]] = field(repr=False)

    @property
    def box(self) -> Difference | None:
        """The difference of box mAP, or None."""
        return self._overall("box")

    @property
    def keypoints(self) -> Difference | None:
        """The difference of keypoint mAP, or None."""
        return self._overall("keypoints")

    @property
    def masks(self) -> Difference | None:
        """The difference of mask mAP, or None."""
        return self._overall("masks")

    def _overall(self, kind: Kind) -> Difference | None:
        return self.kinds[kind].overall if kind in self.kinds else None

    def worse_by_more_than(self, points: float) -> bool:
        """Whether B is shown worse by more than so many points of mAP, of any kind.

        Shown is what the whole 95 % interval says: its upper end is below minus so many points.
        """
        return any(shown_worse(one.overall.interval, points) for one in self.kinds.values())

    def to_json(self) -> dict[str, Any]:
        """The comparison as `tfzoo compare --json` prints it; differences are -1 to 1."""
        shown: dict[str, Any] = {"a": self.a.to_json(), "b": self.b.to_json()}
        for kind in KINDS:
            shown[kind] = self.kinds[kind].to_json() if kind in self.kinds else None
        return shown | {
            "images": self.images,
            "image_set": self.image_set,
            "margin": self.margin,
            "evaluator": self.evaluator,
            "changes": [
                {"image_id": image_id, "a": before, "b": after}
                for image_id, before, after in self.changes
            ],
        }
