"""The tool behind `make mutants` makes slips that run, and only such as a test could see."""

import ast
from pathlib import Path

import pytest

from tests.helpers import mutations
from tests.helpers.mutations import mutants
from tests.helpers.paths import ROOT
from tests.helpers.workshop import files_testing
from tests.mutants import draw, equivalents

SOURCE = """
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    LEVEL = 1 + 1

@dataclass(frozen=True)
class Pair:
    size: tuple[int | None, 2]

def first(values: dict[int | str, 3], *, least: int = 10) -> 4 | 5:
    total = 0
    for value in zip(values, values, strict=True):
        if value not in values or not least <= value:
            continue
        total += value
    return total
"""

DEFINITION = "def first(values: dict[int | str, 3], *, least: int = 10) -> 4 | 5:"


def all_mutants(folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> list[tuple[str, str]]:
    (folder / "module.py").write_text(SOURCE)
    monkeypatch.setattr(mutations, "ROOT", folder)
    found = list(mutants("module.py", seed))
    for mutant in found:
        ast.parse(mutant.mutated)
        assert mutant.original == SOURCE
        assert SOURCE.splitlines()[mutant.line - 1].strip() == mutant.before
        assert mutant.mutated.splitlines()[mutant.line - 1].strip() == mutant.after
    return [(mutant.before, mutant.after) for mutant in found]


def test_slips_are_of_every_kind_and_only_where_something_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    condition = "if value not in values or not least <= value:"
    found = all_mutants(tmp_path, monkeypatch, 0)
    assert all_mutants(tmp_path, monkeypatch, 0) == found
    assert sorted(all_mutants(tmp_path, monkeypatch, 1)) == sorted(found)
    found.remove((condition, condition.replace("not least", " least")))
    assert sorted(found) == sorted(
        [
            (condition, condition.replace("if", "if not")),
            (condition, condition.replace("value not in", "value in")),
            (condition, condition.replace("or", "and")),
            (condition, condition.replace("<=", "<")),
            (condition, condition.replace("<=", ">")),
            ("continue", "break"),
            ("total = 0", "total = 1"),
            ("total = 0", "total = -1"),
            ("total += value", "total -= value"),
            (DEFINITION, DEFINITION.replace("10", "11")),
            (DEFINITION, DEFINITION.replace("10", "9")),
        ]
    )


def test_modules_give_as_many_to_a_sample_and_each_its_tests() -> None:
    modules = ["tfzoo/detections/labels.py", "tfzoo/report/recommend.py"]
    drawn, left_out = draw(modules, 8, 3)
    assert sorted(mutant.module for mutant in drawn) == sorted(modules * 4)
    assert draw(modules, 8, 3) == (drawn, left_out)
    assert draw(modules, 8, 4) != (drawn, left_out)


def test_every_module_has_tests_and_every_excused_line_stands_where_it_stood() -> None:
    for path in sorted((ROOT / "tfzoo").rglob("*.py")):
        decides = (ast.Compare, ast.BoolOp, ast.BinOp, ast.If, ast.IfExp)
        if any(isinstance(node, decides) for node in ast.walk(ast.parse(path.read_text()))):
            module = str(path.relative_to(ROOT))
            assert all((ROOT / file).is_file() for file in files_testing(module)), module
    assert equivalents()
    assert files_testing("tfzoo/report/recommend.py") == ("tests/report/test_recommend.py",)
    assert files_testing("tfzoo/accuracy/coco_fetch.py") == ("tests/accuracy/test_coco.py",)
