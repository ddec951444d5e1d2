"""Exports run without tfzoo: AP, size and time of each format in plain code of its own runtime.

    python -m benchmarks.exports --data DIR [--model FILE ...] [--resize pillow|opencv]

DIR holds `coco_val_mini` and `zoo`. Each export is made by `tfzoo.export_model`, and run on the 79
images as docs/export.md has it: resized by Pillow or OpenCV where the format asks for it. int8 is
calibrated on the same images. AP is pycocotools' own.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import tfzoo
from tfzoo.errors import TfzooError
from tfzoo.exports.verify import summary

MODELS = (
    "ssd_mobilenet_v1_0.75_300x300_coco.tar.gz",
    "centernet_mobilenetv3_512x512_coco17.tar.gz",
)
PRECISIONS = ("float32", "float16", "int8")
FORMS = (
    ("saved_model", "float32"),
    ("onnx", "float32"),
    *(("openvino", precision) for precision in PRECISIONS),
    *(("tflite", precision) for precision in PRECISIONS),
)
#: float32 [N, 4] boxes as x0, y0, x1, y1 in parts of the image, scores and class ids from 1.
Found = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
Run = Callable[[NDArray[np.uint8]], Found]
Resize = Callable[[NDArray[np.uint8], int, int], NDArray[Any]]


def by_pillow(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[Any]:
    """Resized by Pillow, which averages where it shrinks."""
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def by_centres(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[Any]:
    """Mixed by OpenCV of the nearest four pixels, sampled by their centres."""
    import cv2

    return np.asarray(cv2.resize(np.float32(pixels), (width, height)))


def by_corners(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[Any]:
    """The same, sampled by their corners."""
    import cv2

    steps = np.array([[pixels.shape[1] / width, 0, 0], [0, pixels.shape[0] / height, 0]])
    linear = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    edge = cv2.BORDER_REPLICATE
    floats = np.float32(pixels)
    return np.asarray(cv2.warpAffine(floats, steps, (width, height), flags=linear, borderMode=edge))


def fitted(pixels: NDArray[np.uint8], size: tuple[int, int], fill: Any, resize: Resize) -> Any:
    """An image in the upper left corner of an input, its aspect kept, and the part it fills."""
    if fill is None:
        return resize(pixels, *size), np.ones(2)
    scale = min(size[0] / pixels.shape[0], size[1] / pixels.shape[1])
    height, width = (round(side * scale) for side in pixels.shape[:2])
    canvas = np.empty((*size, 3), np.float32)
    canvas[:] = fill
    canvas[:height, :width] = resize(pixels, height, width)
    return canvas, np.array([height / size[0], width / size[1]])


def of_saved_model(path: Path) -> Run:
    """TensorFlow alone."""
    import tensorflow as tf

    model = tf.saved_model.load(str(path / "1"))

    def run(pixels: NDArray[np.uint8]) -> Found:
        found = model.signatures["serving_default"](input_tensor=tf.constant(pixels[None]))
        return exported(*(found[f"detection_{name}"][0].numpy() for name in NAMES))

    return run


NAMES = ("boxes", "scores", "classes")


def exported(boxes: NDArray[Any], scores: NDArray[Any], classes: NDArray[Any]) -> Found:
    """From y0, x0, y1, x1."""
    return boxes[:, [1, 0, 3, 2]], scores, classes


def of_onnx(path: Path) -> Run:
    """ONNX Runtime alone."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    names = [f"detection_{name}" for name in NAMES]

    def run(pixels: NDArray[np.uint8]) -> Found:
        return exported(*(out[0] for out in session.run(names, {"input_tensor": pixels[None]})))

    return run


def of_openvino(path: Path) -> Run:
    """OpenVINO's Model API."""
    from model_api.adapters import OpenvinoAdapter, create_core
    from model_api.models import Model

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    runtime = OpenvinoAdapter(
        create_core(), str(path / "model.xml"), device="CPU", plugin_config=exact
    )
    model = Model.create_model(runtime, configuration={"confidence_threshold": 0.0})

    def run(pixels: NDArray[np.uint8]) -> Found:
        found = model(pixels)
        boxes = np.asarray(found.bboxes, np.float32).reshape(-1, 4)
        sides = np.array(pixels.shape[1::-1] * 2, np.float32)
        return boxes / sides, found.scores, np.asarray(found.labels) + 1

    return run


