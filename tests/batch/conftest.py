"""Models, detectors and a small disk for runs over folders."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import tfzoo
from tests.helpers import standins
from tests.helpers.folders import Watched
from tfzoo.detections.labels import COCO
from tfzoo.detector import Detector
from tfzoo.runtimes.runtime import open_runtime
from tfzoo.store.models import StoredModel


@pytest.fixture(scope="session")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "standin.onnx"
    return standins.save_yolov5(path, side=64, rows=252)


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return standins.save_standard(tmp_path_factory.mktemp("model") / "standard")


@pytest.fixture(scope="session")
def standard(saved_model: Path) -> Detector:
    return tfzoo.load(saved_model, device="cpu")


@pytest.fixture
def watched(onnx_model: Path) -> Detector:
    runtime = Watched(open_runtime("onnx", onnx_model, "cpu"))
    return Detector(StoredModel("standin", onnx_model, "sha256:1"), runtime, COCO)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A disk of 160 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no disk can be mounted here: needs root with the right to mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
