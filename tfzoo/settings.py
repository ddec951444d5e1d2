"""What the environment says: where caches lie, how bold the store may be, how patient all are."""

from __future__ import annotations

import math
import os
from pathlib import Path

from tfzoo.errors import UsageError

#: This package: what is bundled with it lies below.
PACKAGE = Path(__file__).parent

#: Folder of the cache, instead of the platform's.
CACHE_VARIABLE = "TFZOO_CACHE"
#: Read-only caches to search first, separated like PATH; never written to.
SHARED_CACHE_VARIABLE = "TFZOO_SHARED_CACHE"
#: `1` forbids every download.
OFFLINE_VARIABLE = "TFZOO_OFFLINE"
#: Base URL tried before a model's own sources.
MIRROR_VARIABLE = "TFZOO_MIRROR"
#: `1` accepts plain http without a digest in the manifest.
UNVERIFIED_VARIABLE = "TFZOO_ALLOW_UNVERIFIED"
#: `1` reads every byte of a cached model before it is opened.
VERIFY_VARIABLE = "TFZOO_VERIFY"
#: `1` shows the traceback of an error that ends a command.
DEBUG_VARIABLE = "TFZOO_DEBUG"
#: `1` opens models that nothing vouches for whatever an audit finds in them.
TRUST_VARIABLE = "TFZOO_TRUST"
#: `0` keeps commands from preparing models unasked.
PREPARE_VARIABLE = "TFZOO_PREPARE"
#: Bytes a second below which a server counts as stalled, as curl's `--speed-limit`.
SPEED_LIMIT_VARIABLE = "TFZOO_SPEED_LIMIT"
#: Seconds over which that rate is taken, and within which an answer must begin.
SPEED_TIME_VARIABLE = "TFZOO_SPEED_TIME"
#: Seconds that the image behind an address may take in all.
IMAGE_TIME_VARIABLE = "TFZOO_IMAGE_TIME"


def at_home(path: str | os.PathLike[str]) -> Path:
    """A path with `~` for a home folder in full; as it is where there is no such user or home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises then


def cache_folder() -> Path:
    """This user's cache: `TFZOO_CACHE`, or the platform's cache folder.

    Raises:
        UsageError: It lies in a home folder, and the system knows of none.
    """
    try:
        if given := os.environ.get(CACHE_VARIABLE):
            return at_home(given).absolute()
        from platformdirs import user_cache_path

        return user_cache_path("tfzoo", appauthor=False)
    except RuntimeError:
        raise UsageError(
            "this user has no home folder that a cache could lie in; set HOME, or "
            f"{CACHE_VARIABLE} to a folder"
        ) from None


def shared_caches() -> tuple[Path, ...]:
    """Read-only caches of the machine or the team, in the order they are searched."""
    given = os.environ.get(SHARED_CACHE_VARIABLE, "").split(os.pathsep)
    return tuple(at_home(path).absolute() for path in given if path)


def offline() -> bool:
    """Whether downloads are switched off."""
    return _switched_on(OFFLINE_VARIABLE)


def allow_unverified() -> bool:
    """Whether bytes that nothing vouches for are accepted."""
    return _switched_on(UNVERIFIED_VARIABLE)


def verifies_all() -> bool:
    """Whether every byte of a cached model is read and compared before it is opened."""
    return _switched_on(VERIFY_VARIABLE)


def trusts_all() -> bool:
    """Whether a model that nothing vouches for is opened whatever an audit finds in it."""
    return _switched_on(TRUST_VARIABLE)


def prepares_unasked() -> bool:
    """Whether a command may prepare a model that it runs for the first time."""
    return _switched_on(PREPARE_VARIABLE, unset="1")


def debug() -> bool:
    """Whether the traceback of an error that ends a command is shown."""
    return _switched_on(DEBUG_VARIABLE)


def mirror() -> str | None:
    """Base URL of a mirror, without a slash at its end."""
    return os.environ.get(MIRROR_VARIABLE, "").rstrip("/") or None


def speed_limit() -> float:
    """Bytes a second below which a server counts as stalled."""
    return _positive(SPEED_LIMIT_VARIABLE, 4096.0)


def speed_time_s() -> float:
    """Seconds over which the least rate is taken, and within which an answer must begin."""
    return _positive(SPEED_TIME_VARIABLE, 30.0)


def image_time_s() -> float:
    """Seconds that the image behind an address may take in all."""
    return _positive(IMAGE_TIME_VARIABLE, 120.0)


def _positive(variable: str, unset: float) -> float:
    text = os.environ.get(variable, "").strip()
    try:
        number = float(text or unset)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise UsageError(f"{variable} is '{text}'; expected a number above 0, such as {unset:g}")
    return number


def _switched_on(variable: str, unset: str = "") -> bool:
    return os.environ.get(variable, unset).strip().casefold() in {"1", "true", "yes", "on"}