def of_tflite(path: Path, fill: Any, resize: Resize) -> Run:
    """LiteRT's interpreter alone."""
    from ai_edge_litert.interpreter import Interpreter

    # On several threads LiteRT 2.3 loses detections in the suppression class by class.
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    outputs = interpreter.get_output_details()
    size = (int(entry["shape"][1]), int(entry["shape"][2]))

    def run(pixels: NDArray[np.uint8]) -> Found:
        given, part = fitted(pixels, size, fill, resize)
        given = given.round() if entry["dtype"] == np.uint8 else given
        interpreter.set_tensor(entry["index"], given[None].astype(entry["dtype"]))
        interpreter.invoke()
        values = [interpreter.get_tensor(one["index"])[0] for one in outputs[:4]]
        boxes, classes, scores, number = values
        count = int(number)
        inside = np.clip(boxes[:count] / np.tile(part, 2), 0, 1)
        return exported(inside, scores[:count], classes[:count] + 1)

    return run


def ap_of(run: Run, data: Path) -> tuple[float, float]:
    """AP on the images and the median time of one, in ms."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(data / "instances.json"))
        rows, times = [], []
        for image in truth.loadImgs(truth.getImgIds()):
            pixels = np.asarray(Image.open(data / "images" / image["file_name"]).convert("RGB"))
            began = time.perf_counter()
            boxes, scores, ids = run(pixels)
            times.append(1000 * (time.perf_counter() - began))
            for (x0, y0, x1, y1), score, class_id in zip(boxes.tolist(), scores, ids, strict=True):
                width, height = image["width"], image["height"]
                box = [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height]
                if score > 0:
                    rows.append(
                        {"image_id": image["id"], "category_id": int(class_id), "bbox": box,
                         "score": float(score)}
                    )  # fmt: skip
        evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), median(times)


def main() -> None:
    """Prints tables; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", nargs="*", default=MODELS, help="of zoo; else each")
    parser.add_argument("--format", help="that alone")
    parser.add_argument("--resize", choices=("pillow", "opencv"), default="opencv")
    given = parser.parse_args()
    data, images = given.data / "coco_val_mini", given.data / "coco_val_mini" / "images"
    print("| model | format | precision | MB | AP | ms an image | verified on |")
    print("| --- | --- | --- | ---: | ---: | ---: | --- |")
    for name in given.model:
        for form, precision in (one for one in FORMS if given.format in (None, one[0])):
            head = f"| {name.split('_')[0]} | {form} | {precision} |"
            with tempfile.TemporaryDirectory(prefix="tfzoo-benchmark-") as folder:
                place = Path(folder) / ("made.tflite" if form == "tflite" else "made")
                calibrate = images if precision == "int8" else None
                check = None if calibrate else images
                try:
                    made = tfzoo.export_model(
                        given.data / "zoo" / name, format=form, precision=precision, nms=True,
                        calibrate=calibrate, check=check, output=place,
                    )  # fmt: skip
                except TfzooError as error:
                    print(f"{head} | | | {str(error)[:90]} |", flush=True)
                    continue
                if form == "tflite":
                    fill = None if "stretched" in made.note else _filled(made.note)
                    sampled = by_centres if "by their centres" in made.note else by_corners
                    resize = by_pillow if given.resize == "pillow" else sampled
                    run = of_tflite(made.path, fill, resize)
                else:
                    run = {"saved_model": of_saved_model, "onnx": of_onnx,
                           "openvino": of_openvino}[form](made.path)  # fmt: skip
                ap, ms = ap_of(run, data)
                seen = summary(made.verified, precision)
                print(f"{head} {made.size_mb} | {ap:.4f} | {ms:.1f} | {seen} |", flush=True)


def _filled(note: str) -> list[float]:
    """What an export's note says the rest of its input is."""
    told = note.split("the rest is ")[1].split(";")[0]
    return [float(value) for value in told.split(", ")]


if __name__ == "__main__":
    main()
