"""Category names of fine-tuned models, in the forms that people keep them in."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from tfzoo.detections.label_map import read_label_map
from tfzoo.errors import UsageError
from tfzoo.files import LFS_ADVICE, is_lfs_pointer
from tfzoo.settings import at_home
from tfzoo.yaml_text import read_yaml

EXPECTED = (
    "Expected a label_map.pbtxt of the Object Detection API (item { id: 1 name: 'cat' }), COCO "
    "categories (JSON), YOLO names (YAML), a table with columns id and name (CSV), a text file "
    "with a name on each line, or names separated by commas"
)

#: What an id may be: protobuf's int32.
_MOST = 2**31 - 1

#: The first name of files that count from 0, where models have their background.
_NOTHING = ("???", "background", "__background__")

#: Byte order marks; UTF-32's little one begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

Pairs = Iterable[tuple[Any, Any]]

#: Category names as they may be given in Python.
Labels = Mapping[int, str] | Iterable[str] | str | os.PathLike[str]


def labels_of(given: Labels | None) -> dict[int, str] | None:
    """Category names by id, however they were given.

    Args:
        given: Names by id; names in a row, numbered from 1; a file, as `read_labels` takes it; or
            None.

    Raises:
        UsageError: They are none of these, or something in them is wrong.
    """
    if given is None:
        return None
    if isinstance(given, str | os.PathLike):
        return read_labels(given)
    if not isinstance(given, Iterable) or isinstance(given, bytes | bytearray):
        raise UsageError(
            f"labels are {type(given).__name__}; expected names by id ({{1: 'cat'}}), a list of "
            "names (numbered from 1) or the path of a file"
        )
    try:
        labels = _checked(given.items() if isinstance(given, Mapping) else enumerate(given, 1))
    except UsageError as error:
        raise UsageError(f"labels: {error}") from None
    if not labels:
        raise UsageError("labels are empty; leave them out for the model's own, or COCO's")
    return labels


def read_labels(source: str | os.PathLike[str]) -> dict[int, str]:
    """Category names by id, of a fine-tuned model.

    Args:
        source: A label map as the Object Detection API is trained with (`label_map.pbtxt`); COCO
            categories or another JSON of ids and names; a YOLO data file (`names:`, a list of
            which counts from 0); a CSV with columns id and name; a text file with a name on each
            line, numbered from 1 (from 0 where the first is `???` or `background`), or lines of
            `id name`; or the names themselves, separated by commas and numbered from 1.

    Raises:
        UsageError: There is no such file, or it is of no form that is known, or something in it
            is wrong; says where.
    """
    given = os.fspath(source)
    path = _existing(given)
    if path is None and ("," not in given or _looks_like_path(given)):
        raise UsageError(f"labels {given}: no such file. {EXPECTED}")
    what = "labels" if path is None else f"labels {path}"
    try:
        labels = _checked(_of_list(given) if path is None else _of_file(path))
    except OSError as error:
        raise UsageError(f"{what} can't be read: {error.strerror or error}") from None
    except (UnicodeError, UsageError) as error:
        raise UsageError(f"{what}: {error}. {EXPECTED}") from None
    if not labels:
        raise UsageError(f"{what}: no names found in it. {EXPECTED}")
    return labels


def _of_list(given: str) -> Pairs:
    names = [name.strip() for name in given.split(",")]
    # A comma at the end closes the last name.
    return _counted(names if names[-1] else names[:-1])


def _existing(given: str) -> Path | None:
    try:
        path = at_home(given)
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):
        # A long list of names is no file's name; `~nobody` is no folder.
        return None


def _looks_like_path(given: str) -> bool:
    """Whether a text with commas is a file that is missing, not a list of names."""
    ending = re.search(r"\.(pbtxt|txt|json|ya?ml|csv|tsv|names)\s*$", given, re.IGNORECASE)
    return bool(ending or re.match(r"[/\\~]|\.{1,2}[/\\]|[A-Za-z]:\\", given))


def _of_file(path: Path) -> Pairs:
    """Ids and names as a file gives them, by its ending, or by what it looks like."""
    if path.is_dir():
        raise UsageError("it is a folder")
    text, ending = _decoded(path.read_bytes()), path.suffix.lower()
    if ending in (".pbtxt", ".pbtext", ".prototxt", ".textproto", ".textpb", ".txtpb"):
        return read_label_map(text)
    if ending == ".json":
        return _json(text)
    if ending in (".yaml", ".yml"):
        return _yaml(text)
    if ending in (".csv", ".tsv"):
        return _table(text)
    return _of_text(text)


def _decoded(data: bytes) -> str:
    if is_lfs_pointer(data):
        raise UnicodeError(f"it {LFS_ADVICE}")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                raise UnicodeError(
                    f"it has the mark of {encoding.upper()}, but {error.reason} at byte "
                    f"{error.start + len(mark)}; save it as UTF-8"
                ) from None
    if b"\0" in data:
        raise UnicodeError(
            "it holds bytes of 0, as binary files do, or UTF-16 without its mark; expected text, "
            "saved as UTF-8"
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnicodeError(
            f"line {line} is not UTF-8 (byte 0x{data[error.start]:02x}), but another encoding, "
            "such as Latin-1; save it as UTF-8"
        ) from None


# What each form is


def _of_text(text: str) -> Pairs:
    """Ids and names of a text by what it looks like; a name a line is the last that is tried."""
    if re.search(r"^\s*item\s*:?\s*[{<\[]", text, re.MULTILINE | re.IGNORECASE):
        return read_label_map(text)
    if re.match(r"\s*(\{|\[\s*[\[{\"'\]\d])", text):
        return _json(text)
    if re.search(r"^(names|categories)\s*:\s*(#.*|\[.*|\{.*)?$|^---\s*$", text, re.MULTILINE):
        return _yaml(text)
    if re.search(r"^\s*(id|name|display_name)\s*:|[{<]\s*$", text, re.MULTILINE):
        # A label map all the same, if a broken one: protobuf says what is wrong.
        return read_label_map(text)
    if re.match(r"\s*<[?!\w]", text):
        return _unknown("XML or HTML")
    if re.search(r"^\s*\[[\w. ]+\]\s*$", text, re.MULTILINE) and "=" in text:
        return _unknown("an INI or TOML file")
    if _columns(re.split(r"[,;\t]", text.lstrip().partition("\n")[0])):
        return _table(text)
    return _lines(text)


def _unknown(what: str) -> Iterator[tuple[Any, Any]]:
    raise UsageError(f"it looks like {what}, which holds labels in no form that is known")


def _json(text: str) -> Pairs:
    try:
        value = json.loads(text, object_pairs_hook=_unrepeated)
    except RecursionError:
        raise UsageError("its JSON lies too deep in itself") from None
    except ValueError as error:
        raise UsageError(f"it looks like JSON, but is not: {error}") from None
    return _of_value(value)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise UsageError(f"'{repeated}' stands twice in one object")
    return found


def _yaml(text: str) -> Pairs:
    try:
        value = read_yaml(text, as_texts=True)
    except ValueError as error:
        raise UsageError(f"it looks like YAML, but is not: {error}") from None
    return _of_value(value)


def _of_value(value: Any) -> Pairs:
    """Ids and names of what JSON or YAML holds."""
    if isinstance(value, dict):
        if "categories" in value:
            return _of_value(value["categories"])
        if "names" in value:
            names = value["names"]
            if isinstance(names, list):
                count = value.get("nc", len(names))
                if str(count) != str(len(names)):
                    raise UsageError(f"nc is {count}, but names holds {len(names)}")
                # By YOLO's own rule.
                return list(enumerate(names))
            return _of_value(names)
        if value and all(_number(key) is not None for key in value):
            return list(value.items())
        if value and all(_number(number) is not None for number in value.values()):
            return [(number, name) for name, number in value.items()]
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        return [(entry.get("id"), entry.get("name")) for entry in value]
    if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
        raise UsageError(
            "a bare list does not say from which number it counts: write a mapping, such as "
            '{"1": "cat"}'
        )
    raise UsageError("it holds no categories (a list of objects with id and name) and no names")


_IDS = ("id", "class_id", "category_id", "class id", "index", "class_index", "number", "label_id")
_NAMES = ("name", "display_name", "class_name", "category_name", "class", "category", "label")


def _columns(header: list[str]) -> tuple[int, int] | None:
    """Which columns of a table hold ids and names, if its header says so."""
    titles = [title.strip().strip("\"'").casefold() for title in header]
    ids = [titles.index(title) for title in _IDS if title in titles]
    names = [titles.index(title) for title in _NAMES if title in titles]
    return (ids[0], names[0]) if ids and names else None


def _table(text: str) -> Pairs:
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True
    )
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UsageError(f"line {reader.line_num} is no CSV: {error}") from None
    if not rows:
        return []
    columns = _columns(rows[0][1])
    if columns is not None:
        rows = rows[1:]
    elif all(len(row) == 2 and _number(row[0]) is not None for _, row in rows):
        columns = (0, 1)
    else:
        raise UsageError(
            f"its first row ({', '.join(rows[0][1])[:80]}) has no columns id and name, and its "
            "rows are not an id and a name each"
        )
    pairs = []
    for number, row in rows:
        if len(row) <= max(columns):
            raise UsageError(f"line {number} has {len(row)} columns; expected an id and a name")
        pairs.append((row[columns[0]], row[columns[1]].strip()))
    return pairs


def _lines(text: str) -> Pairs:
    lines = [line.strip() for line in re.split(r"\r\n|\n|\r", text)]
    names = [line for line in lines if not line.startswith("#")]
    if lines[0].startswith("#"):
        # What follows a comment on top may be set off by a line.
        names = names[next((i for i, name in enumerate(names) if name), 0) :]
    while names and not names[-1]:
        names.pop()
    listed = [name for name in names if name]
    numbered = [re.fullmatch(r"(\d+)(?:\s*[:,;=)\t]\s*|\.?\s+)(\S.*)", name) for name in listed]
    if all(numbered):
        return [(match[1], match[2]) for match in numbered if match]
    if len(listed) > 3 and sum(match is not None for match in numbered) > len(listed) / 2:
        bare = listed[numbered.index(None)]
        raise UsageError(f"line {lines.index(bare) + 1} ('{bare[:80]}') has no id, as others have")
    return _counted(names)


def _counted(names: list[str]) -> Pairs:
    """Names numbered in a row; an empty one, or `???`, keeps its number."""
    first = 0 if names and names[0].casefold() in _NOTHING else 1
    return [(i, name) for i, name in enumerate(names, first) if name and name != "???"]


# What all have to be


def _number(value: Any) -> int | None:
    """A whole number, or a text that is exactly one."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value.is_integer() else None
    return int(value) if isinstance(value, Integral) else None


def _checked(pairs: Pairs) -> dict[int, str]:
    labels: dict[int, str] = {}
    for given, name in pairs:
        number = _number(given)
        if number is None or not 0 <= number <= _MOST:
            shown = f"'{name}'" if isinstance(name, str) else "a category"
            raise UsageError(
                f"{shown} has the id {str(given)[:40]!r}; expected a whole number from 0 to {_MOST}"
            )
        if isinstance(name, int | float) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str) or not name.strip():
            raise UsageError(f"id {number} has no name, but {str(name)[:40]!r}")
        if not name.isprintable() and any(0xD800 <= ord(letter) < 0xE000 for letter in name):
            raise UsageError(f"the name of id {number} holds half a character ({ascii(name)[:40]})")
        if labels.setdefault(number, name) != name:
            raise UsageError(f"id {number} stands twice, as '{labels[number]}' and '{name}'")
    return labels
