"""Prepared models: what a runtime opens in a fraction of the time, derived once and kept.

A prepared model is data derived from a model in the cache. It lies beside it under a name that
holds the model's digest, the converter, its version and the processor, so that a new one is made
whenever one of them changes. Its files are checked by digest at each opening; a damaged one is
made anew, never trusted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tfzoo import records
from tfzoo.errors import StoreError
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.pipeline_config import PipelineConfig, find_config
from tfzoo.runtimes.runtime import NEEDS
from tfzoo.store.derived import derived, find_derived, forget_derived
from tfzoo.store.folders import size_of
from tfzoo.store.models import StoredModel

#: Raised whenever what is written, or what is measured, changes.
FORMAT = 5

RECORD = "prepared.json"

#: A form takes up to so many times the room of its model: weights, and code that holds them again.
MOST_ROOM = 3

#: Fills a folder with a model's form; gives what is left to do outside, and in a sentence why.
Write = Callable[[Path, Path, PipelineConfig], tuple[Cut, str]]


@dataclass(frozen=True)
class Form:
    """A kind of prepared model.

    Attributes:
        name: Its name in the cache.
        writer: Our module of `tfzoo.prepare` whose `write_prepared` makes it.
        compiled: Whether it holds code for one processor.
    """

    name: str
    writer: str
    compiled: bool


_FROZEN = Form("frozen", "frozen_graph", compiled=False)

#: The forms that runtimes open, by runtime.
FORMS = {
    "frozen": _FROZEN,
    "xla": _FROZEN,
    "openvino": Form("openvino", "openvino_graph", compiled=True),
}

_log = logging.getLogger("tfzoo.prepare.prepared")


@dataclass(frozen=True)
class Prepared:
    """A prepared model.

    Attributes:
        folder: Where its files lie; never write into it.
        cut: What is left to do outside of the graph.
        note: In a sentence, why it is cut or whole.
    """

    folder: Path
    cut: Cut
    note: str


def prepare(model: StoredModel, runtime: str) -> Prepared:
    """A model's form for a runtime, made where there is none yet.

    Args:
        model: From the store; a SavedModel.
        runtime: One of `FORMS`.

    Raises:
        ModelFormatError: The runtime can't read the model.
        StoreError: It can't be kept.
    """
    form = FORMS[runtime]
    config = find_config(model.path, model.spec)

    def build(folder: Path) -> None:
        write: Write = import_module(f"tfzoo.prepare.{form.writer}").write_prepared
        _log.info("preparing %s for %s; this is done once", model.id, form.name)
        cut, note = write(model.path, folder, config)
        write_record(folder, {"cut": cut.to_json(), "note": note})

    return as_prepared(*keep(model, form.name, _made_for(runtime, config), build))


def is_prepared(model: StoredModel, runtime: str) -> bool:
    """Whether `prepare` need not make a model's form for a runtime."""
    config = find_config(model.path, model.spec)
    return kept(model, FORMS[runtime].name, _made_for(runtime, config)) is not None


def _made_for(runtime: str, config: PipelineConfig) -> str:
    # The config too: of a bare folder, the digest does not know what lies beside it.
    return f"{library_version(runtime)} {machine() if FORMS[runtime].compiled else ''} {config}"


def as_prepared(folder: Path, record: dict[str, Any]) -> Prepared:
    """A folder of derived data as its record describes it."""
    return Prepared(folder, Cut.from_json(record["cut"]), record["note"])


def keep(
    model: StoredModel,
    key: str,
    versions: str,
    build: Callable[[Path], None],
    anew: bool = False,
) -> tuple[Path, dict[str, Any]]:
    """A sound folder of derived data, and its record.

    Args:
        model: What it is derived from.
        key: What it is.
        versions: What it depends on beside the model.
        build: Fills a folder; its last step is `write_record`.
        anew: Whether to build it whatever is there; that is replaced once the new one is whole.

    Raises:
        StoreError: It can't be kept.
    """
    records: dict[Path, dict[str, Any]] = {}

    def sound(folder: Path) -> bool:
        record = read_record(folder)
        if record is not None:
            records[folder] = record
        elif folder.exists():
            _log.warning("%s is damaged; it is not used", folder)
        return record is not None

    room = MOST_ROOM * size_of(model.path)
    folder = derived(model.id, model.digest, key, build, f"{FORMAT} {versions}", sound, anew, room)
    if (anew or folder not in records) and not sound(folder):
        raise StoreError(f"{folder} was damaged as soon as it was made; check the disk")
    return folder, records[folder]


def kept(model: StoredModel, key: str, versions: str) -> tuple[Path, dict[str, Any]] | None:
    """A sound folder of derived data and its record, or None where there is none."""
    folder = find_derived(model.id, model.digest, key, f"{FORMAT} {versions}")
    record = folder and read_record(folder)
    return (folder, record) if folder and record else None


def forget_kept(model: StoredModel, key: str, versions: str) -> None:
    """Removes what `keep` made in this user's own cache.

    Raises:
        StoreError: The cache can't be written.
    """
    forget_derived(model.id, model.digest, key, f"{FORMAT} {versions}")


def write_record(folder: Path, content: dict[str, Any]) -> None:
    """Seals a folder: its record names each file with its digest."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): _file_digest(path) for path in paths}
    record = {"files": files, **content}
    (folder / RECORD).write_text(json.dumps({"seal": _seal(record), **record}, indent=1))


def read_record(folder: Path) -> dict[str, Any] | None:
    """A folder's record, or None where a file is missing or is not what it was."""
    try:
        record = records.parsed((folder / RECORD).read_bytes())
        if not isinstance(record, dict) or record.pop("seal", None) != _seal(record):
            return None
        sound = all(
            _file_digest(folder / name) == digest for name, digest in record["files"].items()
        )
    except (OSError, ValueError):
        return None
    return record if sound else None


def _seal(record: dict[str, Any]) -> str:
    """What tells a record from a damaged one."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def library_version(runtime: str) -> str:
    """Version of a runtime's library without importing it; empty where it is not installed."""
    for name in (NEEDS[runtime], NEEDS[runtime] + "-gpu", NEEDS[runtime] + "-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


@lru_cache(maxsize=1)
def machine() -> str:
    """The processor: its name and what it can do, which compiled code and figures depend on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    wanted = ("model name", "flags", "Features", "CPU part")
    told = sorted({line for line in lines if line.startswith(wanted)})
    count = sum(line.startswith("processor") for line in lines)
    return f"{platform.machine()} {platform.processor()} {count} {' '.join(told)}"
