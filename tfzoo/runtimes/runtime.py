"""Runtimes: what opens a model folder and runs it, each imported only when asked for."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tfzoo.errors import ImageError, RuntimeUnavailableError, TfzooError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What TensorFlow prints at import and at the first look for a GPU drowns our own output; the
# doctor command reports what matters of it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@dataclass(frozen=True)
class Levels:
    """How numbers are held as 8-bit integers: `number = scale * (level - zero)`."""

    scale: float
    zero: int


@dataclass(frozen=True)
class Pixels:
    """How pixels of 0..255 become a model's numbers: `(pixel - mean) / std`.

    Attributes:
        mean: A number for each channel, or one for all.
        std: The same.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Resizing:
    """How an image comes to the size of an input; see `tfzoo.prepare.preprocess`.

    Attributes:
        min_dimension: What the shorter side aims at, in pixels, where the aspect is kept and the
            rest padded; None where the image is stretched.
        half_pixel: Whether pixels are sampled by their centres.
        padding: Red, green and blue where there is no image, 0 to 255.
    """

    min_dimension: int | None
    half_pixel: bool
    padding: tuple[float, float, float]


@dataclass(frozen=True)
class TensorInfo:
    """Name, dtype and shape of one input or output.

    Attributes:
        dtype: numpy's name of the dtype, such as `uint8`; `string` for bytes of any length.
        shape: Sizes, None where free.
        levels: What its 8-bit integers mean, where the model says so.
        pixels: What it takes of an image, where the model says so.
        resizing: How an image comes to its size, where the model says so.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    levels: Levels | None = None
    pixels: Pixels | None = None
    resizing: Resizing | None = None

    def __str__(self) -> str:
        sizes = ",".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype} [{sizes}]"


@dataclass(frozen=True)
class Signature:
    """What a model takes and returns, under the exporter's own names.

    Attributes:
        labels: Category names that the model carries, by class number from 0; usually none.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    labels: tuple[str, ...] = ()


class Runtime(Protocol):
    """An opened model.

    Attributes:
        name: As `NEEDS` lists them.
        version: The runtime's version.
        device: The device really used, such as `cpu` or `gpu:0`.
        signature: What the model takes and returns.
        workers: How many threads, calling `run` at once, keep it busy.
    """

    name: str
    version: str
    device: str
    signature: Signature
    workers: int

    def run(self, *inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Runs the model on a batch, shaped as its inputs; from any thread.

        Raises:
            UsageError: The batch holds more images than the model takes.
        """
        ...


def takes_batches(signature: Signature) -> bool:
    """Whether the first dimension of a model's inputs is free."""
    return all(info.shape[:1] == (None,) for info in signature.inputs)


def check_batch(signature: Signature, images: NDArray[Any]) -> None:
    """Refuses a batch of more images than a model takes.

    The exports loop over the first image only, and would drop the others without a word.

    Raises:
        UsageError: It is such a batch.
    """
    if images.ndim in (1, 4) and images.shape[0] != 1 and not takes_batches(signature):
        raise UsageError(
            f"the model takes a batch of 1, got {images.shape[0]}; run the images one by one"
        )


Opener = Callable[[Path, str, bool], Runtime]

#: Runtime name to the module it needs; `open_runtime` imports ours of the same name.
NEEDS = {
    "tensorflow": "tensorflow",
    "frozen": "tensorflow",
    "xla": "tensorflow",
    "openvino": "openvino",
    "onnx": "onnxruntime",
    "litert": "ai_edge_litert",
}


def installed(name: str) -> bool:
    """Whether a runtime's library is installed (looked up, not imported)."""
    return name in NEEDS and find_spec(NEEDS[name]) is not None


def open_runtime(name: str, model: Path, device: str = "auto", throughput: bool = False) -> Runtime:
    """Opens a model.

    Args:
        name: One of `NEEDS`.
        model: Folder with `saved_model.pb`, or an `.onnx` or `.tflite` file.
        device: `auto` (a GPU where there is one), `cpu`, `gpu` or `gpu:1`.
        throughput: Prefer many images a second over the latency of one.

    Raises:
        UsageError: No runtime goes by this name.
        RuntimeUnavailableError: Its library is not installed.
        DeviceError: The device asked for is not there.
        ModelFormatError: The model can't be opened.
    """
    if name not in NEEDS:
        raise UsageError(f"no runtime is called '{name}'; runtimes are {', '.join(NEEDS)}")
    if not installed(name):
        extra = "" if NEEDS[name] == "tensorflow" else f"[{name}]"
        raise RuntimeUnavailableError(
            f"runtime {name} needs {NEEDS[name]}, which is not installed: "
            f"pip install 'tfzoo{extra}'"
        )
    from importlib import import_module

    opener: Opener = import_module(f"tfzoo.runtimes.{name}").open_model
    return opener(model, device, throughput)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keeps out what libraries write to the terminal past Python, whatever their log level.

    It holds for the whole process, so it is for moments in which nobody else has much to tell.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


@contextmanager
def image_failures(image_size: tuple[int, int]) -> Iterator[None]:
    """Turns whatever a runtime raises while it runs an image into an `ImageError`.

    The libraries share no exception, and one bad image must not end a run over a folder.

    Args:
        image_size: Height and width of the image in pixels, for the message.

    Raises:
        ImageError: With the size, the library's reason and, for a very narrow image, the cause.
    """
    try:
        yield
    except TfzooError:
        raise
    except Exception as error:
        height, width = image_size
        hint = ""
        if max(image_size) > 100 * min(image_size):
            hint = (
                ". An image this narrow comes out at no pixels where a model keeps its aspect in "
                "scaling it down: crop it, or choose a model of fixed input shape"
            )
        raise ImageError(
            f"the model can't run on this image of {width}x{height} pixels: "
            f"{reason_of(error)}{hint}"
        ) from error


# Lines of the libraries' errors that tell where in their own source something was noticed, and
# none of what it was.
_WHERE = re.compile(
    r"""Graph\ execution\ error:?$ | Detected\ at\ node\b | <stack\ traces | File\ " | \[\[\{\{
    | \d+\ root\ error | \d+\ successful\ operations | Original\ stack\ trace | in\ user\ code:
    | Exception\ from\ | Check\ '.*'\ failed\ at\ | FrontEnd\ API\ failed\ with
    | Please\ fix\ either""",
    re.VERBOSE,
)
# What may stand around a reason.
_AROUND = re.compile(
    r"^\(\d+\) [A-Z_]+:\s*|^\[ONNXRuntimeError\] : \d+ : \w+ : |\s*\[Op:\w+\]"
    r"|\{\{\w+_node [^}]*\}\}\s*|\s*name:\s*$"
)


def reason_of(error: BaseException) -> str:
    """The reason in a library's error, as one line, without its places in the library's source.

    TensorFlow and OpenVINO begin with lines that say where something failed; what failed follows.
    """
    text = str(error).strip()
    lines = [line.strip() for line in text.splitlines()]
    told = [line for line in lines if line and not _WHERE.match(line)]
    if not told:
        return type(error).__name__
    if "in user code:" in lines:
        told = told[-1:]  # What follows are lines of source; the error comes last.
    elif not text.startswith(("Exception from ", "Check '", "[ONNXRuntimeError]")):
        told = told[:1]
    reason = " ".join(_AROUND.sub("", line) for line in told).rstrip(". ")
    return reason if len(reason) <= 500 else reason[:500] + "..."
