"""TensorFlow: runs any SavedModel as it was exported."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from numpy.typing import NDArray

from tfzoo.errors import DeviceError, ModelFormatError
from tfzoo.runtimes.runtime import Signature, TensorInfo, check_batch, reason_of

if TYPE_CHECKING:
    import tensorflow as tf


class TensorFlowRuntime:
    """A SavedModel's `serving_default` signature."""

    name = "tensorflow"
    # One decodes while the other's network runs on all cores.
    workers = 2

    def __init__(self, folder: Path, device: str) -> None:
        import tensorflow as tf

        self.version: str = tf.__version__
        self.device = choose_device(device)
        self._device = "/" + ("GPU:" + self.device[4:] if self.device != "cpu" else "CPU:0")
        try:
            with tf.device(self._device):
                # The loaded object owns the variables: it lives as long as its signature.
                self._model = load_export(folder)
        except Exception as error:  # A cut file raises nearly anything: IndexError, KeyError.
            raise ModelFormatError(
                f"{folder} can't be opened as a SavedModel: {reason_of(error)}. Expected "
                "saved_model.pb and variables/; if a download was damaged, remove it with: "
                "tfzoo cache remove"
            ) from None
        if "serving_default" not in self._model.signatures:
            names = ", ".join(self._model.signatures) or "none"
            raise ModelFormatError(
                f"{folder} has no signature called serving_default (it has: {names}); export it "
                "with the Object Detection API's exporter_main_v2"
            )
        self._function = self._model.signatures["serving_default"]
        _, inputs = self._function.structured_input_signature
        self.signature = Signature(
            # In the order of their names, which is that of `tfzoo.detector.Prepared`.
            tuple(_info(name, spec) for name, spec in sorted(inputs.items())),
            tuple(_info(name, spec) for name, spec in self._function.structured_outputs.items()),
        )

    def run(self, *inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """See `Runtime.run`."""
        import tensorflow as tf

        check_batch(self.signature, inputs[0])
        with tf.device(self._device):
            given = zip(self.signature.inputs, inputs, strict=True)
            results = self._function(**{info.name: tf.constant(value) for info, value in given})
        return {name: value.numpy() for name, value in results.items()}


_loaded: WeakValueDictionary[Path, Any] = WeakValueDictionary()


def load_export(folder: Path) -> Any:
    """A SavedModel as an object; the same one as long as somebody has it.

    Whoever prepares a model that is open does not wait for it a second time.
    """
    import tensorflow as tf

    if (found := _loaded.get(folder)) is None:
        with quiet_absl():
            found = _loaded[folder] = tf.saved_model.load(str(folder))
    return found


def open_model(folder: Path, device: str, throughput: bool = False) -> TensorFlowRuntime:
    """Opens a SavedModel folder; see `tfzoo.runtimes.open_runtime`."""
    return TensorFlowRuntime(folder, device)


@contextmanager
def quiet_absl() -> Iterator[None]:
    """Keeps out warnings of what only matters to training, such as gradients that were not saved.

    They come by absl's logger, which TensorFlow's log level does not reach.
    """
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def choose_device(device: str) -> str:
    """`cpu` or `gpu:N` for what was asked, with memory growth on for GPUs.

    Raises:
        DeviceError: A GPU was asked for that TensorFlow does not see.
    """
    import tensorflow as tf

    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", device):
        raise DeviceError(f"device '{device}': expected auto, cpu, gpu or gpu:N")
    gpus = tf.config.list_physical_devices("GPU") if device != "cpu" else []
    for gpu in gpus:
        # Fails once a GPU is in use; then it was set before.
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except (RuntimeError, ValueError):
            break
    if device == "cpu" or (device == "auto" and not gpus):
        return "cpu"
    index = int(device[4:] or 0) if device != "auto" else 0
    if index >= len(gpus):
        built = "" if tf.test.is_built_with_cuda() else " (this TensorFlow is built without CUDA)"
        raise DeviceError(
            f"device {device} was asked for, but TensorFlow sees {len(gpus)} GPUs{built}. It needs "
            "an NVIDIA driver and: pip install 'tfzoo[gpu]'. See what is missing with: "
            "tfzoo doctor; or run with --device cpu"
        )
    return f"gpu:{index}"


def _info(name: str, spec: tf.TensorSpec) -> TensorInfo:
    shape = () if spec.shape.rank is None else tuple(spec.shape.as_list())
    return TensorInfo(name, spec.dtype.name, shape)
