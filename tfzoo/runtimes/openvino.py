"""OpenVINO: runs a SavedModel without TensorFlow, whole or cut before its post-processing."""

from __future__ import annotations

import queue
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.cut import Cut
from tfzoo.errors import DeviceError, ModelFormatError, UsageError
from tfzoo.runtimes import Signature, TensorInfo

if TYPE_CHECKING:
    import openvino as ov

    from tfzoo.pipeline_config import PipelineConfig

#: A compiled model, as `write_compiled` leaves it in a prepared folder.
COMPILED = "model.blob"


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
        # A thread bound to a core waits for whatever else runs there; on a busy machine that
        # costs up to half the speed.
        "ENABLE_CPU_PINNING": "NO",
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


def write_compiled(source: Path, folder: Path, config: PipelineConfig) -> tuple[Cut, str]:
    """Converts a model, cut where that is possible, and compiles it for this processor.

    Writes `model.xml` and `model.bin` (OpenVINO's IR, the weights kept in single precision) and
    `model.blob` (compiled).

    Args:
        source: The SavedModel folder.
        folder: An empty folder.
        config: The model's parameters, where they are known.

    Returns:
        What is left to do outside, and in a sentence why.

    Raises:
        ModelFormatError: OpenVINO can't read it.
    """
    import openvino as ov

    from tfzoo.runtimes.openvino_graph import cut_before_nms, split_at_network, split_large_topk

    core = ov.Core()
    model = read_model(core, source)
    raw, note = cut_before_nms(model, config.postprocessing)
    cut = Cut()
    if raw is not None:
        model, before, resized = split_at_network(raw, config.resizer)
        cut = Cut(before, config.postprocessing)
        note += f"; {resized}"
    elif split := split_large_topk(model):
        note += f"; {split} large TopK done in two steps"
    ov.save_model(model, str(folder / "model.xml"), compress_to_fp16=False)
    compiled = core.compile_model(
        core.read_model(str(folder / "model.xml")), "CPU", _options(False)
    )
    blob = compiled.export_model()
    (folder / COMPILED).write_bytes(blob if isinstance(blob, bytes) else blob.getvalue())
    return cut, note


def _info(port: Any) -> TensorInfo:
    names = sorted(port.get_names())
    shape = port.get_partial_shape()
    sizes = () if shape.rank.is_dynamic else tuple(shape)
    return TensorInfo(
        names[0] if names else "",
        np.dtype(port.get_element_type().to_dtype()).name,
        tuple(None if size.is_dynamic else size.get_length() for size in sizes),
    )
