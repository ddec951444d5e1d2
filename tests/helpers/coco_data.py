"""Random COCO data for tests: crowds, all areas, tied scores, empty images, near misses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from tfzoo.accuracy.bootstrap import Matches
from tfzoo.accuracy.truth import GroundTruth

Truth = dict[str, Any]
Rows = list[dict[str, Any]]

WIDTH, HEIGHT = 160, 120


def ellipse(x: float, y: float, width: float, height: float) -> dict[str, Any]:
    """Run lengths of the ellipse that fills a box."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    inside = ((columns - x - width / 2) / (width / 2)) ** 2
    inside = inside + ((rows - y - height / 2) / (height / 2)) ** 2 <= 1
    encoded = coco_mask.encode(np.asfortranarray(inside.astype(np.uint8)))
    return {"size": [HEIGHT, WIDTH], "counts": encoded["counts"].decode()}


def points(rng: np.random.Generator, box: tuple[float, ...], spread: float) -> list[float]:
    """17 keypoints along a box's diagonal, off by `spread` of its size; the third value is 2."""
    x, y, width, height = box
    along = np.linspace(0.1, 0.9, 17)
    off = rng.normal(0, spread, (2, 17))
    triples = np.stack([x + (along + off[0]) * width, y + (along + off[1]) * height, along * 0 + 2])
    return [float(value) for value in triples.T.ravel()]


def random_data(
    seed: int, images: int = 30, categories: int = 4, *, crowds: float = 0.1, drawn: bool = True
) -> tuple[Truth, Rows]:
    """Ground truth and detections whose quality differs from image to image.

    Args:
        seed: Of the generator.
        images: Number of images; the first has no detections, the second no objects, the third
            neither.
        categories: Number of categories, each rarer than the one before.
        crowds: Share of objects that are crowds.
        drawn: Whether objects and detections have masks and keypoints.
    """
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, categories + 1)
    annotations: Rows = []
    rows: Rows = []

    def add(image_id: int, category_id: int, box: tuple[float, ...], score: float) -> None:
        if image_id in (1, 3):
            return
        row = {"image_id": image_id, "category_id": category_id, "score": score, "bbox": list(box)}
        if drawn:
            row |= {"segmentation": ellipse(*box), "keypoints": points(rng, box, 0.02)}
        rows.append(row)

    def anywhere() -> tuple[float, ...]:
        # From well below 32 x 32 to above 96 x 96, so that every area has objects.
        width, height = (float(rng.uniform(8, side)) for side in (130, 110))
        return (
            float(rng.uniform(0, WIDTH - width)),
            float(rng.uniform(0, HEIGHT - height)),
            width,
            height,
        )

    for image_id in range(1, images + 1):
        quality = rng.beta(2, 1.5)
        for _ in range(0 if image_id in (2, 3) else 1 + rng.poisson(3)):
            box = anywhere()
            category_id = int(rng.choice(categories, p=shares / shares.sum())) + 1
            annotation = {
                "id": len(annotations) + 1,
                "image_id": image_id,
                "category_id": category_id,
                "bbox": list(box),
                "area": box[2] * box[3] * 0.785,
                "iscrowd": int(rng.random() < crowds),
            }
            if drawn:
                shown = rng.random() > 0.15
                annotation["segmentation"] = ellipse(*box)
                annotation["keypoints"] = points(rng, box, 0) if shown else [0.0] * 51
                annotation["num_keypoints"] = 17 if shown else 0
            annotations.append(annotation)
            for _ in range(rng.binomial(2, 0.6 * quality)):
                x, y, width, height = box
                dx, dy, dw, dh = rng.normal(0, 0.12 * (1.2 - quality), 4)
                width, height = width * np.exp(dw), height * np.exp(dh)
                near = (float(x + dx * width), float(y + dy * height), float(width), float(height))
                # One decimal: many detections tie.
                add(image_id, category_id, near, float(round(rng.beta(3, 1.5), 1)))
        for _ in range(1 + rng.poisson(5 * (1 - quality))):
            add(
                image_id,
                int(rng.integers(categories)) + 1,
                anywhere(),
                float(round(rng.beta(1, 3), 1)),
            )
    size = {"width": WIDTH, "height": HEIGHT}
    truth = {
        "images": [{"id": i, "file_name": f"{i:04}.jpg", **size} for i in range(1, images + 1)],
        "annotations": annotations,
        "categories": [
            {"id": i, "name": f"category {i}", "keypoints": [str(k) for k in range(17)]}
            for i in range(1, categories + 1)
        ],
    }
    return truth, rows


def as_truth(data: Truth) -> GroundTruth:
    """Ground truth that was read from no file."""
    return GroundTruth(data, Path("truth.json"))


def of_images(matches: list[Matches], chosen: NDArray[np.integer]) -> list[Matches]:
    """The matches in some of the images alone, as evaluating them alone would give."""
    index = np.full(len(matches[0].objects), -1)
    index[chosen] = np.arange(len(chosen))
    return [
        Matches(
            index[category.images[kept]],
            category.positive[:, kept],
            category.ignored[:, kept],
            category.objects[chosen],
            category.scores[kept],
        )
        for category in matches
        for kept in [index[category.images] >= 0]
    ]


def weaker(rows: Rows, seed: int, dropped: float = 0.15) -> Rows:
    """What another detector might find: some of the rows not, the others with other scores."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 0.1, len(rows))
    return [
        {**row, "score": float(np.clip(row["score"] + score, 0.001, 1))}
        for row, score, kept in zip(rows, scores, rng.random(len(rows)) >= dropped, strict=True)
        if kept
    ]


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path
