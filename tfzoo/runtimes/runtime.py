"""Runtimes: what opens a model folder and runs it, each imported only when asked for."""

from __future__ import annotations

import os
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
class TensorInfo:
    """Name, dtype and shape of one input or output.

    Attributes:
        dtype: numpy's name of the dtype, such as `uint8`.
        shape: Sizes, None where free.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ",".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype} [{sizes}]"


@dataclass(frozen=True)
class Signature:
    """What a model takes and returns, under the exporter's own names."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


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
    if images.shape[0] != 1 and not takes_batches(signature):
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
}


def installed(name: str) -> bool:
    """Whether a runtime's library is installed (looked up, not imported)."""
    return name in NEEDS and find_spec(NEEDS[name]) is not None


def open_runtime(name: str, model: Path, device: str = "auto", throughput: bool = False) -> Runtime:
    """Opens a model.

    Args:
        name: One of `NEEDS`.
        model: Folder with `saved_model.pb`, or an `.onnx` file.
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
        # The graph's trace, where there is one, follows the first line.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        hint = ""
        if max(image_size) > 100 * min(image_size):
            hint = (
                ". An image this narrow comes out at no pixels where a model keeps its aspect in "
                "scaling it down: crop it, or choose a model of fixed input shape"
            )
        raise ImageError(
            f"the model can't run on this image of {width}x{height} pixels: {reason}{hint}"
        ) from error
