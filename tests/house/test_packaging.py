"""The wheel, as a user gets it: with its manifest, beside the light core alone."""

import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

#: What runs and draws detections; everything else that the wheel depends on is the light core.
HEAVY = ("opencv-python", "pandas", "supervision", "tensorflow")


def light_core() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [needed for needed in project["dependencies"] if not needed.startswith(HEAVY)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    return next(out.glob("tfzoo-*.whl"))


def test_the_wheel_carries_manifest_licence_and_types(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "tfzoo/zoo_manifest.yaml" in names
    assert "tfzoo/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "notebooks/")) for name in names)


def test_the_wheel_lists_models_beside_the_light_core_alone(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "environment"
    venv.create(home, with_pip=True)
    pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *light_core()], check=True, capture_output=True)
    subprocess.run([*pip, "--no-deps", wheel], check=True, capture_output=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    listed = subprocess.run(
        [home / "bin" / "tfzoo", "list"], cwd=empty, check=True, capture_output=True, text=True
    )
    assert "EfficientDet D0 512x512" in listed.stdout
    assert list(empty.iterdir()) == []
