"""ONNX Runtime opens `.onnx` files, says where it runs, and refuses what it can't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers import standins
from tfzoo.errors import DeviceError, ModelFormatError, TfzooError
from tfzoo.runtimes.runtime import open_runtime


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return standins.save_yolov5(tmp_path_factory.mktemp("onnx") / "model.onnx")


def test_it_says_what_runs_where(model: Path) -> None:
    import onnxruntime

    opened = open_runtime("onnx", model, "cpu")
    assert (opened.name, opened.version) == ("onnx", onnxruntime.__version__)
    assert opened.device == "cpu"


def test_outputs_come_under_their_own_names(model: Path) -> None:
    outputs = open_runtime("onnx", model, "cpu").run(np.zeros((1, 3, 640, 640), np.float32))
    assert {name: value.shape for name, value in outputs.items()} == {"output0": (1, 25200, 85)}


def test_auto_takes_what_is_there(model: Path) -> None:
    assert open_runtime("onnx", model, "auto").device in ("cpu", "gpu:0")


def test_gpu_that_is_not_there_is_refused(model: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(DeviceError, match=r"onnxruntime-gpu.*--device cpu"):
        open_runtime("onnx", model, "gpu")


def test_device_that_is_no_device_is_refused(model: Path) -> None:
    with pytest.raises(DeviceError, match="expected auto, cpu, gpu"):
        open_runtime("onnx", model, "tpu")


def test_folder_is_refused_with_the_way_to_run_it(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"is a folder.*tensorflow runtime"):
        open_runtime("onnx", tmp_path, "cpu")


def test_damaged_file_is_refused(model: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(model.read_bytes()[:-100])
    with pytest.raises(TfzooError, match="can't be opened as an ONNX model"):
        open_runtime("onnx", damaged, "cpu")
