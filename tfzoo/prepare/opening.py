"""Opens a model with a runtime, by way of its prepared form where the runtime has one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfzoo.errors import RuntimeUnavailableError
from tfzoo.options import Precision
from tfzoo.prepare.cut import WHOLE, Cut
from tfzoo.prepare.export import find_export
from tfzoo.prepare.int8 import int8_form
from tfzoo.prepare.prepared import FORMS, prepare
from tfzoo.runtimes.runtime import Runtime, installed, open_runtime
from tfzoo.safety.guard import refuse_dangerous
from tfzoo.store.models import StoredModel


@dataclass(frozen=True)
class Opened:
    """An opened runtime.

    Attributes:
        cut: What is left to do outside of the graph.
        note: In a sentence, why the graph is cut or whole.
    """

    runtime: Runtime
    cut: Cut
    note: str


@dataclass(frozen=True)
class Files:
    """What a runtime opens of a model.

    Attributes:
        path: A folder, or an `.onnx` file; never write into it.
        cut: What is left to do outside of the graph.
        note: In a sentence, why the graph is cut or whole.
    """

    path: Path
    cut: Cut = WHOLE
    note: str = "as it was exported"

    @property
    def size_mb(self) -> float:
        """What they take on disk, in MB (10^6 bytes)."""
        files = self.path.rglob("*") if self.path.is_dir() else [self.path]
        return float(f"{sum(file.stat().st_size for file in files if file.is_file()) / 1e6:.3g}")


def files_of(model: StoredModel, runtime: str, precision: Precision = "float32") -> Files:
    """What a runtime opens of a model: its form, made where there is none yet, or the model itself.

    Args:
        model: From the store.
        runtime: One of `tfzoo.runtimes.NEEDS`.
        precision: `int8` is the form that `tfzoo.prepare.int8` made, for OpenVINO.

    Raises:
        RuntimeUnavailableError: There is no such form, and it is not made unasked.
        ModelFormatError: The runtime can't read the model.
        UntrustedModelError: Nothing vouches for it, and it may do more than to compute.
        StoreError: The prepared form can't be kept.
    """
    refuse_dangerous(model)
    if precision == "int8":
        form = int8_form(model)
        return Files(form.folder, form.cut, form.note)
    if model.path.is_dir() and installed(runtime) and runtime in FORMS:
        made = prepare(model, runtime)
        return Files(made.folder, made.cut, made.note)
    if model.path.is_dir() and installed(runtime) and runtime == "onnx":
        exported = find_export(model)
        if exported is None:
            raise RuntimeUnavailableError(
                f"{model.id} has not been converted to ONNX yet; convert it once with: "
                f"tfzoo export '{model.id}' --format onnx"
            )
        return Files(exported.folder / "model.onnx", exported.cut, exported.note)
    return Files(model.path)


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
        StoreError: See `files_of`.
    """
    files = files_of(model, runtime, precision)
    name = "openvino" if precision == "int8" else runtime
    opened = open_runtime(name, files.path, device, throughput)
    return Opened(opened, files.cut, files.note)
