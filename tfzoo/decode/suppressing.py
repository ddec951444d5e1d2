"""What options of suppression mean for an opened model, or why it can't be done with it.

Where the boxes and scores before the model's own suppression are at hand, all of it can be: a graph
that is cut gives them, YOLOv5 does, and so does a whole graph that returns them beside its
detections, once its frozen form has shown what is done with them. Of any other graph, what it
returned can be thinned out further. What that can't do is refused before anything is detected.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from tfzoo.decode.feeding import plain
from tfzoo.decode.kinds import KINDS
from tfzoo.detecting import SuppressOptions
from tfzoo.detections.suppression import Suppression
from tfzoo.errors import UsageError
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.pipeline_config import find_config, returned_overlap
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, PostProcessing
from tfzoo.prepare.prepared import is_prepared, prepare
from tfzoo.runtimes.runtime import Signature
from tfzoo.store.models import StoredModel
from tfzoo.zoo.schema import SignatureKind

_log = logging.getLogger("tfzoo.decode.suppressing")

#: What boxes may overlap where a model says nothing (protos/post_processing.proto of the API).
USUAL_IOU = 0.6

# Kinds that find peaks of a map, and suppress no box for its overlap.
_OF_PEAKS = ("centernet", "centernet_tflite")


@dataclass(frozen=True)
class Suppressing:
    """How boxes of one model that overlap are thinned out.

    Attributes:
        after: What makes detections of the graph's raw outputs; None where it gives detections.
        rules: In place of the model's own; None for those.
        found: Whether they are applied to the model's detections, since nothing else is at hand.
    """

    after: PostProcessing | None = None
    rules: Suppression | None = None
    found: bool = False


def suppressing(
    options: SuppressOptions,
    model: StoredModel,
    kind: SignatureKind,
    signature: Signature,
    cut: Cut,
) -> Suppressing:
    """How options are done with a model.

    Args:
        options: That were given.
        model: From the store.
        kind: Of its signature.
        signature: What its opened form takes and gives.
        cut: What is left to do outside of that form.

    Raises:
        UsageError: They can't be done with this model; says why, and what can.
        ModelFormatError, StoreError: See `tfzoo.prepare.prepared.prepare`.
    """
    own = Suppressing(cut.after)
    changed = replace(options, max_detections=None).rules_told
    most = options.max_detections or 0
    if (known := KINDS[kind].suppression) is not None:
        return replace(own, rules=known.told(options)) if changed or most else own
    returned = _returned(signature, model)
    if not changed and cut.after is None and returned is not None and most <= returned:
        return own  # The best of what it returns.
    if not changed and not most:
        return own
    after, reason = (cut.after, "") if cut.after else _outside(model, kind, signature)
    if after is not None:
        return Suppressing(after, after.suppression.told(options))
    if returned is not None and most > returned:
        raise UsageError(
            f"max_detections is {most}, but {model.id} returns {returned} detections at most, and "
            f"no more can be had of it: {reason}. Ask for {returned} or fewer"
        )
    if not changed:
        return own
    return replace(own, rules=_of_found(options, model, kind, reason), found=True)


def _returned(signature: Signature, model: StoredModel) -> int | None:
    """How many detections a graph returns at most, or None where neither it nor its config says."""
    boxes = [info.shape for info in plain(signature).outputs if info.name == "detection_boxes"]
    # Outputs without names are told by their shape: boxes alone have rows of four.
    boxes = boxes or [
        info.shape for info in signature.outputs if len(info.shape) == 3 and info.shape[2] == 4
    ]
    if len(boxes) == 1 and len(boxes[0]) > 1 and boxes[0][-2] is not None:
        return boxes[0][-2]
    known = find_config(model.path, model.spec).postprocessing
    return None if known is None else known.max_total


def _outside(
    model: StoredModel, kind: SignatureKind, signature: Signature
) -> tuple[PostProcessing | None, str]:
    """What a whole graph does with the raw outputs that it returns too; else why not."""
    if kind in _OF_PEAKS:
        return None, "it finds the peaks of its maps within its graph"
    if not {RAW_BOXES, RAW_SCORES} <= {info.name for info in signature.outputs}:
        return None, f"it returns no {RAW_BOXES}"
    if not model.path.is_dir():
        return None, "what an .onnx file does with its raw outputs can't be told"
    if find_config(model.path, model.spec).postprocessing is None:
        return None, "its suppression is done within its graph, by rules that are not known"
    if not is_prepared(model, "frozen"):
        _log.warning(
            "making the frozen form of %s first, once: it shows what the model does with its boxes",
            model.id,
        )
    form = prepare(model, "frozen")
    return form.cut.after, form.note


def _of_found(
    options: SuppressOptions, model: StoredModel, kind: SignatureKind, reason: str
) -> Suppression:
    """The rules for what a graph returned, which it has thinned out by its own."""
    own = 1.0 if kind in _OF_PEAKS else returned_overlap(model.path)
    if options.iou is not None and own is None:
        raise UsageError(
            f"iou is {options.iou:g}, but how far boxes may overlap that {model.id} returns is not "
            f"known: there is no pipeline.config beside it that tells. What the model dropped "
            f"can't be had back ({reason}); leave iou out"
        )
    if options.iou is not None and own is not None and options.iou > own:
        raise UsageError(
            f"iou is {options.iou:g}, but {model.id} has dropped all that overlaps by more than "
            f"{own:g} before it returns any, and that can't be had back: {reason}. Ask for "
            f"{own:g} or less"
        )
    usual = USUAL_IOU if own is None or kind in _OF_PEAKS else own
    return Suppression(usual).told(replace(options, max_detections=None))
