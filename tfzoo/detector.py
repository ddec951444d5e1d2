"""`Detector`: a model opened by name, as one callable from images to `Detections`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from tfzoo.decode.feeding import Feeding, feeding, takes_a_string
from tfzoo.decode.kinds import Frame, Raw, decode, pixels_told, prepare, recognise
from tfzoo.decode.suppressing import Suppressing, suppressing
from tfzoo.detecting import (
    MAX_PIXELS,
    DetectOptions,
    MinScore,
    SuppressOptions,
    TileOptions,
    least_score,
)
from tfzoo.detections.kept import by_id, keep
from tfzoo.detections.suppression import suppress_found
from tfzoo.detections.types import Detections, RunInfo
from tfzoo.errors import ModelFormatError
from tfzoo.images.encoded import as_string, own_file
from tfzoo.images.image import Image, ImageLike
from tfzoo.images.pipeline import READERS, batched, in_order
from tfzoo.images.reading import is_one_image, read_image
from tfzoo.options import Precision, check_number
from tfzoo.prepare.cut import WHOLE, Cut
from tfzoo.prepare.decoder import takes_examples
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, postprocess
from tfzoo.runtimes.runtime import Runtime, Signature, image_failures, takes_batches
from tfzoo.store.models import StoredModel
from tfzoo.tiles.detect import AT_ONCE, OnTile, detect_tiles, in_tiles
from tfzoo.zoo.schema import SignatureKind

_log = logging.getLogger("tfzoo.detector")


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image on its way into a runtime.

    Attributes:
        inputs: A batch of one for each of the runtime's inputs, in the order of their names.
        frame: Where the image lies in it.
    """

    inputs: tuple[NDArray[Any], ...]
    frame: Frame


