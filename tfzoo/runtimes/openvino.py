"""OpenVINO: runs a SavedModel without TensorFlow, whole or cut before its post-processing."""

from __future__ import annotations

import queue
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.errors import DeviceError, ModelFormatError, UsageError
from tfzoo.postprocess import PostProcessing
from tfzoo.runtimes import Signature, TensorInfo

if TYPE_CHECKING:
    import openvino as ov

#: A compiled model, as `write_compiled` leaves it in a prepared folder.
COMPILED = "model.blob"

_BOXES, _SCORES = "raw_detection_boxes", "raw_detection_scores"

# Operations that only rearrange their first input.
_REARRANGE = {
    "Gather",
    "Reshape",
    "Result",
    "Slice",
    "Split",
    "Squeeze",
    "StridedSlice",
    "Transpose",
    "Unsqueeze",
    "VariadicSplit",
}


class OpenVINORuntime:
    """A model compiled by OpenVINO; `run` may be called from several threads.

    Attributes:
        workers: How many threads keep it busy.
    """

    name = "openvino"

    def __init__(self, path: Path, device: str, throughput: bool = False) -> None:
        import openvino as ov

        core = ov.Core()
        target = choose_device(core, device)
        self.version: str = ov.__version__.split("-")[0]
        self.device = "cpu" if target == "CPU" else "gpu:0"
        options = _options(throughput)
        compiled = path / COMPILED
        if compiled.is_file():
            self._model = core.import_model(compiled.read_bytes(), target, options)
        else:
            self._model = core.compile_model(read_model(core, path), target, options)
        self.signature = Signature(
            tuple(_info(port) for port in self._model.inputs),
            tuple(_info(port) for port in self._model.outputs),
        )
        requests = int(self._model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        # One more than run at once: while they run, another thread decodes.
        self.workers = requests + 1
        self._requests: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()
        for _ in range(requests):
            self._requests.put(self._model.create_infer_request())

    def run(self, image: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """See `Runtime.run`."""
        # A second image would be dropped without a word: the exports loop over the first only.
        if image.shape[0] != 1:
            raise UsageError(
                f"the model takes a batch of 1, got {image.shape[0]}; run one image after another"
            )
        request = self._requests.get()
        try:
            request.infer({0: image}, share_inputs=True)
            return {
                info.name: request.get_output_tensor(i).data.copy()
                for i, info in enumerate(self.signature.outputs)
            }
        finally:
            self._requests.put(request)


def open_model(path: Path, device: str, throughput: bool = False) -> OpenVINORuntime:
    """Opens a SavedModel folder, a prepared folder or an `.xml` or `.onnx` file."""
    return OpenVINORuntime(path, device, throughput)


def _options(throughput: bool) -> dict[str, str]:
    return {
        "PERFORMANCE_HINT": "THROUGHPUT" if throughput else "LATENCY",
        # Where the processor has bfloat16, OpenVINO would use it unasked and change the scores.
        "INFERENCE_PRECISION_HINT": "f32",
    }


def choose_device(core: ov.Core, device: str) -> str:
    """OpenVINO's name for what was asked; `auto` is the processor.

    Raises:
        DeviceError: A GPU was asked for that OpenVINO does not see.
    """
    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", device):
        raise DeviceError(f"device '{device}': expected auto, cpu, gpu or gpu:N")
    if device in ("auto", "cpu"):
        return "CPU"
    target = "GPU" + device[3:].replace(":", ".")
    if target not in core.available_devices and target not in ("GPU", "GPU.0"):
        raise _no_gpu(core, device)
    if not any(name.startswith("GPU") for name in core.available_devices):
        raise _no_gpu(core, device)
    return target


def _no_gpu(core: ov.Core, device: str) -> DeviceError:
    return DeviceError(
        f"device {device} was asked for, but OpenVINO, which knows Intel's GPUs, sees "
        f"{', '.join(core.available_devices)}; run with --device cpu, or with "
        "--runtime tensorflow or onnx on a GPU of NVIDIA's"
    )


def read_model(core: ov.Core, path: Path) -> ov.Model:
    """Reads a SavedModel folder, or an `.xml` or `.onnx` file.

    Raises:
        ModelFormatError: OpenVINO can't read it.
    """
    try:
        return core.read_model(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ModelFormatError(
            f"{path} can't be opened by OpenVINO: {reason}. Expected a SavedModel folder; try "
            "--runtime tensorflow"
        ) from None


def write_compiled(
    source: Path, folder: Path, parameters: PostProcessing | None
) -> tuple[bool, str]:
    """Converts a model, cut where that is possible, and compiles it for this processor.

    Writes `model.xml` and `model.bin` (OpenVINO's IR, the weights kept in single precision) and
    `model.blob` (compiled).

    Args:
        source: The SavedModel folder.
        folder: An empty folder.
        parameters: The model's post-processing, where it is known.

    Returns:
        Whether the model is cut, and in a sentence why or why not.

    Raises:
        ModelFormatError: OpenVINO can't read it.
    """
    import openvino as ov

    core = ov.Core()
    model = read_model(core, source)
    reason = why_whole(model, parameters)
    if not reason:
        raw = [port for port in model.outputs if port.get_names() & {_BOXES, _SCORES}]
        model = ov.Model(raw, model.get_parameters(), "cut")
    ov.save_model(model, str(folder / "model.xml"), compress_to_fp16=False)
    compiled = core.compile_model(
        core.read_model(str(folder / "model.xml")), "CPU", _options(False)
    )
    blob = compiled.export_model()
    (folder / COMPILED).write_bytes(blob if isinstance(blob, bytes) else blob.getvalue())
    return not reason, reason or f"cut at {_BOXES} and {_SCORES}"


def why_whole(model: ov.Model, parameters: PostProcessing | None) -> str:
    """Why a graph can't be cut before its NMS; empty where it can.

    A graph is cut only where its NMS nodes, one a class, are seen to work on just what it returns
    as `raw_detection_boxes` and `raw_detection_scores`, with the limits that the parameters say.
    Two-stage models fail here: their NMS works on boxes of each class, which they do not return.
    """
    outputs = {name: port for port in model.outputs for name in port.get_names()}
    if not {_BOXES, _SCORES} <= set(outputs):
        return f"it has no {_BOXES}"
    if parameters is None:
        return "the parameters of its post-processing are not known"
    boxes, scores = _root(outputs[_BOXES]), _root(outputs[_SCORES])
    shapes = [outputs[name].get_partial_shape() for name in (_BOXES, _SCORES)]
    if any(shape.is_dynamic or len(shape) != 3 or shape[0] != 1 for shape in shapes):
        return f"its {_BOXES} have no fixed shape"
    nodes = [op for op in model.get_ops() if op.get_type_name() == "NonMaxSuppression"]
    background = shapes[1].to_shape()[2] - parameters.num_classes
    if background not in (0, 1) or len(nodes) != parameters.num_classes:
        return f"it has {len(nodes)} NMS nodes for {parameters.num_classes} classes"
    for output, root in ((outputs[_BOXES], boxes), (outputs[_SCORES], scores)):
        shape = root.get_partial_shape()
        if shape.is_dynamic or np.prod(shape.to_shape()) != np.prod(output.shape):
            return "its raw outputs are a choice out of more"
    for node in nodes:
        found = [_identity(_root(node.input_value(i))) for i in (0, 1)]
        if found != [_identity(boxes), _identity(scores)]:
            return "its NMS works on other tensors than its raw outputs"
        limits = [_constant(node.input_value(i)) for i in (3, 4)]
        if limits != [
            np.float32(parameters.iou_threshold),
            np.float32(parameters.score_threshold),
        ]:
            return "its NMS has other limits than its pipeline.config"
    return ""


def _root(port: ov.Output) -> ov.Output:
    """Where a tensor comes from, past operations that only rearrange it."""
    while True:
        node = port.get_node()
        kind = node.get_type_name()
        if kind not in _REARRANGE:
            return port
        # A choice that depends on the image is more than a rearrangement.
        if kind == "Gather" and _constant(node.input_value(1)) is None:
            return port
        port = node.input_value(0)


def _identity(port: ov.Output) -> tuple[str, int]:
    # `get_name` is unique within a graph, and two handles of one output do not compare equal.
    return port.get_node().get_name(), port.get_index()


def _constant(port: ov.Output) -> Any:
    """The only value of a constant (of an array of one), else an array; None if not constant."""
    node = port.get_node()
    while node.get_type_name() in ("Squeeze", "Unsqueeze", "Reshape", "Convert"):
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    data = node.get_data()
    return data.ravel()[0] if data.size == 1 else data


def _info(port: Any) -> TensorInfo:
    names = sorted(port.get_names())
    shape = port.get_partial_shape()
    sizes = () if shape.rank.is_dynamic else tuple(shape)
    return TensorInfo(
        names[0] if names else "",
        np.dtype(port.get_element_type().to_dtype()).name,
        tuple(None if size.is_dynamic else size.get_length() for size in sizes),
    )
