"""TF Hub as a source, through tensorflow-hub's own resolver."""

from __future__ import annotations

import os
import threading
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tfzoo.errors import DownloadError
from tfzoo.store.folders import size_of
from tfzoo.store.retry import Policy
from tfzoo.threads import Workers

_CACHE_VARIABLE = "TFHUB_CACHE_DIR"
# The resolver reads its cache folder from the environment, which all threads share.
_environment = threading.Lock()


def resolve(handle: str, folder: Path, policy: Policy, most_bytes: int) -> Path:
    """Downloads a TF Hub module.

    Args:
        handle: Such as `https://tfhub.dev/tensorflow/efficientdet/d0/1`.
        folder: An empty folder of ours; the resolver's own cache for this one call.
        policy: How patient to be.
        most_bytes: A module of more is not the one that is meant.

    Returns:
        The SavedModel folder, somewhere in `folder`.

    Raises:
        DownloadError: tensorflow-hub is not installed, or the module could not be had.
    """
    if find_spec("tensorflow_hub") is None:
        raise DownloadError(
            f"{handle} needs tensorflow-hub, which is not installed: pip install 'tfzoo[hub]'"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _environment:
        before = os.environ.get(_CACHE_VARIABLE)
        os.environ[_CACHE_VARIABLE] = str(folder)
        try:
            with warnings.catch_warnings():
                # It imports pkg_resources, which warns of its own end.
                warnings.simplefilter("ignore")
                import tensorflow_hub
            return _watched(tensorflow_hub, handle, folder, policy, most_bytes)
        except DownloadError:
            raise
        except Exception as error:  # The resolver raises whatever its libraries do.
            raise DownloadError(f"{handle}: {str(error) or type(error).__name__}") from None
        finally:
            if before is None:
                del os.environ[_CACHE_VARIABLE]
            else:
                os.environ[_CACHE_VARIABLE] = before


def _watched(
    tensorflow_hub: Any, handle: str, folder: Path, policy: Policy, most_bytes: int
) -> Path:
    """What the resolver gives, which waits for a server as long as that likes.

    It unpacks what comes as it comes: how fast and how much that is shows in its folder.
    """
    workers = Workers(1, "hub")
    coming = workers.submit(tensorflow_hub.resolve, handle)
    before, since = 0, time.monotonic()
    try:
        while True:
            try:
                return Path(coming.result(min(1.0, policy.timeout_s)))
            except TimeoutError:
                if coming.done():
                    raise
            size, seconds = size_of(folder), time.monotonic() - since
            if size > most_bytes:
                raise DownloadError(f"{handle}: more than {most_bytes / 1e6:,.0f} MB")
            if seconds < policy.timeout_s:
                continue
            if size - before < policy.slow_bytes_per_s * seconds:
                rate = (size - before) / seconds
                raise DownloadError(f"{handle}: stalled at {rate:.0f} bytes a second")
            before, since = size, time.monotonic()
    finally:
        # Nothing can end a resolver that hangs; it may go on in a folder that is gone.
        workers.close(linger_s=0)
