"""What a `.tflite` file says of itself: what its outputs are, what pixels it takes, its labels.

Field numbers: tensorflow/compiler/mlir/lite/schema/schema.fbs of TensorFlow 2.20, and
metadata_schema.fbs of TensorFlow Lite's metadata (github.com/tensorflow/tflite-support).
"""

from __future__ import annotations

import mmap
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from flatbuffers import number_types as numbers

from tfzoo import records
from tfzoo.errors import ModelFormatError
from tfzoo.messages import BrokenMessage
from tfzoo.runtimes.runtime import Pixels, Resizing
from tfzoo.safety.flat import Table, reading, root
from tfzoo.safety.lite import operations_of

#: The operation that the Object Detection API ends its graphs in, and what it gives, in order:
#: boxes, classes, scores and their number (tensorflow/lite/kernels/detection_postprocess.cc).
POST_PROCESS = "TFLite_Detection_PostProcess"
OUTPUTS = (POST_PROCESS, *(f"{POST_PROCESS}:{place}" for place in range(1, 4)))

#: The metadata in which `tfzoo export` tells how an image comes into the input: `Resizing` in JSON.
RESIZING = "TFZOO_RESIZING"
_METADATA = "TFLITE_METADATA"
_NORMALISATION = 1  # Among the kinds of a process unit's options.
_LABELS = (2, 3)  # Among the kinds of associated files: of an axis, or of values.
_MOST_BYTES = 1_000_000
_MOST_PIXELS = 65_536  # Of a side of the input.


@dataclass(frozen=True)
class LiteFile:
    """What a file says of itself.

    Attributes:
        operations: Its operations that are no built-in ones.
        outputs: Names of the detections' outputs, by the number of their tensor: `OUTPUTS`. Empty
            where the graph does not end in that operation.
        one_thread: Whether that operation suppresses class by class: on several threads LiteRT's
            (2.3) loses detections.
        pixels: What its image is turned into, by its metadata.
        labels: Category names by class number, from the file that its metadata names.
        resizing: As `TensorInfo` has it, where `tfzoo export` made the file.
    """

    operations: tuple[str, ...]
    outputs: Mapping[int, str]
    pixels: Pixels | None = None
    labels: tuple[str, ...] = ()
    one_thread: bool = False
    resizing: Resizing | None = None


def read_lite_file(path: Path) -> LiteFile:
    """Reads what a file says of itself.

    Raises:
        ModelFormatError: It is damaged.
    """
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        with reading():
            model = root(memoryview(content))
            names = operations_of(model)
            graphs = model.tables(2)
            used = {_operation(one, names) for graph in graphs for one in graph.tables(3)}
            custom = tuple(sorted(name for name in used if not name.startswith("built-in ")))
            ends = [one for one in graphs[0].tables(3) if _operation(one, names) == POST_PROCESS]
            told = LiteFile(
                custom,
                _outputs(graphs[0], names) if ends else {},
                one_thread=any(map(_by_class, ends)),
                resizing=_resizing(model),
            )
            if (held := _metadata(model, _METADATA)) is None:
                return told
            metadata = next(iter(root(held).tables(3)), None)
            if metadata is None:
                return told
            return replace(told, pixels=_pixels(metadata), labels=_labels(metadata, path))
    except BrokenMessage as error:
        raise ModelFormatError(
            f"{path} can't be read as a TensorFlow Lite model: {error}. Copy or download it again"
        ) from None


def _operation(operator: Table, names: list[str]) -> str:
    index: int = operator.number(0, numbers.Uint32Flags)
    return names[index]


def _by_class(operator: Table) -> bool:
    """Whether a post-processing is told to suppress class by class."""
    from flatbuffers import flexbuffers

    options = flexbuffers.Loads(bytes(operator.content(5)))
    return bool(options.get("use_regular_nms", False))


def _outputs(graph: Table, names: list[str]) -> dict[int, str]:
    """The post-processing's outputs among the graph's; others may stand between the two."""
    made: dict[int, tuple[Table, int]] = {}
    for operator in graph.tables(3):
        for place, tensor in enumerate(operator.numbers(2, numbers.Int32Flags)):
            made[tensor] = operator, place
    found = {}
    for output in graph.numbers(2, numbers.Int32Flags):
        tensor = output
        for _ in range(len(made)):
            if tensor not in made:
                break
            operator, place = made[tensor]
            if _operation(operator, names) == POST_PROCESS:
                found[output] = OUTPUTS[place]
                break
            # A cast or a change of shape: what it changes comes first.
            tensor = next(iter(operator.numbers(1, numbers.Int32Flags)), -1)
    return found


def _metadata(model: Table, name: str) -> memoryview | None:
    """What a file holds under a name."""
    buffers = model.tables(4)
    for entry in model.tables(6):
        if entry.text(0) == name:
            index: int = entry.number(1, numbers.Uint32Flags)
            return buffers[index].content(0)
    return None


def _resizing(model: Table) -> Resizing | None:
    content = _metadata(model, RESIZING)
    if content is None or len(content) > _MOST_BYTES:
        return None
    try:
        told = records.parsed(bytes(content))
        least, (red, green, blue) = told["min_dimension"], map(float, told["padding"])
        if least is not None and not 0 < int(least) <= _MOST_PIXELS:
            return None
    except (ValueError, TypeError, KeyError):
        return None  # Somebody else's.
    return Resizing(least and int(least), bool(told.get("half_pixel")), (red, green, blue))


def _pixels(metadata: Table) -> Pixels | None:
    for tensor in metadata.tables(2)[:1]:
        for unit in tensor.tables(4):
            options = unit.table(1)
            if unit.number(0, numbers.Uint8Flags) == _NORMALISATION and options is not None:
                mean = tuple(options.numbers(0, numbers.Float32Flags))
                std = tuple(options.numbers(1, numbers.Float32Flags))
                if {len(mean), len(std)} <= {1, 3} and all(std):
                    return Pixels(mean, std)
    return None


def _labels(metadata: Table, path: Path) -> tuple[str, ...]:
    """Category names from the file that an output's metadata names, packed behind the model."""
    tensors = chain.from_iterable(metadata.tables(part) for part in (3, 2))
    listed = chain(metadata.tables(4), *(tensor.tables(6) for tensor in tensors))
    named = [file for file in listed if file.number(2, numbers.Int8Flags) in _LABELS]
    # Of several, that without a language of its own comes first.
    for file in sorted(named, key=lambda file: bool(file.text(3))):
        with suppress(OSError, KeyError, zipfile.BadZipFile), zipfile.ZipFile(path) as packed:
            name = file.text(0)
            if packed.getinfo(name).file_size <= _MOST_BYTES:
                return tuple(packed.read(name).decode("utf-8", "replace").split("\n"))
    return ()
