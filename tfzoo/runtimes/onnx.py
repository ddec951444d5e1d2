"""ONNX Runtime: runs an `.onnx` file, YOLOv5's or an export converted by tf2onnx."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tfzoo.errors import DeviceError, ModelFormatError
from tfzoo.runtimes.runtime import Signature, TensorInfo, check_batch, reason_of

# ONNX's names of the element types that images and detections come in.
_DTYPES = {
    "tensor(bool)": "bool",
    "tensor(double)": "float64",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
}


class OnnxRuntime:
    """An ONNX model in a session of its own."""

    name = "onnx"
    # One decodes while the other's network runs on all cores.
    workers = 2

    def __init__(self, path: Path, device: str) -> None:
        import onnxruntime as ort

        if path.is_dir():
            raise ModelFormatError(
                f"{path} is a folder; ONNX Runtime opens an .onnx file. Convert a SavedModel with "
                "tf2onnx, or run it with the tensorflow runtime"
            )
        self.version: str = ort.__version__
        self.device = _choose_device(device, ort.get_available_providers())
        ort.set_default_logger_severity(3)  # Errors only: warnings drown our own output.
        options = ort.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(
                str(path), sess_options=options, providers=_providers(self.device)
            )
        except Exception as error:  # Its exceptions share no base class of their own.
            raise ModelFormatError(
                f"{path} can't be opened as an ONNX model: {reason_of(error)}. If a "
                "download was damaged, remove it with: tfzoo cache remove"
            ) from None
        used = self._session.get_providers()
        if self.device != "cpu" and "CUDAExecutionProvider" not in used:
            # The session falls back to the CPU by itself; say what really runs.
            if device != "auto":
                raise DeviceError(
                    f"device {device} was asked for, but ONNX Runtime could not start CUDA. See "
                    "what is missing with: tfzoo doctor; or run with --device cpu"
                )
            self.device = "cpu"
        self.signature = Signature(
            # In the order of their names, which is that of `tfzoo.detector.Prepared`.
            tuple(sorted(map(_info, self._session.get_inputs()), key=lambda info: info.name)),
            tuple(_info(value) for value in self._session.get_outputs()),
        )

    def run(self, *inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """See `Runtime.run`."""
        check_batch(self.signature, inputs[0])
        names = [info.name for info in self.signature.outputs]
        given = {
            info.name: value for info, value in zip(self.signature.inputs, inputs, strict=True)
        }
        return dict(zip(names, self._session.run(names, given), strict=True))


def open_model(path: Path, device: str, throughput: bool = False) -> OnnxRuntime:
    """Opens an `.onnx` file; see `tfzoo.runtimes.open_runtime`."""
    return OnnxRuntime(path, device)


def _choose_device(device: str, available: list[str]) -> str:
    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", device):
        raise DeviceError(f"device '{device}': expected auto, cpu, gpu or gpu:N")
    cuda = "CUDAExecutionProvider" in available
    if device == "cpu" or (device == "auto" and not cuda):
        return "cpu"
    if not cuda:
        raise DeviceError(
            f"device {device} was asked for, but this ONNX Runtime is built without CUDA (it has "
            f"{', '.join(available)}). Install onnxruntime-gpu in place of onnxruntime, or run "
            "with --device cpu"
        )
    return f"gpu:{int(device[4:] or 0)}" if device != "auto" else "gpu:0"


def _providers(device: str) -> list[Any]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    return [("CUDAExecutionProvider", {"device_id": int(device[4:])}), "CPUExecutionProvider"]


def _info(value: Any) -> TensorInfo:
    # Free sizes are strings (their names) or None.
    shape = tuple(size if isinstance(size, int) else None for size in value.shape or ())
    return TensorInfo(value.name, _DTYPES.get(value.type, value.type), shape)
