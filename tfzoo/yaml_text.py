"""YAML of users, read within bounds, and what is wrong in it told by its line."""

from __future__ import annotations

from functools import cache
from typing import Any


def read_yaml(text: bytes | str, *, as_texts: bool) -> Any:
    """What YAML holds.

    Nothing in it is made but lists, mappings and values. The time grows with the length alone:
    PyYAML's own reader needs the square of the depth, libyaml's ends at a depth of 1,000.

    Args:
        text: UTF-8, or another encoding with its mark.
        as_texts: Every key and value as the text that stands there: a category may be called `no`.

    Raises:
        ValueError: It is no YAML, lies too deep in itself, or a mapping has a key twice; tells the
            line, where there is one.
    """
    import yaml

    try:
        return yaml.load(text, _loader(as_texts))
    except RecursionError:
        raise ValueError("it lies too deep in itself") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        what = str(getattr(error, "problem", None) or error)
        # As libyaml says it.
        deep = "exceeded maximum nesting depth" in what
        raise ValueError(where + ("it lies too deep in itself" if deep else what)) from None


@cache
def _loader(as_texts: bool) -> Any:
    import yaml

    # PyYAML may be built without libyaml.
    plain, safe = yaml.BaseLoader, yaml.SafeLoader
    base: Any = (
        getattr(yaml, "CBaseLoader", plain) if as_texts else getattr(yaml, "CSafeLoader", safe)
    )

    class Loader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            if isinstance(node, yaml.MappingNode):
                _check_unique(node)
            return super().construct_mapping(node, deep=deep)

    return Loader


def _check_unique(node: Any) -> None:
    """Refuses a key that stands twice: the first of the two would be lost."""
    from yaml import MarkedYAMLError, ScalarNode

    seen: set[tuple[str, str]] = set()
    for key in (key for key, _ in node.value if isinstance(key, ScalarNode)):
        if (key.tag, key.value) in seen:
            raise MarkedYAMLError(
                problem=f"'{key.value}' stands twice in one mapping", problem_mark=key.start_mark
            )
        seen.add((key.tag, key.value))
