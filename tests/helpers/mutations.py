"""Small slips, as mutations of a module's text, and copies of the checkout to try them in."""

from __future__ import annotations

import ast
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.number_replacer import NumberReplacer
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator

from tests.helpers.paths import ROOT

COMPARISONS = "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot"
BINARY = "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Div Mod_Mul Pow_Mul BitOr_BitAnd BitAnd_BitOr"
OTHERS = (
    "AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr "
    "ReplaceOrWithAnd ReplaceBreakWithContinue ReplaceContinueWithBreak "
    "ReplaceUnaryOperator_Delete_Not ReplaceUnaryOperator_USub_UAdd "
    "ReplaceUnaryOperator_Delete_Invert"
)


class OffByOne(NumberReplacer):
    """Cosmic-ray's own pulls a number up to the line before."""

    def mutate(self, node, index):
        value = super().mutate(node, index).value.strip()
        return parso.python.tree.Number(value, node.start_pos, node.prefix)


class Swap(Operator):
    """`in` for `not in`, `+=` for `-=` and the other way about, which cosmic-ray leaves out."""

    PAIRS = (("in", "not in"), ("+=", "-="), ("*=", "/="), ("|=", "&="))
    SWAPPED: ClassVar[dict[str, str]] = {**dict(PAIRS), **{new: old for old, new in PAIRS}}

    def _operators(self, node):
        if node.type in ("comparison", "expr_stmt"):
            for index, child in enumerate(node.children):
                if (code := child.get_code().strip()) in self.SWAPPED:
                    yield index, child, self.SWAPPED[code]

    def mutation_positions(self, node):
        return [(child.start_pos, child.end_pos) for _, child, _ in self._operators(node)]

    def mutate(self, node, index):
        at, child, code = list(self._operators(node))[index]
        node.children[at] = parso.python.tree.Operator(code, child.start_pos, prefix=" ")
        return node

    @classmethod
    def examples(cls):
        return ()


class WhatRuns(ast.NodeTransformer):
    """Takes out of a module's tree what no test could see; a mutation there is none."""

    def visit_If(self, node):
        """What is imported for mypy alone."""
        return None if "TYPE_CHECKING" in ast.dump(node.test) else self.generic_visit(node)

    def visit_FunctionDef(self, node):
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node):
        """`@dataclass(frozen=True)` keeps programmers from slips, and changes nothing that runs."""
        node.decorator_list = []
        return self.generic_visit(node)

    def visit_arguments(self, node):
        """The `*` before arguments that have to be named is no multiplication."""
        node.args = node.posonlyargs + node.args + node.kwonlyargs
        node.defaults = [d for d in (*node.defaults, *node.kw_defaults) if d is not None]
        node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        return self.generic_visit(node)

    def visit_arg(self, node):
        node.annotation = self._read_at_run_time(node.annotation)
        return node

    def visit_AnnAssign(self, node):
        node.annotation = self._read_at_run_time(node.annotation) or ast.Constant(None)
        return self.generic_visit(node)

    def visit_Call(self, node):
        """`zip(..., strict=True)` looks at what its own function has made."""
        if isinstance(node.func, ast.Name) and node.func.id == "zip":
            node.keywords = []
        return self.generic_visit(node)

    @staticmethod
    def _read_at_run_time(annotation):
        """Annotations are mypy's, but for those that call something: the command line's options."""
        calls = annotation and any(isinstance(node, ast.Call) for node in ast.walk(annotation))
        return annotation if calls else None


@dataclass(frozen=True)
class Mutant:
    """A mutation: a line before and after, without indentation, and the module's whole text."""

    module: str
    line: int
    before: str
    after: str
    original: str
    mutated: str


def operators() -> Iterator[Operator]:
    for name in COMPARISONS.split():
        yield get_operator(f"core/ReplaceComparisonOperator_{name}")()
    yield get_operator("core/ReplaceComparisonOperator_IsNot_Is")()
    for name in BINARY.split():
        yield get_operator(f"core/ReplaceBinaryOperator_{name}")()
    for name in OTHERS.split():
        yield get_operator(f"core/{name}")()
    yield OffByOne()
    yield Swap()


def what_runs(source: str) -> str:
    return ast.dump(WhatRuns().visit(ast.parse(source)))


def mutants(module: str, seed: int) -> Iterator[Mutant]:
    """All mutations of a module that run otherwise, in a random order."""
    source = (ROOT / module).read_text()
    nodes = list(ast_nodes(get_ast(source)))
    places = [
        (operator, occurrence)
        for operator in operators()
        for occurrence in range(sum(len(list(operator.mutation_positions(n))) for n in nodes))
    ]
    random.Random(f"{seed} {module}").shuffle(places)
    unchanged = what_runs(source)
    for operator, occurrence in places:
        mutated = mutate_code(source, operator, occurrence)
        try:
            if mutated is None or what_runs(mutated) == unchanged:
                continue
        except SyntaxError:
            continue
        pairs = zip_longest(source.splitlines(), mutated.splitlines(), fillvalue="")
        line, before, after = next((n, a, b) for n, (a, b) in enumerate(pairs, 1) if a != b)
        yield Mutant(module, line, before.strip(), after.strip(), source, mutated)


@dataclass(frozen=True)
class Workshop:
    """A copy of the checkout, and the folder of its tests' temporary files."""

    checkout: Path
    scratch: Path

    @classmethod
    def made_in(cls, folder: Path) -> Workshop:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                (folder / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / "checkout" / name)
        (folder / "scratch").mkdir()
        return cls(folder / "checkout", folder / "scratch")

    def run(self, tests: Sequence[str], limit_s: float) -> tuple[int | None, float, str]:
        """Exit code of tests (None: out of time), the seconds they took, and what they said."""
        changed = {"PYTHONPATH": str(self.checkout), "TMPDIR": str(self.scratch)}
        # A source changed twice within a second could be mistaken for what was compiled of it.
        changed["PYTHONDONTWRITEBYTECODE"] = "1"
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=self.checkout,
            env={"TRIALS": "1", **os.environ, **changed},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=limit_s)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            code = None
        return code, time.monotonic() - began, said

    def try_out(self, mutant: Mutant, tests: Sequence[str], limit_s: float) -> int | None:
        path = self.checkout / mutant.module
        path.write_text(mutant.mutated)
        try:
            return self.run(tests, limit_s)[0]
        finally:
            path.write_text(mutant.original)
