"""Options as data: a field of a frozen dataclass each, from which all that takes it follows.

A field made by `option` says what it does, how it is written on a command line and whether a run
is pinned to it. The command line (`tfzoo.cli.options`), the journal of a run, the engines and what
`help` shows of a function (`called_with`) read it there: a new option is added in one place.

Modules of such dataclasses do without `from __future__ import annotations`: the command line needs
their types, not the names of them.
"""

import inspect
import shlex
from collections.abc import Callable, Collection
from dataclasses import Field, dataclass, field, fields
from functools import wraps
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, get_args

from tfzoo.errors import UsageError
from tfzoo.outside import public

Given = ParamSpec("Given")
Settings = TypeVar("Settings")
Result = TypeVar("Result")

#: Told in words what is being done, how many steps are done, and of how many (0: not known).
OnStep = Callable[[str, int, int], None]

_KEY = "option"


@dataclass(frozen=True)
class Option:
    """What is known of an option beside its name, type and default.

    Attributes:
        help: In a sentence, what it does.
        metavar: How its value is called on the command line; None for a switch.
        flags: How it is written there, where that is not just its name.
        text: Its type there, where that is not the field's own.
        parse: From its value there to the field's, where they differ.
        write: From the field's back to its text there, likewise.
        shown: How its default is written there, where that is not the field's own.
        least: The smallest value that is taken there, or None.
        complete: What a shell completes it with, of `tfzoo.cli.completion`; None for files.
        pinned: Whether what a run writes depends on it: resumed, it must be the same.
    """

    help: str
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    text: Any = None
    parse: Callable[[Any], Any] | None = None
    write: Callable[[Any], str] | None = None
    shown: str | None = None
    least: int | None = None
    complete: str | None = None
    pinned: bool = True


#: Options that several commands have.
DEVICE = Option("auto (a GPU where there is one), cpu, gpu or gpu:1.", metavar="DEVICE")
RUNTIME = Option(
    "What runs the model: tensorflow (the export as it is), frozen (its prepared form), xla (that "
    "compiled), openvino, onnx, litert (.tflite files), or auto (what TFZOO_RUNTIME says, else the "
    "fastest that is proven to agree with TensorFlow).",
    metavar="RUNTIME",
)
#: How the numbers of a network are held.
Precision = Literal["float32", "int8"]
PRECISION = Option(
    "float32, or int8: OpenVINO's form in 8-bit integers, faster and a little worse, made by: "
    "tfzoo prepare NAME --precision int8 --calibrate FOLDER.",
)
CHECK = Option(
    "Detect N of the images with TensorFlow too, the same ones each time, and tell what differs.",
    metavar="N",
    least=0,
    pinned=False,
)
ENGINE = Option("local: this machine; ray: many, by Ray (extra 'ray').", pinned=False)
ADDRESS = Option(
    "The Ray cluster to join, such as auto; else this machine.", metavar="ADDRESS", pinned=False
)
#: Where work is done.
Engine = Literal["local", "ray"]
RESULTS = Option("Folder of the measurements, such as accuracy.csv.", metavar="DIR", text=Path)


def option(default: Any, about: str | Option, **more: Any) -> Any:
    """A field that is an option.

    Args:
        default: Its value where none is given.
        about: Its help, or all of it.
        more: What else `Option` has.
    """
    return field(default=default, metadata=told(about, **more))


def told(about: str | Option, **more: Any) -> dict[str, Any]:
    """What is told of an option that must be given: `name: str = field(metadata=told("..."))`.

    Written so, a type checker knows that it has no default.

    Args:
        about: Its help, or all of it.
        more: What else `Option` has.
    """
    return {_KEY: Option(about, **more) if isinstance(about, str) else about}


def options_of(settings: Any) -> list[tuple[Field[Any], Option]]:
    """The fields of a dataclass that are options, those given by position first."""
    found = [(one, one.metadata[_KEY]) for one in fields(settings) if _KEY in one.metadata]
    return sorted(found, key=lambda pair: bool(pair[0].kw_only))


