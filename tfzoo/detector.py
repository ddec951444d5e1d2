"""`Detector`: a model opened by name, as one callable from images to `Detections`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from os import PathLike
from typing import overload

from tfzoo.decode import decode, prepare, recognise
from tfzoo.detections import Detections, Image, RunInfo
from tfzoo.labels import COCO
from tfzoo.manifest import ModelSpec
from tfzoo.runtimes import Runtime, image_failures, open_runtime
from tfzoo.sources import ImageLike, read_image
from tfzoo.store import StoredModel, get_model


class Detector:
    """An opened model; call it with an image.

    Attributes:
        model: Where the model lies and what vouches for it.
        runtime: What runs it.
        kind: The kind of its signature.
        labels: Category names by id.
    """

    def __init__(self, model: StoredModel, runtime: Runtime, labels: Mapping[int, str]) -> None:
        self.model = model
        self.runtime = runtime
        self.labels = labels
        self.kind = recognise(runtime.signature)
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

    def stream(self, images: Iterable[ImageLike]) -> Iterator[Detections]:
        """Detects images one after the other, in order, keeping none in memory.

        Raises:
            ImageError: An image can't be read.
        """
        for image in images:
            yield self.detect(read_image(image))

    def detect(self, image: Image) -> Detections:
        """Detects one image, uint8 [H, W, 3] RGB.

        Raises:
            ImageError: The model can't run on an image of this size.
        """
        batch, frame = prepare(self.kind, image, self.runtime.signature.inputs[0])
        with image_failures(frame.image_size):
            raw = self.runtime.run(batch)
        found = decode(self.kind, raw, frame, self.labels)
        return replace(found, run=self.run_info)

    def __repr__(self) -> str:
        return (
            f"<tfzoo detector {self.model.id}, {self.run_info.runtime} on {self.run_info.device}>"
        )


def load(
    name: str | PathLike[str] | ModelSpec,
    *,
    device: str = "auto",
    runtime: str = "tensorflow",
    labels: Mapping[int, str] | None = None,
) -> Detector:
    """Opens a model: fetched, verified and cached at first, from the cache afterwards.

    Args:
        name: A name, id, alias or short form (`tfzoo list`), a SavedModel folder or an archive.
        device: `auto` (a GPU where there is one), `cpu`, `gpu` or `gpu:1`.
        runtime: `tensorflow`, `openvino` or `onnx`; an `.onnx` file opens with `onnx` anyway.
        labels: Category names by id, where they are not those of the manifest, or COCO's.

    Raises:
        UnknownModelError, AmbiguousModelError: The name fits no model, or several.
        StoreError: The model could not be had.
        ModelFormatError: It is no detector.
        DeviceError, RuntimeUnavailableError: It can't be run as asked.
    """
    model = get_model(name)
    spec_labels = model.spec.labels if model.spec else None
    if model.path.suffix == ".onnx" and runtime == "tensorflow":
        runtime = "onnx"  # TensorFlow opens no .onnx file, and it is only the default here.
    opened = open_runtime(runtime, model.path, device)
    return Detector(model, opened, labels or spec_labels or COCO)
