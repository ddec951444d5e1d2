"""OpenVINO: runs a SavedModel without TensorFlow, whole or cut before its post-processing."""

from __future__ import annotations

import logging
import queue
import re
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.errors import DeviceError, ModelFormatError
from tfzoo.runtimes.runtime import Signature, TensorInfo, check_batch, reason_of

if TYPE_CHECKING:
    import openvino as ov


#: A compiled model, as `openvino_graph.write_prepared` leaves it in a prepared folder.
COMPILED = "model.blob"

_log = logging.getLogger("tfzoo.runtimes.openvino")


class _Compiled:
    """A compiled model with its requests.

    Attributes:
        failed: Whether it failed on an image. What a failure leaves behind in it may let it fail
            on others too, so that it is not used again.
    """

    def __init__(self, model: ov.CompiledModel, requests: int) -> None:
        self.model = model
        self.failed = False
        self._requests: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()
        for _ in range(requests):
            self._requests.put(model.create_infer_request())

    def infer(self, inputs: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
        request = self._requests.get()
        try:
            # What it returns is a copy: the request's own tensors are written anew by its next run.
            return list(request.infer(dict(enumerate(inputs)), share_inputs=True).values())
        except Exception:
            # Before another may take the request.
            self.failed = True
            raise
        finally:
            self._requests.put(request)


class OpenVINORuntime:
    """A model compiled by OpenVINO; `run` may be called from several threads.

    Attributes:
        workers: How many threads keep it busy.
    """

    name = "openvino"

    def __init__(self, path: Path, device: str, throughput: bool = False) -> None:
        import openvino as ov

        self._core = ov.Core()
        self._path = path
        self._target = choose_device(self._core, device)
        self._options = options(throughput)
        self.version: str = ov.__version__.split("-")[0]
        self.device = "cpu" if self._target == "CPU" else "gpu:0"
        model = self._compile()
        self.signature = Signature(
            tuple(_info(port) for port in model.inputs),
            tuple(_info(port) for port in model.outputs),
        )
        # Twice as many as run at once: a free stream takes the next without waiting for Python.
        self.workers = 2 * int(model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._compiled = _Compiled(model, self.workers)
        self._renewing = Lock()

    def _compile(self) -> ov.CompiledModel:
        compiled = self._path / COMPILED
        if compiled.is_file():
            return self._core.import_model(compiled.read_bytes(), self._target, self._options)
        model = read_model(self._core, self._path)
        return self._core.compile_model(model, self._target, self._options)

    def run(self, *inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """See `Runtime.run`."""
        check_batch(self.signature, inputs[0])
        found = self._infer(inputs)
        names = (info.name for info in self.signature.outputs)
        return dict(zip(names, found, strict=True))

    def _infer(self, inputs: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
        compiled = self._compiled
        if not compiled.failed:
            try:
                found = compiled.infer(inputs)
                # Unless another image failed meanwhile: then nothing of it is trusted.
                if not compiled.failed:
                    return found
            except Exception:
                _log.debug("an image failed; it is tried on a new compiled model", exc_info=True)
        with self._renewing:
            # One that no other image has had: a failure is this image's own.
            alone = _Compiled(self._compile(), self.workers)
            found = alone.infer(inputs)
            if self._compiled.failed:
                self._compiled = alone
            return found


def open_model(path: Path, device: str, throughput: bool = False) -> OpenVINORuntime:
    """Opens a SavedModel folder, a prepared folder or an `.xml` or `.onnx` file."""
    return OpenVINORuntime(path, device, throughput)


def options(throughput: bool) -> dict[str, str]:
    """How models are compiled and run."""
    return {
        "PERFORMANCE_HINT": "THROUGHPUT" if throughput else "LATENCY",
        # Where the processor has bfloat16, OpenVINO would use it unasked and change the scores.
        "INFERENCE_PRECISION_HINT": "f32",
        # A thread bound to a core waits for whatever else runs there; on a busy machine that
        # costs up to half the speed.
        "ENABLE_CPU_PINNING": "NO",
    }


def save_compiled(core: ov.Core, model: ov.Model, folder: Path) -> None:
    """Writes a graph into a folder: its IR, weights in full, and compiled for this processor."""
    import openvino as ov

    path = str(folder / "model.xml")
    ov.save_model(model, path, compress_to_fp16=False)
    compiled = core.compile_model(core.read_model(path), "CPU", options(throughput=False))
    blob = compiled.export_model()
    (folder / COMPILED).write_bytes(blob if isinstance(blob, bytes) else blob.getvalue())


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
        raise ModelFormatError(
            f"{path} can't be opened by OpenVINO: {reason_of(error)}. Expected a SavedModel "
            "folder; try --runtime tensorflow"
        ) from None


def _info(port: Any) -> TensorInfo:
    names = sorted(port.get_names())
    shape = port.get_partial_shape()
    sizes = () if shape.rank.is_dynamic else tuple(shape)
    return TensorInfo(
        names[0] if names else "",
        np.dtype(port.get_element_type().to_dtype()).name,
        tuple(None if size.is_dynamic else size.get_length() for size in sizes),
    )
