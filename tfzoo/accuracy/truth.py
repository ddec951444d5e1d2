"""Annotations of images, and what can be scored against them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from tfzoo.accuracy.fields import Id, Record, in_order

#: What can be scored; the names stand in `--json` and in accuracy.csv.
Kind = Literal["box", "keypoints", "masks"]
KINDS: tuple[Kind, ...] = ("box", "keypoints", "masks")

#: The field of an annotation or results row that holds each.
FIELDS: dict[Kind, str] = {"box": "bbox", "keypoints": "keypoints", "masks": "segmentation"}


class Stored(Protocol):
    """An image that lies inside a file of annotations; `read_image` takes it."""

    @property
    def name(self) -> str:
        """What it is called."""

    def read(self) -> bytes:
        """The image file, as it was stored."""


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Annotations of a set of images, in COCO's own format.

    Attributes:
        data: `images`, `annotations` and `categories` (https://cocodataset.org/#format-data).
        path: The file it was read from, or what else was named.
        by_name: Whether its categories are known by their names: their ids are not a model's.
        stored: The images that lie inside of it, by id.
    """

    data: dict[str, Any] = field(repr=False)
    path: Path
    by_name: bool = False
    stored: Mapping[Id, Stored] = field(default_factory=dict, repr=False)

    @cached_property
    def images(self) -> dict[Id, Record]:
        """The images by id, in order of id."""
        listed = sorted(self.data["images"], key=lambda image: in_order(image["id"]))
        return {image["id"]: image for image in listed}

    @cached_property
    def categories(self) -> dict[Id, str]:
        """Category names by id, in order of id."""
        listed = sorted(self.data["categories"], key=lambda one: in_order(one["id"]))
        return {category["id"]: category.get("name", str(category["id"])) for category in listed}

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """What can be scored against these annotations."""
        annotations = self.data["annotations"]
        return tuple(
            kind
            for kind in KINDS
            if any(annotation.get(FIELDS[kind]) for annotation in annotations)
        )

    def subset(self, image_ids: Iterable[Id]) -> GroundTruth:
        """The annotations of some of the images."""
        kept = set(image_ids)
        data = self.data | {
            "images": [image for image in self.data["images"] if image["id"] in kept],
            "annotations": [a for a in self.data["annotations"] if a["image_id"] in kept],
        }
        return replace(self, data=data)

    def numbered(self) -> list[Record]:
        """Copies of the annotations, numbered from 1: COCO's tools take one of id 0 for none."""
        return [a | {"id": i} for i, a in enumerate(self.data["annotations"], start=1)]

    def scored(self, kind: Kind) -> list[Id]:
        """Ids of the categories that are scored: for keypoints those that have some, if any say."""
        listed = self.data["categories"]
        marked = {one["id"] for one in listed if kind == "keypoints" and one.get("keypoints")}
        return [one for one in self.categories if one in marked or not marked]
