"""Our own JSON files, read as what they should be: a damaged one is known, whatever it holds."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def read(path: Path, kind: type[Record]) -> Record:
    """A JSON file as a dataclass.

    Args:
        path: The file.
        kind: Its fields and their types are what is expected; a tuple is a list in JSON.

    Raises:
        OSError: The file can't be read.
        ValueError: It holds something else.
    """
    return as_record(parsed(path.read_bytes()), kind)


def parsed(data: bytes | str) -> Any:
    """The value that JSON holds.

    Raises:
        ValueError: It holds none.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def as_record(value: Any, kind: type[Record]) -> Record:
    """A value of JSON as a dataclass; see `read`.

    Raises:
        ValueError: It is something else.
    """
    if not is_dataclass(kind) or not isinstance(value, dict):
        raise ValueError(f"expected a {kind.__name__}, got {str(value)[:50]}")
    hints = get_type_hints(kind)
    if unknown := value.keys() - hints:
        raise ValueError(f"a {kind.__name__} has no {min(unknown)}")
    try:
        return kind(**{name: _as(one, hints[name]) for name, one in value.items()})
    except TypeError as error:  # Something is missing.
        raise ValueError(str(error)) from None


def _as(value: Any, meant: Any) -> Any:
    """A value of JSON as what a type means."""
    origin, within = get_origin(meant), get_args(meant)
    if meant is Any or (origin is Literal and value in within):
        return value
    if origin in (UnionType, Union):
        return _as_one_of(value, within)
    if isinstance(meant, type) and is_dataclass(meant):
        return as_record(value, meant)
    if origin is tuple and isinstance(value, list):
        kinds = within[:1] * len(value) if within[1:] == (...,) else within
        return tuple(_as(*pair) for pair in zip(value, kinds, strict=True))
    if origin is list and isinstance(value, list):
        return [_as(one, within[0]) for one in value]
    if origin is dict and isinstance(value, dict):
        return {name: _as(one, within[1]) for name, one in value.items()}
    if type(value) is meant:
        return value
    raise ValueError(f"expected {getattr(meant, '__name__', meant)}, got {str(value)[:50]}")


def _as_one_of(value: Any, kinds: tuple[Any, ...]) -> Any:
    for kind in kinds[:-1]:
        with suppress(ValueError):
            return _as(value, kind)
    return _as(value, kinds[-1])
