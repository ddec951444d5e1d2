"""Annotated images as they lie on the disk, where names differ by no more than their writing."""

from __future__ import annotations

import difflib
import logging
import os
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from tfzoo.errors import UsageError

Key = TypeVar("Key")

_log = logging.getLogger("tfzoo.accuracy")

_RULE = (
    "Names are compared with / for \\, with and without their leading folders, and however their "
    "accents are composed"
)


def find_files(folder: Path, names: Mapping[Key, str]) -> dict[Key, Path]:
    """The files of annotated images.

    Args:
        folder: Where they lie, or the folders do that they lie in.
        names: Their names by any key, as the annotations give them.

    Raises:
        UsageError: One is missing, or its name leads out of the folder, or two names are one file;
            says by which rule, and what is near.
    """
    root = os.path.realpath(folder)
    plain = {key: folder / name for key, name in names.items()}
    strays = {k for k, path in plain.items() if _is_file(path) and _strays(names[k], path, root)}
    missing = [key for key, path in plain.items() if key in strays or not _is_file(path)]
    if not missing:
        return _told_of_links(plain, root)
    by_name = _walked(folder)
    found = dict(plain)
    lost = []
    for key in missing:
        path = _alike(names[key], by_name)
        if path is None:
            lost.append(key)
        else:
            found[key] = path
    if lost:
        outside = " (which lies outside of that folder, and is not read)"
        hint = outside if lost[0] in strays else _nearest(names[lost[0]], by_name)
        raise UsageError(
            f"{len(lost)} of {len(names)} annotated images are missing, such as "
            f"{plain[lost[0]]}{hint}. Expected all of them in "
            f"{folder}, by the file_name of the annotations: leaving some out would change the "
            f"score without a word. {_RULE}"
        )
    _check_apart(found, names)
    return _told_of_links(found, root)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _strays(name: str, path: Path, root: str) -> bool:
    """Whether a name leads out of the folder by itself, not by a link that its owner put there."""
    named = Path(name)
    return (named.is_absolute() or ".." in named.parts) and not _is_below(path, root)


def _is_below(path: Path, root: str) -> bool:
    return os.path.realpath(path).startswith(os.path.join(root, ""))  # noqa: PTH118 - ends in /


def _told_of_links(found: dict[Key, Path], root: str) -> dict[Key, Path]:
    """The same, and a warning where links lead out of the folder."""
    leading = [path for path in found.values() if not _is_below(path, root)]
    if leading:
        _log.warning(
            "%d of %d annotated images are links that lead out of %s, such as %s to %s",
            len(leading), len(found), root, leading[0], os.path.realpath(leading[0]),
        )  # fmt: skip
    return found


def _parts(name: str) -> tuple[str, ...]:
    """The folders and the name of a file, whichever way they are written."""
    composed = unicodedata.normalize("NFC", name.replace("\\", "/"))
    return tuple(part for part in composed.split("/") if part not in ("", "."))


def _walked(folder: Path) -> dict[str, list[tuple[tuple[str, ...], Path]]]:
    """All files below a folder by their own names, with the folders that they lie in."""
    found: dict[str, list[tuple[tuple[str, ...], Path]]] = defaultdict(list)
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where, name)
            # A name with a backslash in it was unpacked from an archive made on Windows.
            parts = _parts(str(path.relative_to(folder)))
            found[parts[-1]].append((parts, path))
    return found


def _alike(name: str, by_name: Mapping[str, list[tuple[tuple[str, ...], Path]]]) -> Path | None:
    """The one file that a name means: where one has more leading folders, the others are equal."""
    parts = _parts(name)
    ranked: dict[int, list[Path]] = defaultdict(list)
    for candidate, path in by_name.get(parts[-1], ()) if parts else ():
        shared = min(len(parts), len(candidate))
        if parts[-shared:] == candidate[-shared:]:
            ranked[shared].append(path)
    best = ranked[max(ranked)] if ranked else []
    return best[0] if len(best) == 1 else None


def _nearest(name: str, by_name: Mapping[str, list[tuple[tuple[str, ...], Path]]]) -> str:
    parts = _parts(name)
    same = by_name.get(parts[-1], []) if parts else []
    if len(same) > 1:
        return f" ({len(same)} files of this name lie there: {same[0][1]}, {same[1][1]})"
    if not parts or not by_name:
        return ""
    lower = {other.casefold(): other for other in by_name}
    folded = parts[-1].casefold()
    near = difflib.get_close_matches(folded, lower, n=1, cutoff=0.6)
    if not near:
        return ""
    what = "but for its letters' case, it is" if near[0] == folded else "nearest is"
    return f" ({what} {lower[near[0]]})"


def _check_apart(found: Mapping[Key, Path], names: Mapping[Key, str]) -> None:
    taken: dict[Path, Key] = {}
    for key, path in found.items():
        other = taken.setdefault(path, key)
        if other != key and names[other] != names[key]:
            raise UsageError(
                f"{names[other]} and {names[key]} are two images in the annotations, but one file: "
                f"{path}. Put each into the folder that its name says. {_RULE}"
            )
