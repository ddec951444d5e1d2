"""Category names and keypoints: COCO's own, and label files of fine-tuned models."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

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

    Raises:
        UsageError: The labels know no such category; names the closest.
    """
    by_name = {name.casefold(): class_id for class_id, name in labels.items()}
    ids = set()
    for wanted in classes:
        text = str(wanted).strip().casefold()
        if text in by_name:
            ids.add(by_name[text])
        elif text.isdigit() and int(text) in labels:
            ids.add(int(text))
        else:
            near = difflib.get_close_matches(text, by_name, n=3, cutoff=0.0)
            raise UsageError(
                f"no category of this model is called '{wanted}'. Closest: {', '.join(near)}; "
                "ids count too"
            )
    return tuple(sorted(ids))


def read_labels(source: str | os.PathLike[str]) -> dict[int, str]:
    """Category names by id, of a fine-tuned model.

    Args:
        source: A label map as the Object Detection API is trained with (`label_map.pbtxt`); a
            text file with a name on each line, numbered from 1, or lines of `id name`; or the
            names themselves, separated by commas and numbered from 1.

    Raises:
        UsageError: There is no such file, or it holds no label.
    """
    given = os.fspath(source)
    path = Path(given).expanduser()
    if path.is_file():
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"labels {path} can't be read: {error}") from None
        labels = _label_map(text) if re.search(r"\bitem\s*\{", text) else _lines(text)
    elif "," in given:
        labels = dict(enumerate((name.strip() for name in given.split(",")), 1))
    else:
        raise UsageError(f"labels {given}: no such file. {_EXPECTED}")
    if not labels or not all(labels.values()):
        raise UsageError(f"labels {given}: no names found in it. {_EXPECTED}")
    return labels


_EXPECTED = (
    "Expected a label_map.pbtxt (item { id: 1 name: 'cat' }), a text file with a name on each "
    "line, or names separated by commas"
)


def _label_map(text: str) -> dict[int, str]:
    """Labels of a `StringIntLabelMap` in protobuf's text format; a display name comes first."""
    labels = {}
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    for item in re.findall(r"\bitem\s*\{((?:[^{}\"']|\"[^\"]*\"|'[^']*')*)", text):
        class_id = re.search(r"\bid\s*:\s*(\d+)", item)
        quoted = r"""\b{}\s*:\s*("[^"]*"|'[^']*')"""
        name = re.search(quoted.format("display_name"), item)
        name = name or re.search(quoted.format("(?<!display_)name"), item)
        if class_id and name:
            labels[int(class_id[1])] = name[1][1:-1]
    return labels


def _lines(text: str) -> dict[int, str]:
    lines = [line.strip() for line in text.splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    numbered = [re.fullmatch(r"(\d+)[\s:,]+(\S.*)", name) for name in names]
    if all(numbered):
        return {int(match[1]): match[2] for match in numbered if match}
    return dict(enumerate(names, 1))
