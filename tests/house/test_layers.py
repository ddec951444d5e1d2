"""The plan of the house, enforced: imports only go down, files stay short, light commands light."""

import ast
import json
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tfzoo

PACKAGE = Path(tfzoo.__file__).parent

#: The rooms and the modules beside them, from the ground up; docs/architecture.md tells of each.
ORDER = [
    "version",
    "outside",
    "errors",
    "settings",
    "files",
    "messages",
    "pages",
    "records",
    "yaml_text",
    "network",
    "processes",
    "hardware",
    "threads",
    "patience",
    "options",
    "detecting",
    "zoo",
    "images",
    "detections",
    "store",
    "safety",
    "runtimes",
    "prepare",
    "decode",
    "tiles",
    "detector",
    "loading",
    "trials",
    "exports",
    "cluster",
    "batch",
    "gallery",
    "results",
    "accuracy",
    "explain",
    "comparison",
    "timing",
    "report",
    "candidates",
    "reproduction",
    "doctor",
    "cli",
    "__main__",
]

#: A file is read in one sitting.
MOST_LINES = 400
#: A function is seen whole, its docstring too.
MOST_LINES_OF_A_FUNCTION = 80

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
FACE = "tfzoo.__init__"
FACES = {name for name in MODULES if name.endswith(".__init__")}


def room(module: str) -> str:
    """The room, or the module beside the rooms, that a module belongs to."""
    return module.split(".")[1]


def imports(module: str) -> set[str]:
    """The modules of ours that one imports: anywhere in it, for annotations alone too."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are written from the root"
            # Of `from tfzoo.images import video` the module is meant, else what it is taken from.
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in names}
    faces = {f"{name}.__init__" for name in found}
    return (found | faces) & set(MODULES)


IMPORTS = {module: imports(module) - {module} for module in MODULES}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of a graph, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_go_down(module: str) -> None:
    if module == FACE:  # It hands out names of every room, and no module imports it.
        return
    for imported in IMPORTS[module]:
        climbs = ORDER.index(room(imported)) > ORDER.index(room(module))
        assert not climbs, f"{module} climbs to {imported}"


def test_no_module_is_imported_in_a_circle() -> None:
    assert circle(IMPORTS) == []


def test_no_room_is_imported_in_a_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for module, imported in IMPORTS.items():
        rooms.setdefault(room(module), set()).update(room(name) for name in imported)
    assert circle({name: below - {name} for name, below in rooms.items()}) == []


def test_a_circle_would_be_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_no_module_imports_from_the_face_of_a_package() -> None:
    reached = {(module, face) for module in MODULES for face in IMPORTS[module] & FACES}
    assert reached == set()


@pytest.mark.parametrize("face", sorted(FACES - {FACE}))
def test_the_face_of_a_room_holds_what_the_room_is_for_alone(face: str) -> None:
    (docstring,) = ast.parse(MODULES[face].read_text()).body
    assert isinstance(docstring, ast.Expr)


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room(module) for module in MODULES if module != FACE} == set(ORDER)


def test_the_plan_tells_of_every_room_and_every_module_beside_them() -> None:
    plan = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    named = [f"`{name}/`" if (PACKAGE / name).is_dir() else f"`{name}.py`" for name in ORDER]
    assert [name for name in named if name not in plan] == []


def test_every_file_is_read_in_one_sitting() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("module", MODULES)
def test_every_function_is_seen_whole(module: str) -> None:
    lines = {
        f"{node.name}, line {node.lineno}": (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(MODULES[module].read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    long = {name: count for name, count in lines.items() if count > MOST_LINES_OF_A_FUNCTION}
    assert long == {}


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
        "Audit",
        "Choice",
        "Comparison",
        "DEFAULT_MODEL",
        "DetectOptions",
        "Detection",
        "Detections",
        "Detector",
        "DrawOptions",
        "Export",
        "Gallery",
        "LatenciesHere",
        "ModelSpec",
        "NothingQualifiesError",
        "Plan",
        "RankOptions",
        "Ranking",
        "Row",
        "RunSettings",
        "Summary",
        "TfzooError",
        "Timing",
        "Trial",
        "__version__",
        "as_printed_points",
        "audit",
        "benchmark",
        "build_table",
        "compare",
        "detect_folder",
        "draw_chart",
        "evaluate",
        "explain_accuracy",
        "export_model",
        "find_model",
        "forecast_here",
        "list_models",
        "load",
        "load_manifest",
        "make_gallery",
        "packaged_scenes",
        "pareto_front",
        "plan_reproduction",
        "prepare_model",
        "rank_models",
        "read_image",
        "recommend",
        "reported_points",
        "reproduce",
        "save_chart",
        "write_report",
    ]
    for name in tfzoo.__all__:
        assert getattr(tfzoo, name).__doc__ is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tfzoo.nothing  # noqa: B018
