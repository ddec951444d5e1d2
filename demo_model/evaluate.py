"""Measures an archive on the held-out scenes with pycocotools, apart from tfzoo."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from demo_model import MODEL_ID, PACKAGED

_RANGES = ("AP", "AP50", "AP75")
BOX_METRICS = (
    *_RANGES,
    *("AP_small", "AP_medium", "AP_large", "AR_1", "AR_10", "AR_100"),
    *("AR_small", "AR_medium", "AR_large"),
)
KEYPOINT_METRICS = (
    *_RANGES,
    *("AP_medium", "AP_large", "AR", "AR50", "AR75", "AR_medium", "AR_large"),
)


def scenes_digest(scenes: Path) -> str:
    """One sha256 for the scenes' folder: of the lines "sha256  name", sorted by name."""
    lines = [f"{file_digest(path)}  {path.name}\n" for path in sorted(scenes.iterdir())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def describe(archive: Path, scenes: Path) -> dict[str, Any]:
    """Sizes and digests of what is packaged."""
    return {
        "archive": {"bytes": archive.stat().st_size, "sha256": file_digest(archive)},
        "scenes": {
            "bytes": sum(path.stat().st_size for path in scenes.iterdir()),
            "sha256": scenes_digest(scenes),
        },
    }


def detect(model: Any, scenes: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Run a model over the scenes.

    Args:
        model: called with uint8 [1, H, W, 3]; gives the zoo's CenterNet outputs.
        scenes: folder with the images and ``annotations.json``.

    Returns:
        COCO results with boxes, and with keypoints (persons only).
    """
    truth = json.loads((scenes / "annotations.json").read_text(encoding="utf-8"))
    boxes: list[dict[str, Any]] = []
    keypoints: list[dict[str, Any]] = []
    for image in truth["images"]:
        pixels = np.asarray(cv2.imread(str(scenes / image["file_name"])))
        raw = model(np.ascontiguousarray(pixels[None, ..., ::-1]))
        outputs = {name: np.asarray(value)[0].astype(float) for name, value in raw.items()}
        height, width = image["height"], image["width"]
        for row in range(int(outputs["num_detections"])):
            y0, x0, y1, x1 = outputs["detection_boxes"][row] * (height, width, height, width)
            result = {
                "image_id": image["id"],
                "category_id": int(outputs["detection_classes"][row]),
                "score": float(outputs["detection_scores"][row]),
            }
            boxes.append(result | {"bbox": [x0, y0, x1 - x0, y1 - y0]})
            if result["category_id"] == 1:
                points = outputs["detection_keypoints"][row][:, ::-1] * (width, height)
                scored = np.column_stack([points, outputs["detection_keypoint_scores"][row]])
                keypoints.append(result | {"keypoints": scored.reshape(-1).tolist()})
    return boxes, keypoints


def evaluate(model: Any, scenes: Path) -> dict[str, dict[str, float]]:
    """Box and keypoint metrics of COCO in percent, -1 where there is nothing to measure."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    boxes, keypoints = detect(model, scenes)
    metrics = {}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(scenes / "annotations.json"))
        for kind, results, names in (
            ("bbox", boxes, BOX_METRICS),
            ("keypoints", keypoints, KEYPOINT_METRICS),
        ):
            evaluation = COCOeval(truth, truth.loadRes(results), kind)
            if kind == "keypoints":
                evaluation.params.catIds = [1]
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            values = [round(100 * value, 2) if value >= 0 else -1 for value in evaluation.stats]
            metrics[kind] = dict(zip(names, map(float, values), strict=True))
    return metrics


def evaluate_archive(archive: Path, scenes: Path) -> dict[str, dict[str, float]]:
    """Unpack an archive and evaluate the model in it."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as temporary:
        with tarfile.open(archive) as tar:
            tar.extractall(temporary, filter="data")
        stem = archive.name.removesuffix(".tar.gz")
        return evaluate(tf.saved_model.load(f"{temporary}/{stem}/saved_model"), scenes)


if __name__ == "__main__":
    archive, scenes = PACKAGED / f"{MODEL_ID}.tar.gz", PACKAGED / "scenes"
    found = describe(archive, scenes) | {"metrics": evaluate_archive(archive, scenes)}
    print(json.dumps(found, indent=2))
