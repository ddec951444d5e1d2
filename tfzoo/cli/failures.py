"""What is told of an error that ends a command: its cause, and what to do about it."""

from __future__ import annotations

import errno
import os
import platform
import traceback
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from tfzoo.cli.console import err
from tfzoo.errors import TfzooError
from tfzoo.runtimes.runtime import reason_of
from tfzoo.settings import debug
from tfzoo.version import __version__

#: Whose versions a report should name.
_LIBRARIES = ("tensorflow", "openvino", "onnxruntime", "numpy", "pillow", "opencv-python")

_ROOM = "Make room on that disk, or choose another with --out, TFZOO_CACHE or TMPDIR"
_RIGHTS = "Choose a place that you may read and write, with --out, TFZOO_CACHE or TMPDIR"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.EMFILE: "Allow more open files: ulimit -n 4096",
    errno.ENOMEM: "Free some memory, or choose a smaller model",
}


def tell(error: Exception, command: str) -> int:
    """Tells of an error on standard error; gives what the command exits with.

    Args:
        error: What ended the command.
        command: Its name.
    """
    if debug():
        err.print("".join(traceback.format_exception(error)), soft_wrap=True)
    err.print("error: ", style="bold red", end="")
    err.print(_told(error, command), soft_wrap=True)
    return error.exit_code if isinstance(error, TfzooError) else TfzooError.exit_code


def _told(error: Exception, command: str) -> str:
    if isinstance(error, TfzooError):
        return str(error)
    if isinstance(error, MemoryError):
        return (
            "the memory of this machine does not suffice. Choose a smaller model or a smaller "
            "--batch, or end other programs"
        )
    if isinstance(error, OSError):
        return _told_of_system(error)
    if isinstance(error, ImportError):
        return f"a library can't be loaded: {error}. See what is missing with: tfzoo doctor"
    name = f"tfzoo {command}".rstrip()
    return (
        f"{name} failed in a way that it should not: {type(error).__name__}: {reason_of(error)}. "
        "That is a fault of tfzoo: please report it, with what the same command shows with "
        f"--debug and with these versions: {_versions()}"
    )


def _told_of_system(error: OSError) -> str:
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd does no more
    except OSError:
        return "the folder that the command was started in is gone. Go to another one: cd"
    where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    remedy = _REMEDIES.get(error.errno or 0, "Check that it is there, and that it is yours to use")
    return f"{where}{error.strerror or error}. {remedy}"


def _versions() -> str:
    found = [f"tfzoo {__version__}", f"Python {platform.python_version()}", platform.platform()]
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)
