"""One machine: decode in threads, a detector on each device, pictures drawn on the side."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tfzoo.batch.inputs import WholeAddresses, read_inputs
from tfzoo.batch.job import Job
from tfzoo.batch.parts import Parts, Position
from tfzoo.batch.rows import ImageResult, detection_rows, image_rows
from tfzoo.batch.work import Item, detect, detect_whole, draw, read, read_whole
from tfzoo.detector import Detector
from tfzoo.errors import ImageError
from tfzoo.images.pipeline import READERS, around_late, batched
from tfzoo.images.sources import ImageFile
from tfzoo.options import OnStep
from tfzoo.tiles.detect import AT_ONCE
from tfzoo.trials.occasion import silent

if TYPE_CHECKING:
    import pyarrow as pa

#: A part that is not full is sealed after this time all the same; a crash costs no more.
CHECKPOINT_S = 5.0

#: Results that wait for an image before theirs: a slow address holds up no other image till then.
_AHEAD = 256

#: Results that are made into rows together: cheaper than one by one, and few enough in memory.
_ROWS_AT_ONCE = 32

#: An image of so many tiles takes long enough to be told how far it is.
_MANY_TILES = 100


def run(
    job: Job,
    detectors: Sequence[Detector],
    on_images: Callable[[int], None] = lambda count: None,
    on_step: OnStep = silent,
) -> list[str]:
    """Detects what is not sealed yet and seals it, in the order of the inputs.

    Memory holds a few images for each thread and one part's rows, whatever the number of inputs;
    where images are detected in tiles, three, and one more for each further device.
    An image that is slow to come holds up no other, until 256 that follow it are done.

    Args:
        job: The run.
        detectors: One for each device.
        on_images: Told how many images were finished since it was last told.
        on_step: Told how many tiles of an image are detected, where it has many.

    Returns:
        The devices used.

    Raises:
        OutputError: Results can't be written; what was sealed stays.
        KeyboardInterrupt: After everything that was finished has been sealed.
    """
    part = OpenPart(job.parts)
    sealed_at = time.monotonic()
    with closing(Pipeline(job, detectors, on_step).finished(_todo(job))) as finished:
        try:
            for item in finished:
                part.add(item)
                if part.full or time.monotonic() - sealed_at > CHECKPOINT_S:
                    part.seal()
                    sealed_at = time.monotonic()
                on_images(1)
        finally:
            # Also when interrupted: what was finished is not done again.
            part.seal()
    return [detector.run_info.device for detector in detectors]


class Pipeline:
    """Threads that read, detect and draw: a bounded number of images, in order."""

    def __init__(self, job: Job, detectors: Sequence[Detector], on_step: OnStep = silent) -> None:
        self._job = job
        self._detectors = detectors
        self._on_step = on_step
        # A slot for each call that a detector can take at once, those of several in turn.
        self._free: SimpleQueue[Detector] = SimpleQueue()
        for call in range(max(detector.workers for detector in detectors)):
            for detector in detectors:
                if call < detector.workers:
                    self._free.put(detector)
        self._slots = self._free.qsize()
        self._batch = job.settings.batch if detectors[0].takes_batches else 1
        self._painters = 1 + len(detectors) // 4

    def finished(self, items: Iterable[Item]) -> Generator[Item, None, None]:
        """The items with their results, in order, their pictures drawn."""
        turns: deque[int] = deque()
        done: dict[int, Item] = {}

        def taken() -> Iterator[Item]:
            for item in items:
                turns.append(item.row)
                yield item

        in_some_order = self._in_stages if self._job.settings.tile is None else self._one_by_one
        with closing(in_some_order(taken(), lambda: len(done) >= _AHEAD)) as drawn:
            for item in drawn:
                done[item.row] = item
                while turns and turns[0] in done:
                    yield done.pop(turns.popleft())

    def _in_stages(
        self, items: Iterator[Item], enough: Callable[[], bool]
    ) -> Generator[Item, None, None]:
        """Many small images at once, so that each stage is busy."""
        with (
            closing(around_late(self._read, items, READERS, enough)) as images,
            closing(around_late(self._detect, batched(images, self._batch), self._slots)) as found,
            closing(around_late(self._draw, chain.from_iterable(found), self._painters)) as drawn,
        ):
            yield from drawn

    def _one_by_one(
        self, items: Iterator[Item], enough: Callable[[], bool]
    ) -> Generator[Item, None, None]:
        """Few large images at once, each from its file to its picture on one thread.

        No image waits between stages, so that there are no more in memory than threads.
        """
        threads = AT_ONCE - 1 + len(self._detectors)
        with closing(around_late(self._all_of, items, threads, enough)) as drawn:
            yield from drawn

    def _all_of(self, item: Item) -> Item:
        item = read_whole(item, self._job)
        detector = self._free.get()
        try:
            item = detect_whole(detector, item, self._job, partial(self._tell, item))
        finally:
            self._free.put(detector)
        return draw(item, self._job)

    def _tell(self, item: Item, done: int, tiles: int) -> None:
        if tiles >= _MANY_TILES:
            self._on_step(f"{item.result.file_name}, in tiles", done, tiles)

    def _read(self, item: Item) -> Item:
        # All detectors are of one model, and take images prepared alike.
        return read(self._detectors[0], item, self._job)

    def _detect(self, items: Sequence[Item]) -> list[Item]:
        detector = self._free.get()
        try:
            return detect(detector, items, self._job)
        finally:
            self._free.put(detector)

    def _draw(self, item: Item) -> Item:
        return draw(item, self._job)


def _todo(job: Job) -> Iterator[Item]:
    """The images that no sealed part holds, in order."""
    sealed = job.parts.sealed()
    row, position = 0, Position(0)
    while True:
        while row % job.part_images == 0 and (part := sealed.get(row // job.part_images)):
            row, position = row + part.images, part.following
        for item in items_from(job, row, position):
            yield item
            row, position = item.row + 1, item.following
            if row % job.part_images == 0 and row // job.part_images in sealed:
                break
        else:
            return


def items_from(job: Job, row: int, position: Position, stop: int | None = None) -> Iterator[Item]:
    """The items from a position on, numbered from `row`; those of a video with their frames.

    Args:
        job: The run.
        row: Number of the first item within the run.
        position: Where to begin in the inputs.
        stop: The input to end before, or None.
    """
    addresses = WholeAddresses(job.settings)
    for index, one in read_inputs(job.inputs, position.file, stop):
        name = one.name
        number = row + 1 if one.image_id is None else one.image_id
        following = Position(index + 1)
        try:
            path = addresses.of(one.path)
        except ImageError as error:
            yield Item(row, ImageResult(number, name, one.path, error=str(error)), following)
            row += 1
            continue
        if not ImageFile(path, name).is_video:
            yield Item(row, ImageResult(number, name, path), following, names=one)
            row += 1
            continue
        from tfzoo.images.video import read_frames

        try:
            first = position.frame if index == position.file else 0
            for frame in read_frames(path, first, job.settings.max_pixels):
                result = ImageResult(
                    row + 1, name, path, frame=frame.index, timestamp_s=frame.timestamp_s
                )
                yield Item(row, result, Position(index, frame.index + 1), frame.image, names=one)
                row += 1
        except ImageError as error:
            yield Item(row, ImageResult(row + 1, name, path, error=str(error)), following)
            row += 1


class OpenPart:
    """The part being filled; an interruption at any moment leaves it sound."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._number = -1
        self._images = 0
        self._sealed_images = 0
        self._tables: list[tuple[pa.Table, pa.Table]] = []
        self._fresh: list[ImageResult] = []
        self._following = Position(0)

    @property
    def full(self) -> bool:
        """Whether it holds as many images as a part does."""
        return self._images == self._parts.size

    def add(self, item: Item) -> None:
        """Takes the next item; one that begins a new part follows a sealed one."""
        number, offset = divmod(item.row, self._parts.size)
        if number != self._number:
            # An interrupted run sealed the beginning.
            self._tables = [self._parts.read(number)] if offset else []
            self._number, self._images, self._sealed_images = number, offset, offset
        self._fresh.append(item.result)
        self._images += 1
        self._following = item.following
        if len(self._fresh) == _ROWS_AT_ONCE:
            self._make_rows()

    def _make_rows(self) -> None:
        columns = self._parts.columns
        self._tables.append(
            (detection_rows(self._fresh, columns), image_rows(self._fresh, columns))
        )
        self._fresh = []

    def seal(self) -> None:
        """Seals what is there; the part stays open for more."""
        import pyarrow as pa

        if self._images == self._sealed_images:
            return
        self._make_rows()
        detections, images = zip(*self._tables, strict=True)
        self._parts.write(
            self._number, pa.concat_tables(detections), pa.concat_tables(images), self._following
        )
        self._sealed_images = self._images
