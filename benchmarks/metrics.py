"""Time of the metrics alone against pycocotools, on as much as val2017 gives, in one run.

    python benchmarks/metrics.py [--images 5000] [--detections 100] [--resamples 200] [--report]

With --report, instead the metrics with their interval, what the report takes beside them, and the
memory of both.

Random ground truth of 80 categories (about seven objects an image, some crowds) and random
detections, a part of them near objects. Both get the same rows in memory; what is timed is taking
the rows in, evaluating, accumulating and summing up. The interval is timed apart.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from tfzoo.accuracy.bootstrap import draw, interval, matches_of
from tfzoo.accuracy.evidence import Evidence
from tfzoo.accuracy.metrics import METRICS, run_evaluation, score
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.detections.labels import COCO
from tfzoo.explain.explained import explain

WIDTH, HEIGHT = 640, 480


def boxes(rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """Random x, y, width, height within an image, of COCO's spread of sizes: [count, 4]."""
    size = np.exp(rng.normal(4, 1, (count, 2))).clip(4, (WIDTH - 8, HEIGHT - 8))
    return np.concatenate([rng.random((count, 2)) * ((WIDTH, HEIGHT) - size), size], axis=1)


def random_set(images: int, detections: int) -> tuple[GroundTruth, list[dict[str, Any]]]:
    """Ground truth, and exactly so many detections an image."""
    rng = np.random.default_rng(0)
    categories = np.array(list(COCO))
    annotations: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for image_id in range(1, images + 1):
        objects = boxes(rng, int(rng.integers(0, 15)))
        kinds = rng.choice(categories, len(objects))
        for box, kind in zip(objects, kinds, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": int(kind),
                    "bbox": box.tolist(),
                    "area": float(box[2] * box[3]),
                    "iscrowd": int(rng.random() < 0.01),
                }
            )
        near = np.flatnonzero(rng.random(len(objects)) < 0.7)[:detections]
        far = detections - len(near)
        found = np.concatenate(
            [objects[near] * rng.normal(1, 0.1, (len(near), 4)), boxes(rng, far)]
        )
        named = np.concatenate([kinds[near], rng.choice(categories, far)])
        scores = np.concatenate([rng.random(len(near)), rng.random(far) * 0.5])
        for box, kind, sure in zip(found.tolist(), named.tolist(), scores.tolist(), strict=True):
            rows.append({"image_id": image_id, "category_id": kind, "bbox": box, "score": sure})
    size = {"width": WIDTH, "height": HEIGHT}
    listed = [{"id": i, "file_name": f"{i}.jpg", **size} for i in range(1, images + 1)]
    named_categories = [{"id": i, "name": name} for i, name in COCO.items()]
    data = {"images": listed, "annotations": annotations, "categories": named_categories}
    return GroundTruth(data, Path("random.json")), rows


def _report(truth: GroundTruth, rows: list[dict[str, Any]], resamples: int) -> None:
    def most_mib() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    held = most_mib()
    began = time.process_time()
    metrics = score(truth, rows, "box", resamples=resamples)
    metrics_s, metrics_mib = time.process_time() - began, most_mib()
    began = time.process_time()
    explained = explain(Evidence({"box": truth}, rows, "other", {}, {}), "box", metrics)
    report_s, report_mib = time.process_time() - began, most_mib()
    assert explained.errors is not None
    print(
        f"CPU: metrics with their interval {metrics_s:.1f} s, the report's figures {report_s:.1f} s"
    )
    print(f"both take {(metrics_s + report_s) / metrics_s:.2f} times the metrics alone")
    print(
        f"memory: {held:.0f} MiB with the rows, {metrics_mib:.0f} MiB at most during the metrics,"
    )
    print(f"{report_mib:.0f} MiB at most by the end")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    truth, rows = random_set(options.images, options.detections)
    # Libraries are imported before the clock starts.
    small = truth.subset([1, 2])
    for library in ("faster-coco-eval", "pycocotools"):
        run_evaluation(small, [row for row in rows[:50] if row["image_id"] < 3], "box", library)

    print(f"{options.images} images x {options.detections} detections, {len(rows)} rows")
    if options.report:
        _report(truth, rows, options.resamples)
        return
    began = time.perf_counter()
    faster = run_evaluation(truth, rows, "box", "faster-coco-eval")
    faster_s = time.perf_counter() - began
    began = time.perf_counter()
    found = interval(matches_of(faster), draw(options.images, options.resamples, 0))
    interval_s = time.perf_counter() - began
    began = time.perf_counter()
    reference = run_evaluation(truth, rows, "box", "pycocotools")
    reference_s = time.perf_counter() - began

    for name, value, theirs in zip(METRICS["box"], faster.stats, reference.stats, strict=True):
        print(f"  {name:6} {value:.6f}  {theirs:.6f}")
    print(f"largest difference {np.abs(faster.stats[:12] - reference.stats).max():.1e}")
    print(f"faster-coco-eval {faster_s:.1f} s, pycocotools {reference_s:.1f} s: ", end="")
    print(f"{reference_s / faster_s:.1f} times faster")
    print(f"interval of {options.resamples} resamples: {interval_s:.1f} s, {found}")


if __name__ == "__main__":
    main()
