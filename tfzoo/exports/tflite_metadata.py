"""What a TFLite file says of itself: its labels, pixels and outputs, for MediaPipe and others.

The schema is TFLite Support's metadata_schema.fbs; the few tables needed are written by hand with
the `flatbuffers` library, each by the numbers of its fields. The labels hang on the file's end as a
ZIP archive, without harm to those who read the model alone.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tfzoo.runtimes.lite_file import RESIZING
from tfzoo.runtimes.runtime import Resizing

_FILE_ID, _NAME = b"M001", "TFLITE_METADATA"
LABELS = "labelmap.txt"
#: What stands for an id that no category has.
_NO_LABEL = "???"

# Of the schema's enumerations and unions.
_VALUE_LABELS, _RGB, _BOUNDARIES = 3, 1, 1
_FEATURE, _IMAGE, _BOXES = 1, 2, 3
_NORMALISATION = 1


@dataclass(frozen=True)
class _Table:
    """A table: its fields by number, each a text, a number with its type, or what is in it."""

    fields: Mapping[int, Any]


@dataclass(frozen=True)
class _Number:
    """A number of a table: `uint8` or `int32`."""

    value: int
    dtype: str


def with_metadata(
    model: bytes,
    name: str,
    labels: Mapping[int, str],
    detections: bool,
    keypoints: bool = False,
    resizing: Resizing | None = None,
) -> bytes:
    """A TFLite file with what is known of it.

    Args:
        model: As it was converted.
        name: The model's.
        labels: Category names by id, from 1.
        detections: Whether it gives boxes, classes, scores and their number, in this order; else
            raw boxes and scores.
        keypoints: Whether it gives keypoints and their scores after that.
        resizing: How an image comes into its input.
    """
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    tables = schema.ModelT.InitFromPackedBuf(model)
    _in_order(tables)
    outputs = [_LOCATION, _category(), _SCORE, _COUNT] if detections else [_RAW_BOXES, _RAW_SCORES]
    outputs += [_KEYPOINTS, _KEYPOINT_SCORES] if keypoints else []
    builder = flatbuffers.Builder()
    root = _write(builder, _model(name, outputs, detections))
    builder.Finish(root, _FILE_ID)
    told = {_NAME: bytes(builder.Output())}
    if resizing is not None:
        told[RESIZING] = json.dumps(asdict(resizing)).encode()
    for key, content in told.items():
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        tables.buffers.append(buffer)
        entry = schema.MetadataT()
        entry.name, entry.buffer = key, len(tables.buffers) - 1
        tables.metadata = [*(tables.metadata or []), entry]
    written = flatbuffers.Builder()
    written.Finish(tables.Pack(written), b"TFL3")
    return _with_file(bytes(written.Output()), LABELS, label_lines(labels))


def _in_order(tables: Any) -> None:
    """Puts outputs in the order of their names, in which the converter does not leave them."""
    (graph,), (signature,) = tables.subgraphs, tables.signatureDefs
    graph.outputs = [one.tensorIndex for one in sorted(signature.outputs, key=lambda one: one.name)]
    for one in [*signature.inputs, *signature.outputs]:
        graph.tensors[one.tensorIndex].name = one.name


def label_lines(labels: Mapping[int, str]) -> str:
    """A line for each class from 0, which is id 1."""
    names = (labels.get(i, _NO_LABEL) for i in range(1, max(labels, default=0) + 1))
    return "".join(" ".join(name.split()) + "\n" for name in names)


def _with_file(model: bytes, name: str, text: str) -> bytes:
    whole = io.BytesIO(model)
    whole.seek(0, io.SEEK_END)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        # Always the same bytes of the same model.
        archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return whole.getvalue()


def _model(name: str, outputs: Sequence[_Table], detections: bool) -> _Table:
    groups = [_Table({0: "detection_result", 1: ["location", "category", "score"]})]
    graph = {2: [_image()], 3: outputs} | ({8: groups} if detections else {})
    return _Table({0: name, 1: "Finds objects in an image.", 3: [_Table(graph)], 6: "1.2.0"})


def _image() -> _Table:
    """Its input: RGB pixels of 0 to 255 as they are, which is a mean of 0 and a deviation of 1."""
    content = _Table({0: _Number(_IMAGE, "uint8"), 1: _Table({0: _Number(_RGB, "uint8")})})
    options = _Table({0: np.array([0], np.float32), 1: np.array([1], np.float32)})
    unit = _Table({0: _Number(_NORMALISATION, "uint8"), 1: options})
    stats = _Table({0: np.array([255], np.float32), 1: np.array([0], np.float32)})
    about = "RGB pixels of 0 to 255, resized to the input; normalised inside."
    return _Table({0: "image", 1: about, 3: content, 4: [unit], 5: stats})


def _boxes(name: str, about: str) -> _Table:
    # Left, top, right and bottom stand at 1, 0, 3 and 2.
    box = _Table({0: np.array([1, 0, 3, 2], np.uint32), 1: _Number(_BOUNDARIES, "uint8")})
    span = _Table({0: _Number(2, "int32"), 1: _Number(2, "int32")})
    return _Table({0: name, 1: about, 3: _Table({0: _Number(_BOXES, "uint8"), 1: box, 2: span})})


def _feature(name: str, about: str, *files: _Table) -> _Table:
    content = _Table({0: _Number(_FEATURE, "uint8"), 1: _Table({})})
    return _Table({0: name, 1: about, 3: content} | ({6: list(files)} if files else {}))


def _category() -> _Table:
    file = _Table({0: LABELS, 1: "A name a class, from 0.", 2: _Number(_VALUE_LABELS, "uint8")})
    return _feature("category", "The class of each box, from 0.", file)


_LOCATION = _boxes("location", "y0, x0, y1, x1 of each box in parts of the input.")
_SCORE = _feature("score", "The score of each box, 0 to 1, best first.")
_COUNT = _feature("number of detections", "How many boxes there are.")
_KEYPOINTS = _feature("keypoints", "y, x of each keypoint of each box in parts of the input.")
_KEYPOINT_SCORES = _feature("keypoint scores", "The score of each keypoint, 0 to 1.")
_RAW_BOXES = _boxes("raw_detection_boxes", "y0, x0, y1, x1 of each anchor's box.")
_RAW_SCORES = _feature("raw_detection_scores", "A score for each anchor and class.")


def _write(builder: Any, value: Any) -> int:
    """Writes what a field refers to; gives where it is."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, Sequence):
        places = [_write(builder, one) for one in value]
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        return int(builder.EndVector())
    inside = {
        slot: field if isinstance(field, _Number) else _write(builder, field)
        for slot, field in value.fields.items()
    }
    builder.StartObject(max(inside, default=-1) + 1)
    for slot, field in inside.items():
        if not isinstance(field, _Number):
            builder.PrependUOffsetTRelativeSlot(slot, field, 0)
        elif field.dtype == "uint8":
            builder.PrependUint8Slot(slot, field.value, 0)
        else:
            builder.PrependInt32Slot(slot, field.value, 0)
    return int(builder.EndObject())
