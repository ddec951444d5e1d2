"""A Ray cluster, joined, and its nodes."""

from __future__ import annotations

import logging
import os
from typing import Any

from tfzoo.errors import RuntimeUnavailableError, TfzooError, UsageError
from tfzoo.runtimes.runtime import quiet_stderr


def join(address: str | None) -> Any:
    """Joins a cluster, or makes one of this machine; gives Ray.

    Args:
        address: As it was asked for; None: as `RAY_ADDRESS` says, or this machine alone.

    Raises:
        RuntimeUnavailableError: Ray is not installed.
        UsageError: No cluster answers at the address.
        TfzooError: Ray can't be started.
    """
    try:
        import ray
    except ImportError:
        raise RuntimeUnavailableError(
            "engine ray needs Ray, which is not installed: pip install 'tfzoo[ray]'"
        ) from None
    # Ray would join whatever cluster runs on this machine, anybody's, where it is told nothing.
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    # What Ray tells of itself goes into its own files; what matters of it becomes an error here.
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "ERROR")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if not ray.is_initialized():
        try:
            with quiet_stderr():
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            raise UsageError(
                f"no Ray cluster answers at {address}: {error}. Start one with: ray start --head"
            ) from None
        except Exception as error:  # Ray raises nothing more exact when it fails to start.
            raise TfzooError(
                f"Ray could not be started: {error}\nThe engine local needs none"
            ) from error
    return ray
