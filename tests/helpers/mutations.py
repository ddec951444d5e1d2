"""Small slips in code, as mutations of a module's text: cosmic-ray's, and two of our own."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
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

    @property
    def change(self) -> str:
        """The line before and after, as it is shown."""
        return f"  - {self.before}\n  + {self.after}"


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
