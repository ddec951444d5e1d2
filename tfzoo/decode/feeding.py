"""What a model takes: which input is the image, how its channels lie, and what else it is fed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.errors import ModelFormatError
from tfzoo.runtimes.runtime import Signature, TensorInfo

# How exporters and people call the input for the image, the most usual first.
_IMAGE_NAMES = (
    "input_tensor", "image_tensor", "float_image_tensor", "encoded_image_string_tensor",
    "tf_example", "images", "image", "inputs", "input",
)  # fmt: skip


@dataclass(frozen=True)
class Feeding:
    """How a model is fed.

    Attributes:
        image: The input that takes the image.
        place: Its place among the inputs.
        others: Zeros for the inputs after and before it, in their order, the image left out.
        named: What the others are, as text; empty where there are none.
    """

    image: TensorInfo
    place: int = 0
    others: tuple[NDArray[Any], ...] = ()
    named: str = ""

    def inputs(self, batch: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """All that the model takes, in the order of its inputs."""
        return (*self.others[: self.place], batch, *self.others[self.place :])


def feeding(signature: Signature) -> Feeding:
    """How a model is fed.

    The exporter's `--use_side_inputs` gives a model inputs beside the image, such as the features
    of a camera's earlier pictures for Context R-CNN. They get zeros, which mean "no context".

    Raises:
        ModelFormatError: It takes what can't be left at zero.
    """
    infos = [replace(info, name=name) for info, name in _named(signature.inputs)]
    if not infos:
        raise ModelFormatError("this model takes nothing, so it can look at no image")
    place = _place(infos)
    others = [info for number, info in enumerate(infos) if number != place]
    values = tuple(_zeros(info) for info in others)
    return Feeding(infos[place], place, values, ", ".join(map(str, others)))


def _place(infos: list[TensorInfo]) -> int:
    fitting = [number for number, info in enumerate(infos) if _may_be_an_image(info)]
    if not fitting:
        fitting = [number for number, info in enumerate(infos) if takes_a_string(info)]
    if len(fitting) < 2:
        return fitting[0] if fitting else 0
    for name in _IMAGE_NAMES:
        for number in fitting:
            if infos[number].name.casefold() == name:
                return number
    named = ", ".join(str(infos[number]) for number in fitting)
    raise ModelFormatError(
        f"this model takes several images ({named}), and none of them is called input_tensor; "
        "tfzoo runs models that take one"
    )


def takes_a_string(info: TensorInfo) -> bool:
    """Whether an input is one of the exporter's for encoded images or for tf.Examples."""
    return info.dtype == "string" and info.shape in ((), (1,), (None,))


def _may_be_an_image(info: TensorInfo) -> bool:
    if info.dtype not in ("uint8", "float32"):
        return False
    return len(info.shape) == 4 and (info.shape[3] in (3, None) or info.shape[1] == 3)


def _zeros(info: TensorInfo) -> NDArray[Any]:
    """What a side input is fed, its free sizes 1."""
    if re.search("box", info.name, re.IGNORECASE) and info.shape[-1:] == (4,):
        raise ModelFormatError(
            f"this model takes boxes beside the image ({info}): it gives masks of boxes that are "
            "known, and finds none. Export it with exporter_main_v2 --input_type image_tensor"
        )
    try:
        dtype = np.dtype(info.dtype)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "biuf":
        raise ModelFormatError(
            f"this model takes {info} beside the image, and tfzoo can feed numbers alone: only "
            "who made the model knows what belongs there. Export it without side inputs "
            "(exporter_main_v2 without --use_side_inputs)"
        )
    return np.zeros([size or 1 for size in info.shape], dtype)


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Names without the `:0` that converters leave at them, by the names as they are.

    It stays where it tells several outputs of one operation apart (`call:0`, `call:1`).
    """
    given = list(names)
    stems = [name.rpartition(":")[0] or name for name in given]
    return {
        name: stem if name.endswith(":0") and stems.count(stem) == 1 and stem not in given else name
        for name, stem in zip(given, stems, strict=True)
    }


def plain(signature: Signature) -> Signature:
    """A signature with `plain_names`."""
    return Signature(
        tuple(replace(info, name=name) for info, name in _named(signature.inputs)),
        tuple(replace(info, name=name) for info, name in _named(signature.outputs)),
    )


def _named(infos: tuple[TensorInfo, ...]) -> list[tuple[TensorInfo, str]]:
    names = plain_names(info.name for info in infos)
    return [(info, names[info.name]) for info in infos]


def channels_first(entry: TensorInfo) -> bool:
    """Whether an input takes images as [N, 3, H, W]."""
    return len(entry.shape) == 4 and entry.shape[1] == 3 and entry.shape[3] != 3


def channels_last(entry: TensorInfo) -> TensorInfo:
    """The input as it would be with its channels last."""
    if not channels_first(entry):
        return entry
    number, channels, height, width = entry.shape
    return replace(entry, shape=(number, height, width, channels))
