"""To OpenVINO's IR: pixels in, detections out, and what OpenVINO's Model API needs to know of it.

`model_info` is where the Model API (openvino-model-api) looks for how images come in and what comes
out: an `ssd` with an output of boxes and scores, in pixels of the input, and one of labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfzoo.decode.frame import Frame
from tfzoo.decode.kinds import decode
from tfzoo.detections.types import Detections
from tfzoo.errors import ModelFormatError
from tfzoo.exports.network import (
    KEYPOINTS,
    most_listed,
    pixels_of,
    what_goes_in,
    within_image,
)
from tfzoo.exports.source import Detect, Source, Written
from tfzoo.exports.tflite_metadata import label_lines
from tfzoo.images.image import Image
from tfzoo.loading import detector_of
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.int8 import int8_form
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, PostProcessing
from tfzoo.prepare.prepared import Prepared, prepare
from tfzoo.prepare.preprocess import Preprocessing
from tfzoo.runtimes.runtime import Runtime, image_failures, open_runtime
from tfzoo.trials.quantise import quantise

if TYPE_CHECKING:
    import openvino as ov

#: What the Model API leaves out unless told, as it does by itself.
_CONFIDENCE = 0.5


def write_openvino(source: Source, folder: Path) -> Written:
    """Writes a model as a folder with `model.xml` and `model.bin`.

    Args:
        source: What is exported. In int8 it is the form that `tfzoo.prepare.int8` makes.
        folder: Where to.

    Raises:
        ModelFormatError: OpenVINO can't read it, or it has no network of one size of images.
        RuntimeUnavailableError: OpenVINO is not installed.
    """
    import openvino as ov

    settings, made = source.settings, _form(source)
    cut, target = made.cut, folder / "openvino"
    model = ov.Core().read_model(str(made.folder / "model.xml"))
    half = settings.precision == "float16"
    target.mkdir()
    if not settings.inside and cut.after is not None:
        ov.save_model(model, str(target / "model.xml"), compress_to_fp16=half)
        runtime = open_runtime("openvino", target / "model.xml", "cpu")
        detector = detector_of(source.model, runtime, cut, source.labels)
        return Written(target, made.note, detector.detect, runtime.signature)
    before = cut.before
    if before is None or not before.resizer.pad or (cut.after is None and _is_raw(model)):
        raise ModelFormatError(
            f"{source.model.id} has no network of one size of images for OpenVINO ({made.note}); "
            "expected an SSD, EfficientDet or CenterNet with its pipeline.config beside it"
        )
    whole = with_ends(model, cut, settings.min_score)
    for key, value in _model_info(before, source.labels, settings.min_score).items():
        whole.set_rt_info(value, ["model_info", key])
    ov.save_model(whole, str(target / "model.xml"), compress_to_fp16=half)
    note = (
        f"{what_goes_in(before, 'float32')}; gives boxes [1,N,5], x0, y0, x1, y1 in pixels of that "
        "and a score each, and labels [1,N] from 0"
    )
    if any(KEYPOINTS[0] in port.get_names() for port in model.outputs):
        note += ", keypoints [1,N,K,2], x, y, and their scores"
    runtime = open_runtime("openvino", target / "model.xml", "cpu")
    return Written(target, note, running(runtime, cut, source.labels), runtime.signature)


def _form(source: Source) -> Prepared:
    settings = source.settings
    if settings.precision != "int8":
        return prepare(source.model, "openvino")
    if settings.calibrate is not None:
        quantise(source.model, settings.calibrate, settings.on_step)
    return int8_form(source.model)


def _is_raw(model: ov.Model) -> bool:
    return any(RAW_BOXES in port.get_names() for port in model.outputs)


def with_ends(model: ov.Model, cut: Cut, min_score: float) -> ov.Model:
    """A cut graph with what is left to do outside of it, but for the resizing.

    Args:
        model: The graph, in OpenVINO's form; taken apart.
        cut: What is left to do; something before the network.
        min_score: Detections below it are left out too.
    """
    import openvino as ov
    from openvino import opset13 as ops

    before = cut.before
    assert before is not None
    height, width = before.resizer.size
    image = ops.parameter([1, height, width, 3], np.float32, name="image")
    image.output(0).set_names({"image"})
    ordered = image
    if before.order != (0, 1, 2):
        ordered = ops.gather(image, np.array(before.order, np.int64), np.int64(3))
    scaled = ops.multiply(ordered, np.array(before.scale, np.float32))
    starts = [ops.add(scaled, np.array(before.offset, np.float32))]
    if cut.true_shapes:
        starts.append(ops.constant(np.array([[height, width, 3]], np.int32)))
    for parameter, start in zip(model.get_parameters(), starts, strict=True):
        for consumer in parameter.output(0).get_target_inputs():
            consumer.replace_source_output(start.output(0))
    ports = {name: port for port in model.outputs for name in port.get_names()}
    found = {name: port.get_node().input_value(0) for name, port in ports.items()}
    if cut.after is None:
        boxes, scores, classes = (
            found[f"detection_{name}"] for name in ("boxes", "scores", "classes")
        )
        labels = ops.subtract(classes, np.float32(1))
    else:
        boxes, scores, labels = _suppressed(found, cut.after, min_score)
    # From y, x in parts of the input to x, y in its pixels.
    swapped = ops.gather(boxes, np.array([1, 0, 3, 2], np.int64), np.int64(2))
    sizes = np.array([width, height, width, height], np.float32)
    rows = ops.concat([ops.multiply(swapped, sizes), ops.unsqueeze(scores, np.int64(2))], 2)
    ends = {"boxes": rows, "labels": ops.convert(labels, "i32")}
    if KEYPOINTS[0] in found:
        points = ops.gather(found[KEYPOINTS[0]], np.array([1, 0], np.int64), np.int64(3))
        ends["keypoints"] = ops.multiply(points, sizes[:2])
        ends["keypoint_scores"] = found[KEYPOINTS[1]]
    results = []
    for name, end in ends.items():
        results.append(ops.result(end, name=name))
        results[-1].output(0).set_names({name})
    return ov.Model(results, [image], "detector")


def _suppressed(
    found: Mapping[str, Any], after: PostProcessing, min_score: float
) -> tuple[Any, Any, Any]:
    """Boxes [1, N, 4], scores [1, N] and classes [1, N] from 0, for raw boxes and scores."""
    from openvino import opset13 as ops

    def at(values: Any, index: int) -> Any:
        return ops.gather(values, np.int64(index), np.int64(1))

    columns = [np.array([value], np.int64) for value in (-after.num_classes, 2**31 - 1, 1, 2)]
    by_class = ops.transpose(ops.slice(found[RAW_SCORES], *columns), np.array([0, 2, 1]))
    kept = ops.non_max_suppression(
        found[RAW_BOXES],
        by_class,
        np.int64(after.max_per_class),
        np.float32(after.iou_threshold),
        np.float32(max(after.score_threshold, min_score)),
        box_encoding="corner",
        sort_result_descending=True,
        output_type="i64",
    ).output(0)
    boxes = ops.gather(found[RAW_BOXES], at(kept, 2), np.int64(1))
    scores = ops.unsqueeze(ops.gather_nd(by_class, kept), np.int64(0))
    classes = ops.unsqueeze(at(kept, 1), np.int64(0))
    # The image fills the whole input as far as is known here; padding holds nothing.
    clipped = ops.clamp(boxes, 0.0, 1.0)
    values = [clipped, scores, classes]
    if after.drop_empty:
        low, high = (
            ops.gather(clipped, np.array(corner, np.int64), np.int64(2))
            for corner in ([0, 1], [2, 3])
        )
        areas = ops.reduce_prod(ops.subtract(high, low), np.int64(2))
        inside = ops.non_zero(ops.greater(areas, np.float32(0)), output_type="i64")
        rows = ops.gather(inside, np.int64(1), np.int64(0))
        values = [ops.gather(value, rows, np.int64(1)) for value in values]
    first = [np.array([value], np.int64) for value in (0, most_listed(after), 1, 1)]
    boxes, scores, classes = (ops.slice(value, *first) for value in values)
    return boxes, scores, classes


def _model_info(
    before: Preprocessing, labels: Mapping[int, str], min_score: float
) -> dict[str, str]:
    """What OpenVINO's Model API reads of a model; see its documentation of `model_info`."""
    fitted = before.resizer.min_dimension is not None
    padding = max(pixels_of(before).padding)
    names = label_lines(labels).splitlines()
    return {
        "model_type": "ssd",
        "labels": " ".join("_".join(name.split()) for name in names),
        "resize_type": "fit_to_window" if fitted else "standard",
        "pad_value": str(int(np.clip(round(padding), 0, 255))),
        "confidence_threshold": str(max(_CONFIDENCE, min_score)),
        "reverse_input_channels": "False",
    }


def running(runtime: Runtime, cut: Cut, labels: Mapping[int, str]) -> Detect:
    """What an export finds.

    Args:
        runtime: That has opened `model.xml`, as `write_openvino` wrote it.
        cut: What its form left to do outside.
        labels: Category names by id.
    """
    before = cut.before
    assert before is not None
    pixels, resizer = pixels_of(before), before.resizer

    def detect(image: Image) -> Detections:
        size = (image.shape[0], image.shape[1])
        with image_failures(size):
            found = runtime.run(pixels(image)[None])
            rows, classes = found["boxes"], found["labels"]
            height, width = resizer.size
            boxes = rows[..., [1, 0, 3, 2]] / np.array([height, width, height, width], np.float32)
            raw = {
                "detection_boxes": boxes,
                "detection_scores": rows[..., 4],
                "detection_classes": classes + 1,
                "num_detections": np.array([rows.shape[1]]),
            }
            if "keypoints" in found:
                points = found["keypoints"][..., ::-1] / np.array([height, width], np.float32)
                raw |= dict(zip(KEYPOINTS, (points, found["keypoint_scores"]), strict=True))
            frame = Frame(size, resizer.size, resizer.content_size(size))
            return within_image(decode("standard", raw, frame, labels), cut.after)

    return detect
