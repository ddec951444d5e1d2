"""LiteRT (TensorFlow Lite): runs a `.tflite` file on the processor."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from queue import LifoQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.errors import DeviceError, ModelFormatError
from tfzoo.runtimes.lite_file import LiteFile, read_lite_file
from tfzoo.runtimes.runtime import (
    Levels,
    Signature,
    TensorInfo,
    check_batch,
    quiet_stderr,
    reason_of,
)
from tfzoo.safety.lite import FLEX

#: Each holds the network's weights once more, so that there are not more of them than this.
_MOST_INTERPRETERS = 8


class LiteRuntime:
    """A TensorFlow Lite model in interpreters of its own, each for one image at a time."""

    name = "litert"

    def __init__(self, path: Path, device: str, throughput: bool, delegates: bool = True) -> None:
        """Opens a model; see `open_model`."""
        if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", device):
            raise DeviceError(f"device '{device}': expected auto, cpu, gpu or gpu:N")
        if device.startswith("gpu"):
            raise DeviceError(
                f"device {device} was asked for, but LiteRT runs .tflite files on the processor "
                "here; run with --device cpu"
            )
        if path.is_dir():
            raise ModelFormatError(
                f"{path} is a folder; LiteRT opens a .tflite file. Run a SavedModel with the "
                "tensorflow runtime"
            )
        self.version = version("ai-edge-litert")
        self.device = "cpu"
        told = read_lite_file(path)
        _check_operations(path, told)
        cores = os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()
        cores = cores or 1
        count = min(cores, _MOST_INTERPRETERS) if throughput else 1
        threads = 1 if told.one_thread else max(1, cores // count)
        # One image is decoded while another's network runs.
        self.workers = count + 1
        self._idle: LifoQueue[_Interpreter] = LifoQueue()
        for _ in range(count):
            opened = _Interpreter(path, told, threads, delegates)
            self._idle.put(opened)
        self.signature = opened.signature

    def run(self, *inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """See `Runtime.run`. Outputs of 8-bit integers are returned as the numbers they mean."""
        check_batch(self.signature, inputs[0])
        interpreter = self._idle.get()
        try:
            return interpreter.run(inputs)
        finally:
            self._idle.put(interpreter)


class _Interpreter:
    """One interpreter: it holds the tensors of one image, so that no two threads may use it."""

    def __init__(self, path: Path, told: LiteFile, threads: int, delegates: bool) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kernels = OpResolverType.AUTO
        if not delegates:
            kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            with quiet_stderr():  # It tells of each delegate.
                self._opened = Interpreter(
                    model_path=str(path),
                    num_threads=threads,
                    experimental_op_resolver_type=kernels,
                )
                self._opened.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelFormatError(
                f"{path} can't be opened by LiteRT: {reason_of(error)}. If a download was damaged, "
                "remove it with: tfzoo cache remove"
            ) from None
        names = {**self._names(), **told.outputs}
        inputs = self._opened.get_input_details()
        outputs = self._opened.get_output_details()
        # In the order of their names, which is that of `tfzoo.detector.Prepared`.
        self._inputs = sorted(_infos(inputs, names), key=lambda pair: pair[0].name)
        self._outputs = _infos(outputs, names)
        self._shapes = {one["index"]: tuple(one["shape"]) for one in inputs}
        infos = [info for info, _ in self._inputs]
        if len(infos) == 1:
            infos = [replace(infos[0], pixels=told.pixels, resizing=told.resizing)]
        self.signature = Signature(
            tuple(infos),
            tuple(replace(info, levels=None) for info, _ in self._outputs),
            told.labels,
        )

    def _names(self) -> dict[int, str]:
        """Names by the numbers of tensors, as the file's signature has them where it has one."""
        signatures = list(self._opened.get_signature_list())
        if len(signatures) != 1:
            return {}
        runner = self._opened.get_signature_runner(signatures[0])
        named = runner.get_input_details() | runner.get_output_details()
        return {details["index"]: name for name, details in named.items()}

    def run(self, inputs: tuple[NDArray[Any], ...]) -> dict[str, NDArray[Any]]:
        """See `Runtime.run`."""
        for (_, index), value in zip(self._inputs, inputs, strict=True):
            if self._shapes[index] != value.shape:
                self._opened.resize_tensor_input(index, value.shape)
                self._opened.allocate_tensors()
                self._shapes[index] = value.shape
        for (_, index), value in zip(self._inputs, inputs, strict=True):
            self._opened.set_tensor(index, value)
        self._opened.invoke()
        return {
            info.name: _numbers(self._opened.get_tensor(index), info.levels)
            for info, index in self._outputs
        }


def open_model(path: Path, device: str, throughput: bool = False) -> LiteRuntime:
    """Opens a `.tflite` file; see `tfzoo.runtimes.open_runtime`."""
    return LiteRuntime(path, device, throughput)


def _check_operations(path: Path, told: LiteFile) -> None:
    """Refuses a file with operations that LiteRT does not bring along.

    Raises:
        ModelFormatError: Names them.
    """
    if flex := [name for name in told.operations if name.startswith(FLEX)]:
        raise ModelFormatError(
            f"{path} has operations of TensorFlow's own ({', '.join(flex[:5])}), which LiteRT has "
            "none of. Convert the model without SELECT_TF_OPS, as the Object Detection API's "
            "export_tflite_graph_tf2 prepares it; or give tfzoo the SavedModel"
        )
    if "edgetpu-custom-op" in told.operations:
        raise ModelFormatError(
            f"{path} is compiled for a Coral Edge TPU; give tfzoo the .tflite file that it was "
            "compiled from"
        )


def _infos(listed: list[dict[str, Any]], names: Mapping[int, str]) -> list[tuple[TensorInfo, int]]:
    """Inputs or outputs, and the numbers of their tensors; no two have one name."""
    infos = [(_info(one, names), int(one["index"])) for one in listed]
    found = [info.name for info, _ in infos]
    return [
        (info if found.count(info.name) == 1 else replace(info, name=f"{info.name}:{place}"), index)
        for place, (info, index) in enumerate(infos)
    ]


def _info(details: Mapping[str, Any], names: Mapping[int, str]) -> TensorInfo:
    # Free sizes are -1; a free batch runs as 1, which is what the shape says.
    free = details.get("shape_signature", details["shape"])
    shape = [None if size < 0 else int(size) for size in free]
    if shape and shape[0] is None:
        shape[0] = 1
    if not shape:  # An output whose size is known once memory is laid out.
        shape = [int(size) for size in details["shape"]]
    scale, zero = details["quantization"]
    return TensorInfo(
        names.get(details["index"], details["name"]),
        np.dtype(details["dtype"]).name,
        tuple(shape),
        Levels(float(scale), int(zero)) if scale else None,
    )


def _numbers(value: NDArray[Any], levels: Levels | None) -> NDArray[Any]:
    if levels is None:
        return value
    return (value.astype(np.float32) - levels.zero) * np.float32(levels.scale)
