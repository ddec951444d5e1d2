"""`Detector`: a model opened by name, as one callable from images to `Detections`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from tfzoo.cut import WHOLE, Cut
from tfzoo.decode import Frame, Raw, decode, prepare, recognise
from tfzoo.detections import Detections, Image, RunInfo
from tfzoo.errors import ModelFormatError
from tfzoo.labels import COCO
from tfzoo.manifest import ModelSpec, SignatureKind
from tfzoo.opening import open_model
from tfzoo.pipeline import READERS, batched, in_order
from tfzoo.postprocess import RAW_BOXES, RAW_SCORES, postprocess
from tfzoo.runtimes import Runtime, image_failures, takes_batches
from tfzoo.sources import ImageLike, read_image
from tfzoo.store import StoredModel, get_model

_log = logging.getLogger("tfzoo.detector")

#: The runtime that `auto` means, instead of measuring.
RUNTIME_VARIABLE = "TFZOO_RUNTIME"


class Detector:
    """An opened model; call it with an image.

    Attributes:
        model: Where the model lies and what vouches for it.
        runtime: What runs it.
        kind: The kind of its signature.
        labels: Category names by id.
        cut: What is done outside of the graph.
    """

    def __init__(
        self,
        model: StoredModel,
        runtime: Runtime,
        labels: Mapping[int, str],
        cut: Cut = WHOLE,
    ) -> None:
        self.model = model
        self.runtime = runtime
        self.labels = labels
        self.cut = cut
        self.kind: SignatureKind = "standard" if cut.after else recognise(runtime.signature)
        self.run_info = RunInfo(model.id, f"{runtime.name} {runtime.version}", runtime.device)

    @overload
    def __call__(self, images: list[ImageLike]) -> list[Detections]: ...

    @overload
    def __call__(self, images: ImageLike) -> Detections: ...

    def __call__(self, images: ImageLike | list[ImageLike]) -> Detections | list[Detections]:
        """Detects one image, or each of a list.

        Args:
            images: A path, bytes, PIL image or array (see `tfzoo.sources.read_image`), or a list.

        Returns:
            `Detections`, or a list of them. They keep their image, for pictures.

        Raises:
            ImageError: An image can't be read.
        """
        if isinstance(images, list):
            return [self._detect_and_keep(image) for image in images]
        return self._detect_and_keep(images)

    def _detect_and_keep(self, source: ImageLike) -> Detections:
        image = read_image(source)
        return replace(self.detect(image), image=image)

    def stream(
        self, images: Iterable[ImageLike], min_score: float = 0.0, batch_size: int = 1
    ) -> Iterator[Detections]:
        """Reads and detects images, in order, several at once, keeping few in memory.

        Args:
            images: See `__call__`.
            min_score: Leave out detections below this score.
            batch_size: How many images to run in one call. Where the model takes one image a
                call (`takes_batches`), as many calls are in flight instead.

        Raises:
            ImageError: An image can't be read.
        """
        if not self.takes_batches or batch_size == 1:

            def read_and_detect(source: ImageLike) -> Detections:
                return self.detect(read_image(source), min_score)

            for _, found in in_order(read_and_detect, images, max(batch_size, self.workers)):
                yield found
            return
        with closing(in_order(read_image, images, READERS)) as read:
            batches = batched((image for _, image in read), batch_size)
            detect = partial(self.detect_batch, min_score=min_score)
            for _, several in in_order(detect, batches, self.workers):
                yield from several

    def detect_many(self, images: Iterable[Image], min_score: float = 0.0) -> Iterator[Detections]:
        """Detects images, uint8 [H, W, 3] RGB each, in order, several at once."""
        for _, found in in_order(lambda image: self.detect(image, min_score), images, self.workers):
            yield found

    @property
    def workers(self) -> int:
        """How many threads, calling `detect` at once, keep the runtime busy."""
        return self.runtime.workers

    @property
    def takes_batches(self) -> bool:
        """Whether the runtime takes several images in one call."""
        return takes_batches(self.runtime.signature)

    def detect(self, image: Image, min_score: float = 0.0) -> Detections:
        """Detects one image; may be called from several threads at once.

        Args:
            image: uint8 [H, W, 3] RGB.
            min_score: Leave out detections below this score (0 to 1).

        Raises:
            ImageError: The model can't run on an image of this size.
        """
        with image_failures((image.shape[0], image.shape[1])):
            batch, frame = self._prepare(image)
            raw = self.runtime.run(batch)
        return self._finish(raw, frame, min_score)

    def detect_batch(self, images: Sequence[Image], min_score: float = 0.0) -> list[Detections]:
        """Detects several images, in one call of the runtime where that takes batches.

        Args:
            images: uint8 [H, W, 3] RGB each, of any sizes.
            min_score: Leave out detections below this score (0 to 1).

        Raises:
            ImageError: The model can't run on an image of this size.
        """
        if not self.takes_batches or len(images) == 1:
            return [self.detect(image, min_score) for image in images]
        prepared = []
        for image in images:
            with image_failures((image.shape[0], image.shape[1])):
                prepared.append(self._prepare(image))
        if len({batch.shape for batch, _ in prepared}) > 1:
            return [self.detect(image, min_score) for image in images]
        with image_failures((images[0].shape[0], images[0].shape[1])):
            raw = self.runtime.run(np.concatenate([batch for batch, _ in prepared]))
        if short := [name for name, value in raw.items() if len(value) != len(images)]:
            raise ModelFormatError(
                f"{self.model.id} takes a batch but gives no {short[0]} for each of "
                f"{len(images)} images; run it with a batch of 1"
            )
        return [
            self._finish({name: value[i : i + 1] for name, value in raw.items()}, frame, min_score)
            for i, (_, frame) in enumerate(prepared)
        ]

    def _prepare(self, image: Image) -> tuple[NDArray[Any], Frame]:
        """The runtime's input for an image, a batch of one, and where the image lies in it."""
        if self.cut.before is not None:
            return self.cut.before(image)[None], Frame.whole((image.shape[0], image.shape[1]))
        return prepare(self.kind, image, self.runtime.signature.inputs[0])

    def _finish(self, raw: Raw, frame: Frame, min_score: float) -> Detections:
        """Detections from the runtime's outputs for one image."""
        if self.cut.after is not None:
            boxes, scores = raw[RAW_BOXES][0], raw[RAW_SCORES][0]
            raw = postprocess(boxes, scores, frame.image_size, self.cut.after, min_score)
        found = decode(self.kind, raw, frame, self.labels, min_score)
        return replace(found, run=self.run_info)

    def __repr__(self) -> str:
        return (
            f"<tfzoo detector {self.model.id}, {self.run_info.runtime} on {self.run_info.device}>"
        )


