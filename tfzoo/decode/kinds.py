"""From a model's raw outputs to `Detections`, in numpy alone.

The one place that knows box order, class offsets, box-relative masks and padding. A model is
recognised by its signature, never by its name, so that anybody's own export works. Each kind has
a module: what it expects, how an image goes in (`prepare`) and how its outputs are read
(`decode`); the two share the geometry in a `Frame`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.decode import exported, postprocessed, tflite, yolov5
from tfzoo.decode.feeding import channels_first, channels_last, plain, plain_names
from tfzoo.decode.frame import Frame, Raw
from tfzoo.decode.pixels import in_words, pixels_of
from tfzoo.detections.types import Detections
from tfzoo.errors import ModelFormatError
from tfzoo.images.image import Image
from tfzoo.runtimes.runtime import Pixels, Signature, TensorInfo
from tfzoo.zoo.schema import SignatureKind

__all__ = ["KINDS", "Frame", "Kind", "Raw", "decode", "prepare", "recognise"]


@dataclass(frozen=True)
class Kind:
    """How models of one signature kind are recognised, fed and read.

    Attributes:
        expects: What such a model takes and returns, for the message that refuses others.
        fits: Whether a signature is of this kind.
        prepare: As `tfzoo.decode.prepare`, the kind left out.
        decode: As `tfzoo.decode.decode`, the kind left out.
        channels_first: Whether such models have their channels first, so that theirs is the
            only order there is. Others come in either order, and theirs is changed outside.
    """

    expects: str
    fits: Callable[[Signature], bool]
    prepare: Callable[[Image, TensorInfo], tuple[NDArray[Any], Frame]]
    decode: Callable[[Raw, Frame, Mapping[int, str], float], Detections]
    channels_first: bool = False
    usual: Pixels | None = None


#: Every kind there is. The first that fits wins, so the special ones come first.
KINDS: Mapping[SignatureKind, Kind] = {
    "mask_rcnn": Kind(
        f"{exported.EXPECTS}, and detection_masks [1,N,h,w]",
        exported.has_masks,
        exported.prepare,
        exported.decode,
    ),
    "centernet": Kind(
        f"{exported.EXPECTS}, and detection_boxes_strided or detection_keypoints",
        exported.is_centernet,
        exported.prepare,
        exported.decode,
    ),
    "standard": Kind(exported.EXPECTS, exported.fits, exported.prepare, exported.decode),
    "postprocessed_tflite": Kind(
        postprocessed.EXPECTS,
        postprocessed.fits,
        postprocessed.prepare,
        postprocessed.decode,
        usual=postprocessed.USUAL,
    ),
    "centernet_tflite": Kind(
        tflite.EXPECTS, tflite.fits, tflite.prepare, tflite.decode, usual=tflite.USUAL
    ),
    "yolov5": Kind(yolov5.EXPECTS, yolov5.fits, yolov5.prepare, yolov5.decode, channels_first=True),
    "yolov5_tflite": Kind(
        yolov5.EXPECTS_LITE,
        yolov5.fits_lite,
        yolov5.prepare_lite,
        yolov5.decode_lite,
        usual=yolov5.USUAL,
    ),
}


def carried_labels(signature: Signature) -> dict[int, str]:
    """Category names that a model carries, by id; empty where it carries none.

    A `???` stands where there is no category. Where a list begins with the background, it counts
    as the ids do; else its first is the id 1, and YOLOv5's the id 0.
    """
    names = [name.strip() for name in signature.labels]
    if not names:
        return {}
    first = 0 if recognise(signature) == "yolov5_tflite" else 1
    if names[0].casefold() in ("???", "background"):
        names[0], first = "", 0
    return {id_: name for id_, name in enumerate(names, first) if name not in ("", "???")}


def recognise(signature: Signature) -> SignatureKind:
    """The kind of a model by what it takes and returns.

    Raises:
        ModelFormatError: It fits none; says what was found and what was expected.
    """
    named = plain(signature)
    turned = Signature(tuple(map(channels_last, named.inputs)), named.outputs)
    for name, kind in KINDS.items():
        if kind.fits(named if kind.channels_first else turned):
            return name
    found = [f"  takes   {info}" for info in signature.inputs]
    found += [f"  returns {info}" for info in signature.outputs]
    expected = [f"  {name}: {kind.expects}" for name, kind in KINDS.items()]
    raise ModelFormatError(
        "\n".join(
            [
                "this model is no detector that tfzoo knows. It",
                *found,
                "Expected one of",
                *expected,
                "Export it with the Object Detection API's exporter_main_v2 (image_tensor).",
            ]
        )
    )


def pixels_told(kind: SignatureKind, entry: TensorInfo) -> tuple[str, bool]:
    """In words what pixels are turned into for a model's input, and whether that is a guess.

    The words are empty where the graph does all of it.
    """
    usual = KINDS[kind].usual
    if usual is None:
        return "", False
    pixels, known = pixels_of(entry, usual)
    if known:
        return f"{in_words(pixels)} {known}", False
    if kind == "postprocessed_tflite":
        return f"{in_words(pixels)} by guess, for its file does not say", True
    return f"{in_words(pixels)} as all of its kind", False


def prepare(kind: SignatureKind, image: Image, entry: TensorInfo) -> tuple[NDArray[Any], Frame]:
    """The batch of one that a model takes for an image.

    Args:
        kind: As `recognise` gives it.
        image: uint8 [H, W, 3] RGB.
        entry: The model's input.

    Returns:
        The batch, [1, ...] of the input's dtype, and where the image lies in it.
    """
    if KINDS[kind].channels_first or not channels_first(entry):
        return KINDS[kind].prepare(image, entry)
    batch, frame = KINDS[kind].prepare(image, channels_last(entry))
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2)), frame


def decode(
    kind: SignatureKind,
    raw: Raw,
    frame: Frame,
    labels: Mapping[int, str],
    min_score: float = 0.0,
) -> Detections:
    """Reads one image's raw outputs.

    Args:
        kind: As `recognise` gives it.
        raw: Outputs by name, with a batch dimension of 1.
        frame: Where the image lay in the input, as `prepare` gave it.
        labels: Category names by id.
        min_score: Rows below it are left out (0 to 1).

    Returns:
        Detections in pixels of the original image; see `tfzoo.decode.frame.assemble`.

    Raises:
        ModelFormatError: The outputs are not of the shapes that the kind expects.
    """
    names = plain_names(raw)
    named = {names[name]: value for name, value in raw.items()}
    return KINDS[kind].decode(named, frame, labels, min_score)
