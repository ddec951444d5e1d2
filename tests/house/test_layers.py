"""The plan of the house, enforced: imports only go down, and light commands stay light."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tfzoo

PACKAGE = Path(tfzoo.__file__).parent

#: The rooms from the ground up; docs/architecture.md says what each holds.
ORDER = [
    "version",
    "errors",
    "settings",
    "zoo",
    "detections",
    "images",
    "store",
    "runtimes",
    "prepare",
    "decode",
    "detector",
    "batch",
    "results",
    "accuracy",
    "timing",
    "report",
    "doctor",
    "cli",
    "__init__",
    "__main__",
]
LAYERS = {name: layer for layer, name in enumerate(ORDER)}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The module or package right below tfzoo that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms a file imports, anywhere in it, but for annotations alone (`if TYPE_CHECKING`)."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "tfzoo":
                found |= {alias.name for alias in node.names if alias.name in LAYERS}
            elif node.module.startswith("tfzoo."):
                found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("tfzoo.")}
    return found - {room(path)}


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_imports_only_go_down(path: Path) -> None:
    for imported in imported_rooms(path):
        assert LAYERS[imported] <= LAYERS[room(path)], f"{path.name} climbs to {imported}"


def test_rooms_do_not_import_each_other_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for path in MODULES:
        edges.setdefault(room(path), set()).update(imported_rooms(path))
    done: set[str] = set()
    while ready := [name for name in edges if name not in done and edges[name] <= done]:
        done.update(ready)
    assert set(edges) == done, f"a circle among {sorted(set(edges) - done)}"


HEAVY = ["tensorflow", "cv2", "pandas", "openvino", "onnxruntime", "supervision", "altair", "ray"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "import tfzoo; tfzoo.list_models()"],
        ["-m", "tfzoo", "--help"],
        ["-m", "tfzoo", "list"],
        ["-m", "tfzoo", "list", "--json"],
        ["-m", "tfzoo", "info", "yolov5s"],
    ],
    ids=lambda arguments: " ".join(arguments[1:]),
)
def test_light_commands_load_no_heavy_library(arguments: list[str], tmp_path: Path) -> None:
    hook = "import atexit,json,os,sys\natexit.register(lambda: open(os.environ['LOADED'], 'w')"
    hook += ".write(json.dumps(sorted(sys.modules))))"
    (tmp_path / "sitecustomize.py").write_text(hook)
    loaded = tmp_path / "loaded.json"
    path = os.pathsep.join([str(tmp_path), str(PACKAGE.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "LOADED": str(loaded)}
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
    modules = set(json.loads(loaded.read_text()))
    assert "tfzoo.zoo.manifest" in modules
    assert not modules & {*HEAVY, "pyarrow", "httpx", "numpy", "pydantic"}


def test_the_public_names_are_these() -> None:
    assert sorted(tfzoo.__all__) == [
        "Accuracy",
        "Detection",
        "Detections",
        "Detector",
        "ModelSpec",
        "Summary",
        "TfzooError",
        "Timing",
        "__version__",
        "benchmark",
        "detect_folder",
        "evaluate",
        "find_model",
        "list_models",
        "load",
        "read_image",
    ]
    for name in tfzoo.__all__:
        assert getattr(tfzoo, name).__doc__ is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tfzoo.nothing  # noqa: B018
