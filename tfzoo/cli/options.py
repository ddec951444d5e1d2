"""Options of commands from dataclasses of settings, and those that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field
from functools import wraps
from typing import Annotated, Any

import typer

from tfzoo.cli.completion import COMPLETIONS
from tfzoo.options import Option, options_of

_EMPTY = inspect.Parameter.empty


def written(about: Option, *, by_position: bool = False) -> Any:
    """How typer is told of an option: what goes into `Annotated` beside its type."""
    shown: Any = {"metavar": about.metavar, "help": about.help}
    shown["autocompletion"] = COMPLETIONS.get(about.complete or "")
    if by_position:
        return typer.Argument(**shown)
    return typer.Option(*about.flags, min=about.least, **shown)


def takes(
    settings: type, *, without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options of a dataclass.

    Args:
        settings: Its options become the command's. The command is handed their values, in a
            dictionary by name, before what else it takes.
        without: Options that it is not given, since it says for itself how they are written.
    """
    options = options_of(settings)
    about = {one.name: (one, told) for one, told in options if one.name not in without}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *others = inspect.signature(command, eval_str=True).parameters.values()
        parameters = [
            *(_parameter(one, told) for one, told in about.values()),
            *(other.replace(kind=inspect.Parameter.KEYWORD_ONLY) for other in others),
        ]

        @wraps(command)
        def call(**given: Any) -> None:
            values = {}
            for name, (_, told) in about.items():
                value = given.pop(name)
                values[name] = told.parse(value) if told.parse and value is not None else value
            command(values, **given)

        call.__dict__["__signature__"] = inspect.Signature(parameters)
        call.__annotations__ = {one.name: one.annotation for one in parameters}
        return call

    return decorate


def _parameter(one: Field[Any], about: Option) -> inspect.Parameter:
    default = one.default if about.shown is None else about.shown
    required = default is MISSING
    return inspect.Parameter(
        one.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=_EMPTY if required else default,
        annotation=Annotated[about.text or one.type, written(about, by_position=required)],
    )
