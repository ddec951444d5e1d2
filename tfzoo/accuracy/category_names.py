"""Categories that are known by their names alone, joined with the ids that a model gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from tfzoo.accuracy.fields import Id
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.detections.labels import COCO
from tfzoo.errors import UsageError

_ASK = (
    "If they go by other names there, say which ids they have: --labels label_map.pbtxt "
    "(item { id: 5 name: 'aeroplane' } and so on, of all)"
)


def joined(truth: GroundTruth, labels: Mapping[int, str]) -> GroundTruth:
    """Annotations with a model's category ids in place of their own, by names.

    Names are compared without letter case, spaces, `_` and `-`. A category that the model has no
    name for keeps its objects, under an id below 0, which no model gives.

    Args:
        truth: The annotations.
        labels: Category names by id, the model's.

    Raises:
        UsageError: The model has none of the names.
    """
    known: dict[str, int] = {}
    for identity, name in labels.items():
        known.setdefault(_folded(name), identity)
    own = truth.categories
    meant: dict[Id, Id] = {one: known.get(_folded(name), -1) for one, name in own.items()}
    # Of a category that has a number for its name, as TFRecords without texts, the number is meant.
    meant |= {one: one for one, name in own.items() if name == str(one) and one in labels}
    if own and all(identity == -1 for identity in meant.values()):
        raise UsageError(
            f"{truth.path}: none of its {len(own)} categories ({_some(own)}) has a name that the "
            f"model's {len(labels)} have ({_some(labels)}). {_ASK}"
        )
    for number, one in enumerate((one for one in own if meant[one] == -1), start=1):
        meant[one] = -number
    categories = {meant[c["id"]]: c | {"id": meant[c["id"]]} for c in truth.data["categories"]}
    data = truth.data | {
        "categories": list(categories.values()),
        "annotations": [
            a | {"category_id": meant[a["category_id"]]} for a in truth.data["annotations"]
        ],
    }
    return replace(truth, data=data, by_name=True)


def for_results(truth: GroundTruth, labels: Mapping[int, str] | None) -> GroundTruth:
    """Annotations in the category ids of a results file, whose model is not known.

    Args:
        truth: The annotations.
        labels: Category names by id, if they are given. Else annotations keep their own numbers,
            and where they have names alone, COCO's ids are meant.

    Raises:
        UsageError: None of the names is among them.
    """
    if labels is None and truth.by_name and any(isinstance(one, str) for one in truth.categories):
        labels = COCO
    return joined(truth, labels) if labels else truth


def unknown_warning(truth: GroundTruth) -> str | None:
    """What is told of objects whose categories the model has no names for."""
    names = truth.categories
    counts = Counter(
        names[a["category_id"]]
        for a in truth.data["annotations"]
        if isinstance(a["category_id"], int) and a["category_id"] < 0
    )
    if not truth.by_name or not counts:
        return None
    listed = ", ".join(f"{name} {count}" for name, count in counts.most_common(10))
    more = ", ..." if len(counts) > 10 else ""
    return (
        f"{len(counts)} of the annotations' {len(names)} categories have no name that the model "
        f"knows ({counts.total()} of {len(truth.data['annotations'])} objects: {listed}{more}). "
        f"Nothing can find them: each counts with an AP of 0. {_ASK}"
    )


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold()) or name


def _some(names: Mapping[Id, str] | Mapping[int, str]) -> str:
    listed = list(names.values())
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")
