"""The stand-ins are what they stand in for: names, dtypes and shapes of the genuine models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers import standins
from tests.helpers.paths import DATA
from tfzoo.runtimes.runtime import TensorInfo, open_runtime

GENUINE = yaml.safe_load((DATA / "signatures.yaml").read_text())


def _as_table(tensors: tuple[TensorInfo, ...]) -> dict[str, Any]:
    return {
        info.name: [info.dtype, ["?" if size is None else size for size in info.shape]]
        for info in tensors
    }


def test_every_kind_of_stand_in_is_in_the_table() -> None:
    assert set(GENUINE) == set(standins.KINDS)


@pytest.mark.parametrize("kind", standins.KINDS)
def test_signature_is_the_genuine_one(kind: str, tmp_path: Path) -> None:
    runtime = "onnx" if kind == "yolov5" else "tensorflow"
    opened = open_runtime(runtime, standins.save(kind, tmp_path / f"model.{runtime}"), "cpu")
    assert _as_table(opened.signature.inputs) == GENUINE[kind]["inputs"]
    assert _as_table(opened.signature.outputs) == GENUINE[kind]["outputs"]


def test_mask_rcnn_returns_21_outputs() -> None:
    assert len(GENUINE["mask_rcnn"]["outputs"]) == 21
