"""Frozen graphs of TensorFlow 1's Object Detection API, as SavedModels.

Its exporter (tensorflow/models, research/object_detection/exporter.py) wrote
`frozen_inference_graph.pb`: a graph whose weights are constants, its input and outputs known by the
names of their nodes.
A SavedModel is the same graph with a signature beside it, so the bytes of the one are copied into
the other, without TensorFlow: no more of them is read than the nodes' heads.

Field numbers: tensorflow/core/protobuf/{saved_model,meta_graph}.proto and
tensorflow/core/framework/{graph,node_def,attr_value}.proto of TensorFlow 2.20.
"""

from __future__ import annotations

import mmap
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tfzoo.errors import ModelFormatError
from tfzoo.messages import BrokenMessage, beginning, fields, last, messages, written

#: What TensorFlow 1's exporter calls the file.
FROZEN_GRAPH = "frozen_inference_graph.pb"

#: What it calls the input, by `--input_type`.
_INPUTS = ("image_tensor", "encoded_image_string_tensor", "tf_example")
_OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
_MORE = (
    "detection_masks", "detection_keypoints", "detection_keypoint_scores",
    "detection_multiclass_scores", "raw_detection_boxes", "raw_detection_scores",
)  # fmt: skip
_VARIABLES = {"Variable", "VariableV2", "VarHandleOp"}
_FLOAT = 1
_EXPORT = (
    "Expected what export_inference_graph.py of TensorFlow 1's Object Detection API writes; give "
    "tfzoo that file, or an export of TensorFlow 2's exporter_main_v2"
)


@dataclass
class _Nodes:
    """What is known of a graph's nodes.

    Attributes:
        operations: What each node does, by its name.
        placeholders: The dtype's number and the shape of what is fed, by name.
    """

    operations: dict[str, str] = field(default_factory=dict)
    placeholders: dict[str, tuple[int, bytes]] = field(default_factory=dict)


def write_saved_model(graph: Path, folder: Path) -> None:
    """Writes a frozen graph as a SavedModel with the signature of TensorFlow 1's exporter.

    Args:
        graph: The `.pb` file.
        folder: Is created.

    Raises:
        ModelFormatError: It is no frozen detector of the Object Detection API's; says why.
    """
    try:
        with graph.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            signature = _signature(_nodes(memoryview(content)))
    except (BrokenMessage, ModelFormatError) as error:
        raise ModelFormatError(f"{graph} is no frozen graph of a detector: {error}") from None
    size = graph.stat().st_size
    about = written((1, written((4, b"serve"))))
    named = written((5, written((1, b"serving_default"), (2, signature))))
    before = about + beginning(2, size)
    folder.mkdir(parents=True)
    with (folder / "saved_model.pb").open("wb") as file, graph.open("rb") as content_again:
        file.write(written((1, 1)) + beginning(2, len(before) + size + len(named)) + before)
        shutil.copyfileobj(content_again, file)
        file.write(named)


def _nodes(graph: memoryview) -> _Nodes:
    found = _Nodes()
    for node in messages(graph, 1):
        name, operation = last(node, 1), last(node, 2)
        found.operations[name] = operation
        if operation in ("Placeholder", "PlaceholderV2"):
            found.placeholders[name] = _dtype_and_shape(node)
    return found


def _dtype_and_shape(node: memoryview) -> tuple[int, bytes]:
    dtype, shape = 0, written((3, 1))  # Of no known rank.
    for attribute in messages(node, 5):
        for value in messages(attribute, 2):
            for number, content in fields(value):
                if last(attribute, 1) == "dtype" and number == 6 and isinstance(content, int):
                    dtype = content
                if last(attribute, 1) == "shape" and number == 7 and not isinstance(content, int):
                    shape = bytes(content)
    return dtype, shape


def _signature(nodes: _Nodes) -> bytes:
    """The signature of TensorFlow 1's exporter: `inputs`, and the outputs by their nodes' names.

    Raises:
        ModelFormatError: The nodes that it needs are not there; goes on from the file's name.
    """
    if any(operation.startswith("TFLite_") for operation in nodes.operations.values()):
        raise ModelFormatError(
            "it was made to be converted to TensorFlow Lite, and TensorFlow itself can't run it "
            "(export_tflite_ssd_graph.py). Export the model with export_inference_graph.py"
        )
    if _VARIABLES & set(nodes.operations.values()):
        raise ModelFormatError(
            f"its weights lie elsewhere, since it holds variables: it was not frozen. {_EXPORT}"
        )
    entry = next((name for name in _INPUTS if name in nodes.placeholders), None)
    missing = [name for name in _OUTPUTS if name not in nodes.operations]
    if entry is None or missing:
        fed = ", ".join(sorted(nodes.placeholders)[:5]) or "nothing"
        raise ModelFormatError(
            f"it has no {', '.join(missing) or ' or '.join(_INPUTS)} (it is fed {fed}, and has "
            f"{len(nodes.operations)} nodes). {_EXPORT}"
        )
    dtype, shape = nodes.placeholders[entry]
    takes = (1, _named(b"inputs", entry, dtype, shape))
    given = [name for name in (*_OUTPUTS, *_MORE) if name in nodes.operations]
    gives = [(2, _named(name.encode(), name, _FLOAT, written((3, 1)))) for name in given]
    return written(takes, *gives, (3, b"tensorflow/serving/predict"))


def _named(key: bytes, node: str, dtype: int, shape: bytes) -> bytes:
    tensor = written((1, f"{node}:0".encode()), (2, dtype), (3, shape))
    return written((1, key), (2, tensor))
