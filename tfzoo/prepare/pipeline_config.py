"""A model's own parameters: from the `pipeline.config` beside it, else as the zoo's models have it.

The few fields needed are picked out of the protobuf text, since the whole schema is the Object
Detection API's; see its protos/post_processing.proto and protos/image_resizer.proto for the
defaults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfzoo.prepare.postprocess import PostProcessing
from tfzoo.prepare.preprocess import Resizer
from tfzoo.zoo.schema import ModelSpec

# All the zoo's configs of a family (object_detection/configs/tf2) agree, but for resizers.
_ZOO_IOU_THRESHOLDS = {"ssd": 0.6, "efficientdet": 0.5}

# The fields of the suppression of what is returned; a first stage's are written otherwise.
_NMS = r"\bbatch_non_max_suppression\s*:?\s*\{([^{}]*)\}"


@dataclass(frozen=True)
class PipelineConfig:
    """What is known of a model's way from image to detections, the network left out.

    Attributes:
        resizer: How images come to the network's size; None where that depends on the image, or
            is not known.
        postprocessing: What follows the network; None where it is not known, or asks for more
            than `tfzoo.prepare.postprocess` does. Its limits are told by the graph.
        unpadded: How images are resized where the network's size depends on the image.
    """

    resizer: Resizer | None = None
    postprocessing: PostProcessing | None = None
    unpadded: Resizer | None = None


def find_config(model: Path, spec: ModelSpec | None = None) -> PipelineConfig:
    """A model's parameters.

    Args:
        model: The SavedModel folder.
        spec: The manifest's entry, where there is one.
    """
    text = _text_beside(model)
    if text is not None:
        return read_pipeline_config(text)
    return PipelineConfig() if spec is None else _zoo_config(spec)


def returned_overlap(model: Path) -> float | None:
    """How far boxes of a class may overlap that a model returns, by the config beside it.

    Args:
        model: The SavedModel folder, or an `.onnx` file.

    Returns:
        The IoU above which its last suppression drops a box, or None where that is not known.
    """
    blocks = re.findall(_NMS, re.sub(r"#[^\n]*", "", _text_beside(model) or ""))
    if len(blocks) != 1:
        return None
    fields = _fields(blocks[0])
    # Soft-NMS drops none.
    soft = float(fields.get("soft_nms_sigma", 0)) > 0
    return 1.0 if soft else float(fields.get("iou_threshold", 0.6))


def _text_beside(model: Path) -> str | None:
    # A link to a model has its config beside the link, or where it leads.
    for folder in (model, model.parent, model.resolve().parent):
        if (folder / "pipeline.config").is_file():
            return (folder / "pipeline.config").read_text(errors="replace")
    return None


def _zoo_config(spec: ModelSpec) -> PipelineConfig:
    entry = spec.input
    resizer = unpadded = None
    if entry.resizer == "fixed_shape" and entry.height and entry.width:
        resizer = Resizer((entry.height, entry.width))
    elif entry.resizer == "keep_aspect_ratio" and entry.max_side:
        resizer = Resizer((entry.max_side, entry.max_side), entry.min_side, bool(entry.pad))
        if not resizer.pad:
            resizer, unpadded = None, resizer
    if spec.family not in _ZOO_IOU_THRESHOLDS or entry.resizer not in (
        "fixed_shape",
        "keep_aspect_ratio",
    ):
        return PipelineConfig(resizer, unpadded=unpadded)
    iou_threshold = _ZOO_IOU_THRESHOLDS[spec.family]
    after = PostProcessing(num_classes=90, iou_threshold=iou_threshold, resizer=resizer)
    return PipelineConfig(resizer, after, unpadded)


def read_pipeline_config(text: str) -> PipelineConfig:
    """Reads the parameters from a `pipeline.config` (protobuf text)."""
    text = re.sub(r"#[^\n]*", "", text)
    resizers = re.findall(r"\bimage_resizer\s*:?\s*\{\s*(\w+)\s*:?\s*\{([^{}]*)\}\s*\}", text)
    if len(resizers) != 1:
        return PipelineConfig()
    ((name, block),) = resizers
    fields = _fields(block)
    resizer = unpadded = None
    if name == "fixed_shape_resizer" and {"height", "width"} <= set(fields):
        resizer = Resizer((int(fields["height"]), int(fields["width"])))
    elif name == "keep_aspect_ratio_resizer":
        side, shorter = int(fields.get("max_dimension", 1024)), fields.get("min_dimension", 600)
        if fields.get("pad_to_max_dimension") == "true":
            resizer = Resizer((side, side), int(shorter))
        else:
            unpadded = Resizer((side, side), int(shorter), pad=False)
    else:
        return PipelineConfig()
    return PipelineConfig(resizer, _postprocessing(text, resizer), unpadded)


def _postprocessing(text: str, resizer: Resizer | None) -> PostProcessing | None:
    """That of a one-stage detector with plain class-wise NMS; None for any other."""
    nms = re.findall(_NMS, text)
    classes = re.findall(r"\bnum_classes\s*:\s*(\d+)", text)
    one_stage = re.search(r"\bmodel\s*:?\s*\{\s*ssd\s*:?\s*\{", text)
    if not one_stage or len(nms) != 1 or len(classes) != 1:
        return None
    (block,), (num_classes,) = nms, classes
    fields = _fields(block)
    others = {
        "use_static_shapes",
        "use_class_agnostic_nms",
        "use_partitioned_nms",
        "use_combined_nms",
        "soft_nms_sigma",
    }
    if any(fields.get(name, "false") not in ("false", "0", "0.0") for name in others):
        return None
    return PostProcessing(
        num_classes=int(num_classes),
        score_threshold=float(fields.get("score_threshold", 0.0)),
        iou_threshold=float(fields.get("iou_threshold", 0.6)),
        max_per_class=int(fields.get("max_detections_per_class", 100)),
        max_total=int(fields.get("max_total_detections", 100)),
        resizer=resizer,
        change_frame=fields.get("change_coordinate_frame", "true") == "true",
    )


def _fields(block: str) -> Mapping[str, str]:
    return dict(re.findall(r"(\w+)\s*:\s*([^\s,;]+)", block))