def command_line(
    command: str, model: object, settings: Any, without: Collection[str] = ()
) -> str | None:
    """The command that does with a model what settings say; what has its default goes unsaid.

    Args:
        command: Its name, such as `evaluate`.
        model: A name or path.
        settings: A dataclass whose fields are the command's options.
        without: Options that are not told.

    Returns:
        It, or None where a value is an object that no command can be told.
    """
    words: list[object] = ["tfzoo", command, model]
    for one, about in options_of(settings):
        if one.name in without or not one.kw_only or not about.pinned:
            continue
        value = getattr(settings, one.name)
        value = str(value) if isinstance(value, PathLike) else value
        if value is None or value == one.default:
            continue
        flag = about.flags[0] if about.flags else f"--{one.name.replace('_', '-')}"
        told = about.write(value) if about.write else value
        for each in told if isinstance(told, list | tuple) else [told]:
            words += [flag] if each is True else [flag, each]
    if not all(isinstance(word, str | PathLike | Real) for word in words):
        return None
    return public(shlex.join(map(str, words)))


def runtime_of(runtime: str, precision: Precision) -> str:
    """What measures with TensorFlow unless told runs int8 with what int8 has, unmentioned.

    Raises:
        UsageError: There is no such precision.
    """
    check_precision(precision)
    return "openvino" if (runtime, precision) == ("tensorflow", "int8") else runtime


def check_precision(precision: str) -> None:
    """Refuses a precision that there is none of.

    Raises:
        UsageError: There is no such precision.
    """
    if precision not in get_args(Precision):
        expected = " or ".join(get_args(Precision))
        raise UsageError(f"there is no precision {precision!r}; expected {expected}")


def check_engine(engine: str) -> None:
    """Refuses an engine that there is none of.

    Raises:
        UsageError: There is no such engine.
    """
    if engine not in get_args(Engine):
        raise UsageError(f"engine is '{engine}'; expected {' or '.join(get_args(Engine))}")


def names_in(texts: list[str]) -> list[str]:
    """The names in texts that separate them by commas."""
    return [name for text in texts for name in text.split(",")]


def check_number(name: str, value: object, least: int, whole: bool = True) -> int | float:
    """A number of any library's, as Python's own.

    Args:
        name: What it is, for the message.
        value: What was given.
        least: The smallest that makes sense.
        whole: Whether it must be a whole number.

    Raises:
        UsageError: It is none, or too small.
    """
    if not isinstance(value, Integral if whole else Real) or isinstance(value, bool):
        kind = "whole number" if whole else "number"
        raise UsageError(f"{name} is {value!r}; expected a {kind}, {least} or more")
    if not float(value) >= least:
        raise UsageError(f"{name} is {value}; expected {least} or more")
    return int(value) if isinstance(value, Integral) else float(value)


def check_least(settings: Any) -> None:
    """Holds the options of a dataclass, which is being made, to the smallest values they take.

    Raises:
        UsageError: One is less, or no number.
    """
    for one, about in options_of(settings):
        value = getattr(settings, one.name)
        if about.least is not None and (value is not None or one.default is not None):
            whole = one.type not in (float, float | None)
            number = check_number(one.name, value, about.least, whole)
            object.__setattr__(settings, one.name, number)


def called_with(
    settings: Callable[Given, Settings],
) -> Callable[[Callable[[Settings], Result]], Callable[Given, Result]]:
    """Lets a function of settings be called with what they are made of.

    Args:
        settings: A dataclass. Its fields become the function's parameters, and its options are
            told of under `Args:` in the function's docstring.
    """
    signature = inspect.signature(settings)

    def decorate(function: Callable[[Settings], Result]) -> Callable[Given, Result]:
        @wraps(function)
        def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:  # Of the function that was called, not of the dataclass.
                raise TypeError(f"{function.__name__}() {error}") from None
            return function(settings(*args, **kwargs))

        # From Python 3.13 on a docstring comes without its indentation, before with it.
        about_function = inspect.cleandoc(function.__doc__ or "")
        lines = [f"    {one.name}: {about.help}\n" for one, about in options_of(settings)]
        call.__doc__ = about_function.replace("Args:\n", "Args:\n" + "".join(lines), 1)
        call.__dict__["__signature__"] = signature.replace(
            return_annotation=function.__annotations__["return"]
        )
        return call

    return decorate
