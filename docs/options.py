"""For the site's API page: settings with their options, and functions that are called with them.

`tfzoo.options` keeps what an option does beside it, and makes a function's parameters and part of
its docstring from there, which reading the source alone does not show: of such a dataclass or
function, and of nothing else, the module is imported and asked.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import griffe

from tfzoo.options import options_of


class CalledWith(griffe.Extension):
    """Asks functions under `called_with` what they take, and dataclasses of options which."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Called by griffe for each class it has read."""
        values = [str(one.value) for one in cls.attributes.values()]
        if cls.docstring is None or not any(value.startswith("option(") for value in values):
            return
        settings = getattr(import_module(cls.module.path), cls.name)
        told = "".join(f"    {one.name}: {about.help}\n" for one, about in options_of(settings))
        before, raises, after = inspect.cleandoc(cls.docstring.value).partition("Raises:\n")
        cls.docstring.value = f"{before}Attributes:\n{told}\n{raises}{after}"

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Called by griffe for each function it has read."""
        if not any(str(one.value).startswith("called_with(") for one in func.decorators):
            return
        called = getattr(import_module(func.module.path), func.name)
        func.parameters = griffe.Parameters(
            *(_parameter(one) for one in inspect.signature(called).parameters.values())
        )
        if func.docstring is not None:
            func.docstring.value = inspect.cleandoc(called.__doc__)


def _parameter(one: inspect.Parameter) -> griffe.Parameter:
    given = one.default is not inspect.Parameter.empty
    annotation = one.annotation
    if not isinstance(annotation, str):
        annotation = inspect.formatannotation(annotation)
    return griffe.Parameter(
        one.name,
        annotation=annotation.replace("collections.abc.", "").replace("os.", ""),
        kind=griffe.ParameterKind[one.kind.name.lower()],
        default=repr(one.default).replace("PosixPath", "Path") if given else None,
    )
