"""For the site's API page: functions of settings, shown with the parameters they are called with.

`tfzoo.options.called_with` makes a function's parameters and part of its docstring from a
dataclass, which reading the source alone does not show: of such a function, and of no other, the
module is imported and asked.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import griffe


class CalledWith(griffe.Extension):
    """Asks functions under `called_with` what they take."""

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
