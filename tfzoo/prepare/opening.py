"""Opens a model with a runtime, by way of its prepared form where the runtime has one."""

from __future__ import annotations

from dataclasses import dataclass

from tfzoo.errors import RuntimeUnavailableError
from tfzoo.options import Precision
from tfzoo.prepare.cut import WHOLE, Cut
from tfzoo.prepare.export import find_export
from tfzoo.prepare.int8 import int8_form
from tfzoo.prepare.prepared import FORMS, prepare
from tfzoo.runtimes.runtime import Runtime, installed, open_runtime
from tfzoo.store.models import StoredModel


@dataclass(frozen=True)
class Opened:
    """An opened runtime.

    Attributes:
        cut: What is left to do outside of the graph.
        note: In a sentence, why the graph is cut or whole.
    """

    runtime: Runtime
    cut: Cut = WHOLE
    note: str = "as it was exported"


def open_model(
    model: StoredModel,
    runtime: str,
    device: str = "auto",
    throughput: bool = False,
    precision: Precision = "float32",
) -> Opened:
    """Opens a model.

    Args:
        model: From the store.
        runtime: One of `tfzoo.runtimes.NEEDS`.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        throughput: Prefer many images a second over the latency of one.
        precision: `int8` opens the form that `tfzoo.prepare.int8` made, with OpenVINO.

    Raises:
        UsageError, RuntimeUnavailableError, DeviceError, ModelFormatError: See `open_runtime`.
        StoreError: The prepared form can't be kept.
    """
    if precision == "int8":
        form = int8_form(model)
        opened = open_runtime("openvino", form.folder, device, throughput)
        return Opened(opened, form.cut, form.note)
    if model.path.is_dir() and installed(runtime) and runtime in FORMS:
        made = prepare(model, runtime)
        opened = open_runtime(runtime, made.folder, device, throughput)
        return Opened(opened, made.cut, made.note)
    if model.path.is_dir() and installed(runtime) and runtime == "onnx":
        exported = find_export(model)
        if exported is None:
            raise RuntimeUnavailableError(
                f"{model.id} has not been converted to ONNX yet; convert it once with: "
                f"tfzoo export '{model.id}' --format onnx"
            )
        opened = open_runtime(runtime, exported.folder / "model.onnx", device, throughput)
        return Opened(opened, exported.cut, exported.note)
    return Opened(open_runtime(runtime, model.path, device, throughput))
