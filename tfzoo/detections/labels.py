"""Category names and keypoints: COCO's own."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from types import MappingProxyType

from tfzoo.detecting import DEFAULT
from tfzoo.errors import UsageError

#: COCO's 80 categories by their own ids: 1 to 90 with ten gaps (https://cocodataset.org).
COCO: Mapping[int, str] = MappingProxyType(
    {
        1: "person",
        2: "bicycle",
        3: "car",
        4: "motorcycle",
        5: "airplane",
        6: "bus",
        7: "train",
        8: "truck",
        9: "boat",
        10: "traffic light",
        11: "fire hydrant",
        13: "stop sign",
        14: "parking meter",
        15: "bench",
        16: "bird",
        17: "cat",
        18: "dog",
        19: "horse",
        20: "sheep",
        21: "cow",
        22: "elephant",
        23: "bear",
        24: "zebra",
        25: "giraffe",
        27: "backpack",
        28: "umbrella",
        31: "handbag",
        32: "tie",
        33: "suitcase",
        34: "frisbee",
        35: "skis",
        36: "snowboard",
        37: "sports ball",
        38: "kite",
        39: "baseball bat",
        40: "baseball glove",
        41: "skateboard",
        42: "surfboard",
        43: "tennis racket",
        44: "bottle",
        46: "wine glass",
        47: "cup",
        48: "fork",
        49: "knife",
        50: "spoon",
        51: "bowl",
        52: "banana",
        53: "apple",
        54: "sandwich",
        55: "orange",
        56: "broccoli",
        57: "carrot",
        58: "hot dog",
        59: "pizza",
        60: "donut",
        61: "cake",
        62: "chair",
        63: "couch",
        64: "potted plant",
        65: "bed",
        67: "dining table",
        70: "toilet",
        72: "tv",
        73: "laptop",
        74: "mouse",
        75: "remote",
        76: "keyboard",
        77: "cell phone",
        78: "microwave",
        79: "oven",
        80: "toaster",
        81: "sink",
        82: "refrigerator",
        84: "book",
        85: "clock",
        86: "vase",
        87: "scissors",
        88: "teddy bear",
        89: "hair drier",
        90: "toothbrush",
    }
)

#: COCO's 17 person keypoints, in the order of the models' outputs.
KEYPOINTS: tuple[str, ...] = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

#: COCO's person skeleton: pairs of 0-based indices into `KEYPOINTS`.
SKELETON: tuple[tuple[int, int], ...] = (
    (15, 13),
    (13, 11),
    (16, 14),
    (14, 12),
    (11, 12),
    (5, 11),
    (6, 12),
    (5, 6),
    (5, 7),
    (6, 8),
    (7, 9),
    (8, 10),
    (1, 2),
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
)


def category_name(labels: Mapping[int, str], class_id: int) -> str:
    """The name of a category, or `class 91` for an id that the labels do not know."""
    return labels.get(class_id, f"class {class_id}")


def category_ids(classes: Collection[int | str], labels: Mapping[int, str]) -> tuple[int, ...]:
    """The ids of categories that are given by id or name, in any letter case.

    A space may be written as `_`, where no category is called just so.

    Raises:
        UsageError: The labels know no such category; names the closest.
    """
    by_name: dict[str, list[int]] = {}
    for class_id, name in labels.items():
        by_name.setdefault(name.casefold(), []).append(class_id)
    ids: set[int] = set()
    for wanted in classes:
        text = str(wanted).strip().casefold()
        if (name := text) in by_name or (name := text.replace("_", " ")) in by_name:
            ids.update(by_name[name])
        elif text.isdigit() and int(text) in labels:
            ids.add(int(text))
        else:
            near = difflib.get_close_matches(text, by_name, n=3, cutoff=0.0)
            raise UsageError(
                f"no category of this model is called '{wanted}'. Closest: {', '.join(near)}; "
                "ids count too"
            )
    return tuple(sorted(ids))


def scores_by_id(
    min_score: Mapping[str, float] | Mapping[int, float], labels: Mapping[int, str]
) -> dict[str, float]:
    """Least scores by category (see `tfzoo.detecting.MinScore`) with ids, as texts, for names.

    Raises:
        UsageError: The labels know no such category; names the closest.
    """
    scores: dict[str, float] = {}
    for name, score in min_score.items():
        ids = [DEFAULT] if name == DEFAULT else category_ids([name], labels)
        scores |= {str(class_id): score for class_id in ids}
    return scores
