"""TF Hub as a source, through tensorflow-hub's own resolver."""

from __future__ import annotations

import os
import threading
import warnings
from importlib.util import find_spec
from pathlib import Path

from tfzoo.errors import DownloadError

_CACHE_VARIABLE = "TFHUB_CACHE_DIR"
# The resolver reads its cache folder from the environment, which all threads share.
_environment = threading.Lock()


def resolve(handle: str, folder: Path) -> Path:
    """Downloads a TF Hub module.

    Args:
        handle: Such as `https://tfhub.dev/tensorflow/efficientdet/d0/1`.
        folder: An empty folder of ours; the resolver's own cache for this one call.

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
            return Path(tensorflow_hub.resolve(handle))
        except Exception as error:  # The resolver raises whatever its libraries do.
            raise DownloadError(f"{handle}: {str(error) or type(error).__name__}") from None
        finally:
            if before is None:
                del os.environ[_CACHE_VARIABLE]
            else:
                os.environ[_CACHE_VARIABLE] = before
