"""A folder for the model repository of a Triton or OpenVINO server: a version, and its config.

The fields are those of Triton's model_config.proto (github.com/triton-inference-server/common); the
names of files are those that its backends look for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tfzoo.runtimes.runtime import Signature, TensorInfo, takes_batches

#: The file or folder of each format within a version, and the backend that opens it.
FILES = {
    "onnx": ("model.onnx", "onnxruntime"),
    "openvino": ("model.xml", "openvino"),
    "saved_model": ("model.savedmodel", "tensorflow"),
}
_DTYPES = {
    "float32": "TYPE_FP32",
    "float16": "TYPE_FP16",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "uint8": "TYPE_UINT8",
}
#: Images a call at most, where a model takes any number.
_MOST = 8


@dataclass(frozen=True)
class _Layout:
    """A repository's entry: its name, its backend and whether it takes batches."""

    name: str
    backend: str
    batches: bool


def lay_out(made: Path, name: str, form: str, signature: Signature | None) -> Path:
    """Moves an export into a folder as Triton wants it.

    Args:
        made: The file or folder that was exported.
        name: What the model is called, which is the folder's name.
        form: One of `FILES`.
        signature: What the export takes and returns.

    Returns:
        The folder, beside what was exported.
    """
    file, backend = FILES[form]
    assert signature is not None  # Of each of `FILES` there is one.
    folder = made.parent / "triton"
    (folder / "1").mkdir(parents=True)
    if form == "saved_model":
        (made / "1").rename(folder / "1" / file)
    elif made.is_dir():
        for path in made.iterdir():
            path.rename(folder / "1" / path.name)
    else:
        made.rename(folder / "1" / file)
    layout = _Layout(name, backend, takes_batches(signature))
    (folder / "config.pbtxt").write_text(config(layout, signature))
    return folder


def config(layout: _Layout, signature: Signature) -> str:
    """The `config.pbtxt` of a model."""
    lines = [f"name: {json.dumps(layout.name)}", f'backend: "{layout.backend}"']
    if layout.backend == "tensorflow":
        lines.append('platform: "tensorflow_savedmodel"')
    # Of a model of one image a call the first dimension is told like any other.
    lines.append(f"max_batch_size: {_MOST if layout.batches else 0}")
    lines += [_tensor("input", info, layout.batches) for info in signature.inputs]
    lines += [_tensor("output", info, layout.batches) for info in signature.outputs]
    return "\n".join(lines) + "\n"


def _tensor(field: str, info: TensorInfo, batches: bool) -> str:
    sizes = info.shape[1:] if batches else info.shape
    dims = ", ".join("-1" if size is None else str(size) for size in sizes)
    # A number for each image of a batch has no dimension of its own.
    shape = f"dims: [ {dims} ]" if dims else "dims: [ 1 ]\n  reshape { shape: [ ] }"
    return (
        f"{field} {{\n  name: {json.dumps(info.name)}\n  data_type: {_DTYPES[info.dtype]}\n"
        f"  {shape}\n}}"
    )
