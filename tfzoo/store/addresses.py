"""A model by its address, which no manifest lists: what a manifest would say of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from tfzoo.errors import UnknownModelError
from tfzoo.images.addresses import is_address
from tfzoo.outside import keyed, public
from tfzoo.store.digests import short
from tfzoo.store.local import is_archive
from tfzoo.zoo.schema import SINGLE_FILES, InputSize, ModelSpec, Source

__all__ = ["is_address", "spec_at"]

_LONGEST_STEM = 60


def spec_at(address: str) -> ModelSpec:
    """What a manifest would say of the model at an address.

    Args:
        address: Of an archive, an .onnx or a .tflite file, over http or https.

    Raises:
        UnknownModelError: It is the address of nothing such.
    """
    try:
        parts = urlsplit(address)
        name = unquote(PurePosixPath(parts.path).name)
    except ValueError as error:
        raise UnknownModelError(f"{public(address)} is no address: {error}") from None
    stem, ending = _split(name)
    if parts.scheme.lower() not in ("http", "https") or not ending:
        raise UnknownModelError(
            f"{public(address)} is the address of no model; expected http or https, and a file "
            "that ends in .tar.gz, .tgz, .tar, .zip, .onnx or .tflite"
        )
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:_LONGEST_STEM].strip("._-") or "model"
    mark = short(f"sha256:{hashlib.sha256(keyed(address).encode()).hexdigest()}")
    try:
        return ModelSpec(
            id=f"{plain}-{mark}",
            name=f"{plain}{ending}",
            family="",
            stages=1,
            anchors=False,
            backbone="",
            input=InputSize(resizer=None, source=""),
            outputs=("boxes",),
            signature="unknown",
            archive=f"{plain}{ending}",
            sources=(Source(kind="archive", url=address),),
            license="",
        )
    except ValueError as error:
        raise UnknownModelError(f"{public(address)}: {public(str(error))}") from None


def _split(name: str) -> tuple[str, str]:
    """A file's name and its ending, which is empty where it is no model's."""
    if (ending := Path(name).suffix.lower()) in SINGLE_FILES:
        return name[: -len(ending)], ending
    if is_archive(Path(name)):
        ending = ".tar.gz" if name.lower().endswith(".tar.gz") else ending
        return name[: -len(ending)], ending
    return name, ""