def load(
    name: str | PathLike[str] | ModelSpec,
    *,
    device: str = "auto",
    runtime: str = "auto",
    labels: Mapping[int, str] | None = None,
    throughput: bool = False,
) -> Detector:
    """Opens a model: fetched, verified and cached at first, from the cache afterwards.

    Args:
        name: A name, id, alias or short form (`tfzoo list`), a SavedModel folder or an archive.
        device: `auto` (a GPU where there is one), `cpu`, `gpu` or `gpu:1`.
        runtime: `tensorflow` (the export as it is), `frozen` (TensorFlow on its prepared form),
            `xla` (that compiled), `openvino` or `onnx`; `auto` is what `TFZOO_RUNTIME` says, else
            the fastest that is proven to agree with TensorFlow (measured once for each model and
            kind of device, see `tfzoo.choose`). An `.onnx` file opens with `onnx` unless OpenVINO
            is asked for.
        labels: Category names by id, where they are not those of the manifest, or COCO's.
        throughput: Prefer many images a second (`stream`) over the latency of one.

    Raises:
        UnknownModelError, AmbiguousModelError: The name fits no model, or several.
        StoreError: The model could not be had.
        ModelFormatError: It is no detector.
        DeviceError, RuntimeUnavailableError: It can't be run as asked.
    """
    model = get_model(name)
    names = labels or (model.spec.labels if model.spec else None) or COCO
    if runtime == "auto":
        runtime = os.environ.get(RUNTIME_VARIABLE, "auto")
    opened: dict[str, Detector] = {}

    def open_with(chosen: str) -> Detector:
        if chosen not in opened:
            parts = open_model(model, chosen, device, throughput)
            opened[chosen] = Detector(model, parts.runtime, names, parts.cut)
        return opened[chosen]

    if model.path.suffix == ".onnx":
        # TensorFlow opens no .onnx file.
        runtime = "openvino" if runtime == "openvino" else "onnx"
    elif runtime == "auto":
        runtime = _choose(model, open_with, _on_gpu(device))
    elif runtime != "tensorflow":
        _warn_if_disproven(model, runtime, _on_gpu(device))
    return open_with(runtime)


def _choose(model: StoredModel, open_with: Callable[[str], Detector], gpu: bool) -> str:
    from tfzoo.choose import choose

    return choose(model, lambda name: open_with(name).detect, gpu).runtime


def _warn_if_disproven(model: StoredModel, runtime: str, gpu: bool) -> None:
    """Says so where a runtime that was asked for is known to find other things."""
    from tfzoo.choose import known_choice

    known = known_choice(model, gpu)
    for trial in known.trials if known else ():
        if trial.runtime == runtime and not trial.agrees:
            _log.warning(
                "%s on %s does not agree with TensorFlow: %s", model.id, runtime, trial.reason
            )


def _on_gpu(device: str) -> bool:
    # TensorFlow would take seconds to say whether it sees a GPU.
    return device.startswith("gpu") or (device == "auto" and Path("/dev/nvidiactl").exists())