class Detector:
    """An opened model; call it with an image.

    Attributes:
        model: Where the model lies and what vouches for it.
        runtime: What runs it.
        kind: The kind of its signature.
        labels: Category names by id.
        cut: What is done outside of the graph.
        precision: How the network's numbers are held.
        pixels: What pixels are turned into for it, and how that is known, where the model itself
            leaves it to whoever runs it; else empty.
        suppression: What was asked for in place of the model's own rules (`suppressing`).
    """

    suppression = SuppressOptions()

    def __init__(
        self,
        model: StoredModel,
        runtime: Runtime,
        labels: Mapping[int, str],
        cut: Cut = WHOLE,
        precision: Precision = "float32",
    ) -> None:
        self.model = model
        self.runtime = runtime
        self.labels = labels
        self.cut = cut
        self.precision: Precision = precision
        # The tiles of one image keep the runtime busy: several at once would only take memory.
        self._tiling = threading.Lock()
        # A graph that is cut has other inputs than it was exported with, and no side inputs.
        self._feeding = feeding(runtime.signature) if cut == WHOLE else None
        inputs = runtime.signature.inputs[:1] if self._feeding is None else (self._feeding.image,)
        exported = Signature(inputs, runtime.signature.outputs)
        self._takes_files = takes_a_string(inputs[0])
        self._takes_examples = self._takes_files and takes_examples(model.path)
        self.kind: SignatureKind = "standard" if cut.after else recognise(exported)
        self._suppressing = Suppressing(cut.after)
        if self._feeding and self._feeding.named:
            _log.warning(
                "%s also takes %s: it is fed zeros, as if there were nothing to tell",
                model.id, self._feeding.named,
            )  # fmt: skip
        self.pixels, guessed = pixels_told(self.kind, exported.inputs[0])
        if self.pixels:
            level = logging.WARNING if guessed else logging.INFO
            _log.log(level, "%s takes pixels as %s", model.id, self.pixels)
        self.run_info = RunInfo(
            model.id, f"{runtime.name} {runtime.version}", runtime.device, precision
        )

    @overload
    def __call__(self, images: list[ImageLike]) -> list[Detections]: ...

    @overload
    def __call__(self, images: ImageLike) -> Detections: ...

    def __call__(self, images: ImageLike | list[ImageLike]) -> Detections | list[Detections]:
        """Detects one image, or each of a list.

        Args:
            images: A path, bytes, open file, PIL image, array or tensor (see `tfzoo.read_image`),
                or a list.

        Returns:
            `Detections`, or a list of them. They keep their image, for pictures.

        Raises:
            ImageError: An image can't be read.
        """
        if isinstance(images, list):
            return [self._detect_and_keep(image) for image in images]
        return self._detect_and_keep(images)

    def _detect_and_keep(self, source: ImageLike) -> Detections:
        image, prepared = self.read(source)
        return replace(self.detect_prepared([prepared])[0], image=image)

    def suppressing(self, options: SuppressOptions) -> Detector:
        """This detector with other rules for boxes that overlap, and for how many are found.

        Args:
            options: What is left out of them is as the model has it.

        Returns:
            Another one of the same runtime. It may find more than `max_detections`, of which the
            first are kept.

        Raises:
            UsageError: That can't be done with this model.
        """
        names = [one.name for one in fields(SuppressOptions)]
        other = copy(self)
        other.suppression = SuppressOptions(**{name: getattr(options, name) for name in names})
        other._suppressing = suppressing(
            other.suppression, self.model, self.kind, self.runtime.signature, self.cut
        )
        return other

    def stream(
        self,
        images: Iterable[ImageLike] | ImageLike,
        min_score: MinScore = 0.0,
        batch_size: int = 1,
        *,
        options: DetectOptions | None = None,
    ) -> Iterator[Detections]:
        """Reads and detects images, in order, several at once, keeping few in memory.

        Args:
            images: See `__call__`; one image is taken as a list of one.
            min_score: Leave out detections below this score, or below their category's.
            batch_size: How many images to run in one call. Where the model takes one image a
                call (`takes_batches`), as many calls are in flight instead.
            options: All that a run over a folder can be told of detecting, in place of the two
                before it.

        Raises:
            ImageError: An image can't be read.
            UsageError: The model knows no such category, or can't be told so of suppression.
        """
        if options is None:
            check_number("batch_size", batch_size, 1)
            options = DetectOptions(min_score=min_score, batch=batch_size)
        options = by_id(options, self.labels)
        detector = self.suppressing(options) if options.rules_told else self
        floor = least_score(options.min_score)

        def read(source: ImageLike) -> Prepared:
            return self.read(source, options.max_pixels)[1]

        def read_and_detect(source: ImageLike) -> Detections:
            return detector.detect(read_image(source, options.max_pixels), floor, options)

        sources = [images] if is_one_image(images) else images
        if options.tile is None:
            several = detector._stream(in_order(read, sources, READERS), floor, options.batch)
        else:
            several = (found for _, found in in_order(read_and_detect, sources, AT_ONCE))
        with closing(several):
            for found in several:
                yield keep(found, options)

    def detect_many(
        self, images: Iterable[Image], min_score: float = 0.0, batch_size: int = 1
    ) -> Generator[Detections]:
        """Detects images, uint8 [H, W, 3] RGB each, in order, several at once."""
        yield from self._stream(in_order(self.prepare, images, READERS), min_score, batch_size)

    def _stream(
        self, images: Generator[tuple[Any, Prepared]], min_score: float, batch_size: int
    ) -> Generator[Detections]:
        detect = partial(self.detect_prepared, min_score=min_score)
        workers = self.workers
        if not self.takes_batches:
            batch_size, workers = 1, max(batch_size, workers)
        with closing(images):
            batches = batched((image for _, image in images), batch_size)
            with closing(in_order(detect, batches, workers)) as found:
                for _, several in found:
                    yield from several

    @property
    def workers(self) -> int:
        """How many threads, calling `detect` at once, keep the runtime busy."""
        return self.runtime.workers

    @property
    def takes_batches(self) -> bool:
        """Whether the runtime takes several images in one call."""
        return takes_batches(self.runtime.signature)

    def detect(
        self,
        image: Image,
        min_score: float = 0.0,
        tiles: TileOptions | None = None,
        on_tile: OnTile = lambda done, tiles: None,
    ) -> Detections:
        """Detects one image; may be called from several threads at once.

        Args:
            image: uint8 [H, W, 3] RGB.
            min_score: Leave out detections below this score (0 to 1).
            tiles: Whether to detect it in tiles, and how; of `DetectOptions` the batch too, but
                not what is kept.
            on_tile: Told how many tiles are detected, and how many there are.

        Raises:
            ImageError: It is no such array, or the model can't run on an image of this size.
        """
        image = read_image(image)
        if tiles is not None and in_tiles((image.shape[0], image.shape[1]), tiles):
            batch = tiles.batch if isinstance(tiles, DetectOptions) else 1
            detect_many = partial(self.detect_many, min_score=min_score, batch_size=batch)
            with self._tiling:
                return detect_tiles(image, tiles, detect_many, on_tile)
        return self.detect_prepared([self.prepare(image)], min_score)[0]

    def read(self, source: ImageLike, max_pixels: int = MAX_PIXELS) -> tuple[Image, Prepared]:
        """Reads an image, and prepares it: of its own file, where the model decodes files itself.

        Args:
            source: See `__call__`.
            max_pixels: Refuse files of more pixels than this.

        Returns:
            The image, uint8 [H, W, 3] RGB, and the same as the runtime takes it.

        Raises:
            ImageError: It can't be read, or is of a size that the model can't take.
        """
        image = read_image(source, max_pixels)
        return image, self.prepare(image, own_file(source) if self._takes_files else None)

    def prepare(self, image: Image, file: bytes | None = None) -> Prepared:
        """An image as the runtime takes it: the part of the work that is the processor's.

        Args:
            image: uint8 [H, W, 3] RGB.
            file: Its own file, for a model that decodes files itself; without, that gets the image
                encoded without loss.

        Raises:
            ImageError: It is no such array, or of a size that the model can't take.
        """
        image = read_image(image)
        image_size = (image.shape[0], image.shape[1])
        with image_failures(image_size):
            if self.cut.before is None:
                feed = self._feeding or Feeding(self.runtime.signature.inputs[0])
                if self._takes_files:
                    batch = as_string(image, file, self._takes_examples)
                    return Prepared(feed.inputs(batch), Frame.whole(image_size))
                batch, frame = prepare(self.kind, image, feed.image)
                return Prepared(feed.inputs(batch), frame)
            inputs: tuple[NDArray[Any], ...] = (self.cut.before(image)[None],)
            if self.cut.true_shapes:
                inputs += (self.cut.before.true_shape(image)[None],)
            return Prepared(inputs, Frame.whole(image_size))

    def detect_prepared(
        self, images: Sequence[Prepared], min_score: float = 0.0
    ) -> list[Detections]:
        """Detects images, in one call of the runtime where that takes them together.

        Args:
            images: As `prepare` gives them.
            min_score: Leave out detections below this score (0 to 1).

        Raises:
            ImageError: The model can't run on an image of this size.
        """
        sizes = {image.inputs[0].shape for image in images}
        if self._takes_files:  # They become one array once they are decoded.
            sizes = {image.frame.image_size for image in images}
        together = self.takes_batches and len(sizes) == 1
        if len(images) != 1 and not together:
            return [self.detect_prepared([image], min_score)[0] for image in images]
        inputs: Iterable[NDArray[Any]] = images[0].inputs
        if len(images) > 1:
            inputs = map(np.concatenate, zip(*(image.inputs for image in images), strict=True))
        with image_failures(images[0].frame.image_size):
            raw = self.runtime.run(*inputs)
        if len(images) == 1:
            return [self._finish(raw, images[0].frame, min_score)]
        if short := [name for name, value in raw.items() if len(value) != len(images)]:
            raise ModelFormatError(
                f"{self.model.id} takes a batch but gives no {short[0]} for each of its "
                f"{len(images)} images; run it with a batch of 1"
            )
        return [
            self._finish(
                {name: value[i : i + 1] for name, value in raw.items()}, image.frame, min_score
            )
            for i, image in enumerate(images)
        ]

    def _finish(self, raw: Raw, frame: Frame, min_score: float) -> Detections:
        """Detections from the runtime's outputs for one image."""
        with image_failures(frame.image_size):
            after, rules = self._suppressing.after, self._suppressing.rules
            if after is not None:
                boxes, scores = raw[RAW_BOXES][0], raw[RAW_SCORES][0]
                raw = postprocess(boxes, scores, frame.image_size, after, min_score, rules)
            found = decode(self.kind, raw, frame, self.labels, min_score, rules)
            if rules is not None and self._suppressing.found:
                found = suppress_found(found, rules, min_score)
            return replace(found, run=self.run_info)

    def __repr__(self) -> str:
        return (
            f"<tfzoo detector {self.model.id}, {self.run_info.runtime} on {self.run_info.device}>"
        )
