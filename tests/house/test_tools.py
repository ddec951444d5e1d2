"""What makes the environment: which Python it is made of, and what is said where there is none."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

FIND = ROOT / "tools" / "find_python.sh"
ENVIRONMENT = ROOT / "tools" / "environment.sh"
#: What the scripts themselves need.
SYSTEM = ("/usr/bin", "/bin")


def python(folder: Path, name: str, version: str | None) -> Path:
    """A program that says it is that Python, or that does not run, as a shim of pyenv may."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    says = "echo no such version >&2; exit 127" if version is None else f"echo {version}"
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path: Path) -> str:
    """A folder with the programs that the scripts call, and no Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "sed", "dirname", "cat"):
        places = [Path(place, name) for place in SYSTEM]
        (folder / name).symlink_to(next(place for place in places if place.exists()))
    return str(folder)


def find(path: str, *asked: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FIND, *asked], env={"PATH": path}, capture_output=True, text=True)


def test_the_newest_supported_python_is_found_wherever_it_lies(tmp_path: Path, tools: str) -> None:
    python(tmp_path / "a", "python3.11", "3.11")
    python(tmp_path / "a", "python3.14", "3.14")
    newest = python(tmp_path / "b", "python3.13", "3.13")
    python(tmp_path / "b", "python3", "3.12")
    assert find(f"{tmp_path}/a:{tmp_path}/b:{tools}").stdout == f"{newest}\n"


def test_a_program_that_does_not_run_hides_none_that_does(tmp_path: Path, tools: str) -> None:
    python(tmp_path / "shims", "python3.13", None)
    python(tmp_path / "shims", "python3.12", None)
    behind = python(tmp_path / "system", "python3.12", "3.12")
    assert find(f"{tmp_path}/shims:{tmp_path}/system:{tools}").stdout == f"{behind}\n"


@pytest.mark.parametrize("name", ["python3", "python"])
def test_a_python_without_a_version_in_its_name_counts_by_what_it_is(
    tmp_path: Path, tools: str, name: str
) -> None:
    plain = python(tmp_path / "a", name, "3.12")
    assert find(f"{tmp_path}/a:{tools}").stdout == f"{plain}\n"


@pytest.mark.parametrize("version", ["3.14", "3.10", "2.7", "4.12"])
def test_where_none_is_supported_it_says_what_was_seen_and_what_to_install(
    tmp_path: Path, tools: str, version: str
) -> None:
    other = python(tmp_path / "a", "python3", version)
    shim = python(tmp_path / "a", "python3.13", None)
    told = find(f"{tmp_path}/a:{tools}")
    assert (told.returncode, told.stdout) == (1, "")
    assert "Python 3.11 to 3.13" in told.stderr
    assert f"{other} is Python {version}" in told.stderr
    assert f"{shim} does not run" in told.stderr
    assert "apt install python3.13" in told.stderr


def test_where_there_is_no_python_at_all_it_says_so(tools: str) -> None:
    told = find(tools)
    assert told.returncode == 1
    assert "there is no python3 on the PATH" in told.stderr


def test_the_python_that_is_asked_for_is_the_only_one_looked_at(tmp_path: Path, tools: str) -> None:
    path = f"{tmp_path}/a:{tools}"
    asked = python(tmp_path / "a", "python3.11", "3.11")
    python(tmp_path / "a", "python3.13", "3.13")
    newer = python(tmp_path / "elsewhere", "python", "3.14")
    assert find(path, "python3.11").stdout == f"{asked}\n"
    assert find(path, str(asked)).stdout == f"{asked}\n"
    assert f"{newer} is Python 3.14" in find(path, str(newer)).stderr
    assert "there is no python3.12 on the PATH" in find(path, "python3.12").stderr


@pytest.mark.parametrize("target", ["demo", "environment"])
def test_make_says_it_before_it_makes_anything(tmp_path: Path, target: str) -> None:
    newer = python(tmp_path / "a", "python3", "3.14")
    told = subprocess.run(
        ["make", target, f"PYTHON={newer}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert told.returncode != 0
    assert f"{newer} is Python 3.14" in told.stderr
    assert not (tmp_path / "venv").exists()


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    told = subprocess.run(
        [ENVIRONMENT, tmp_path, "demo", sys.executable], capture_output=True, text=True
    )
    assert told.returncode == 1
    assert "is no environment of Python" in told.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.txt"]


def recorded(tmp_path: Path, name: str, line: str = "") -> Path:
    """A stand-in for a program, which writes down what it was called with."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{path.name} $*" >>{tmp_path}/calls\n{line}\n')
    path.chmod(0o755)
    return path


def made(tmp_path: Path, what: str, uv_installs: bool) -> list[str]:
    """The calls of uv and pip for an environment of stand-ins."""
    says = 'case "$*" in *version_info*) echo 3.12 ;; *_base_executable*) echo "$0" ;; esac'
    recorded(tmp_path, "venv/bin/python", says)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    fails = "" if uv_installs else 'case "$*" in *install*) exit 2 ;; esac'
    recorded(tmp_path, "bin/uv", fails)
    subprocess.run(
        [ENVIRONMENT, tmp_path / "venv", what],
        env={"PATH": ":".join((f"{tmp_path}/bin", *SYSTEM))},
        check=True,
        capture_output=True,
    )
    calls = (tmp_path / "calls").read_text().splitlines()
    return [call for call in calls if " install " in call]


def test_the_demo_installs_the_package_and_the_fast_runtime_at_the_tested_versions(
    tmp_path: Path,
) -> None:
    (call,) = made(tmp_path, "demo", uv_installs=True)
    assert call.startswith("uv pip install")
    assert call.endswith(f"--constraint {tmp_path}/venv/constraints.txt --editable .[openvino]")
    constraints = (tmp_path / "venv" / "constraints.txt").read_text()
    wanted = (ROOT / "requirements.txt").read_text()
    assert "\nray~=" in constraints  # As a constraint pip takes no extras.
    assert constraints.count("\n") == wanted.count("\n")


def test_the_tests_install_the_whole_set(tmp_path: Path) -> None:
    (call,) = made(tmp_path, "tests", uv_installs=True)
    assert call.endswith("--requirement requirements.txt --editable .")


def test_where_uv_can_not_install_pip_does(tmp_path: Path) -> None:
    first, second = made(tmp_path, "tests", uv_installs=False)
    assert first.startswith("uv pip install")
    assert second.startswith("python -m pip install")
