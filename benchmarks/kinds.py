"""Every kind of export by every runtime: does it open, find the same, and how long does it take?

    python -m benchmarks.kinds --data DIR [--model FILE] [--images 12]

DIR holds `coco_val_mini` and `zoo`. The model, an `image_tensor` export, is written again as each
other kind; what it finds by TensorFlow is what all are held against, on images as arrays. Times are
of image files, as a user gives them, one by one; medians, each cell in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import tfzoo
from tests.helpers import input_types

RUNTIMES = ("tensorflow", "frozen", "xla", "openvino", "onnx", "litert")
MODEL = "ssd_mobilenet_v1_0.75_300x300_coco.tar.gz"

_CELL = """
import json, sys, time
from statistics import median
import numpy as np
import tfzoo
from tfzoo.errors import TfzooError
from tfzoo.images.reading import read_image
model, runtime, *files = sys.argv[1:]
try:
    detector = tfzoo.load(model, runtime=runtime)
    found = [detector.detect(read_image(file)) for file in files]
except TfzooError as error:
    print(json.dumps({"reason": str(error)}))
    raise SystemExit
times = []
for file in files * 3:
    began = time.perf_counter()
    detector(file)
    times.append(1000 * (time.perf_counter() - began))
rows = [[one.boxes.tolist(), one.scores.tolist(), one.class_ids.tolist(), one.image_size]
        for one in found]
print(json.dumps({"ms": median(times), "found": rows}))
"""


def kinds(archive: Path, data: Path, folder: Path) -> dict[str, Path]:
    """A model as each kind of export, by the kind's name."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (twin,) = (path.parent for path in folder.glob("*/saved_model"))
    made = {"image_tensor": twin}
    for name in input_types.INPUT_TYPES:
        made[name] = input_types.save(name, twin, folder / name)
    made["frozen_inference_graph.pb"] = input_types.save_frozen(twin, folder / "frozen_graph")
    lite = tfzoo.export_model(
        twin, format="tflite", check=data / "images", output=folder / "model.tflite"
    )
    made[".tflite, of tfzoo export"] = lite.path
    return made


def cell(model: Path, runtime: str, files: list[Path]) -> dict[str, Any]:
    """What a runtime makes of a model: its time and detections, or the reason why not."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    if runtime == "onnx" and model.suffix != ".tflite":
        export = [sys.executable, "-m", "tfzoo", "export", str(model), "--format", "onnx"]
        done = subprocess.run(export, capture_output=True, text=True, env=environment)
        if done.returncode:
            return {"reason": done.stderr.strip().splitlines()[-1]}
    command = [sys.executable, "-c", _CELL, str(model), runtime, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return {"reason": done.stderr.strip().splitlines()[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def told(seen: dict[str, Any], truth: list[Any]) -> str:
    """A cell of the table."""
    from tfzoo.detections.agreement import compare, worst_differences

    if "reason" in seen:
        return "-"
    found = [detections(row) for row in seen["found"]]
    same, reason = compare(truth, found)
    score, box = worst_differences(truth, found)
    off = f"{score:.1g}, {box:.1g} px" if same else reason
    return f"{seen['ms']:.0f} ms; {off}"


def detections(row: list[Any]) -> Any:
    """`Detections` of what a process told."""
    import numpy as np

    boxes, scores, ids, size = row
    return tfzoo.Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(ids, np.int32),
        (size[0], size[1]),
    )


def main() -> None:
    """Prints tables; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default=MODEL, help="of zoo")
    parser.add_argument("--images", type=int, default=12)
    given = parser.parse_args()
    data = given.data / "coco_val_mini"
    files = sorted((data / "images").iterdir())[: given.images]
    with tempfile.TemporaryDirectory(prefix="tfzoo-benchmark-") as folder:
        made = kinds(given.data / "zoo" / given.model, data, Path(folder))
        first = cell(made["image_tensor"], "tensorflow", files)
        truth = [detections(row) for row in first["found"]]
        print(f"| kind | {' | '.join(RUNTIMES)} |")
        print("| --- |" + " --- |" * len(RUNTIMES))
        reasons = []
        for kind, model in made.items():
            cells = []
            for runtime in RUNTIMES:
                seen = cell(model, runtime, files)
                cells.append(told(seen, truth))
                if "reason" in seen:
                    reasons.append(f"{kind} by {runtime}: {seen['reason']}")
            print(f"| {kind} | {' | '.join(cells)} |", flush=True)
        print("\n".join(["", *reasons]))


if __name__ == "__main__":
    main()
