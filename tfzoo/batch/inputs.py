"""The inputs of a run: walked once, written down, and read again part by part."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tfzoo.batch.job import CROPS, GALLERY, PICTURES
from tfzoo.batch.journal import JOURNAL, read_journal
from tfzoo.batch.names import naming, shared
from tfzoo.batch.output import output_file
from tfzoo.batch.parts import mark_of, metadata_of
from tfzoo.batch.settings import RunSettings
from tfzoo.errors import ImageError, OutputError, UsageError
from tfzoo.images.addresses import absolute, is_address
from tfzoo.images.sources import ImageFile, find_images, folders_of, hidden_addresses
from tfzoo.outside import HIDDEN, keyed


@dataclass(frozen=True, slots=True)
class Input:
    """One of the inputs of a run.

    Attributes:
        path: Where it lies, from the root, or its address (in a list, as `keyed` holds it).
        name: The name its results go by.
        image_id: The annotation file's, or None: numbered from 1.
        picture: Its annotated picture's name below their folder; None in the list of an earlier
            version (see `earlier_picture`).
        stem: What the names of its other files begin with; None as above.
    """

    path: str
    name: str
    image_id: int | None = None
    picture: str | None = None
    stem: str | None = None


class Listing:
    """The inputs of a run, walked once, with their ids and names; counts what it gives.

    Attributes:
        roots: What the names of all files are below (see `tfzoo.batch.names`).

    Raises:
        UsageError: No image was found, or none that the annotations list.
    """

    def __init__(
        self,
        settings: RunSettings,
    ) -> None:
        annotations = settings.annotations
        self._ids = None if annotations is None else _annotated_ids(Path(annotations))
        self.left_out: Counter[str] = Counter()
        results = _results_in(settings.folder)
        found = find_images(settings.paths, settings.recursive, self.left_out, results)
        self._files = chain([next(found)], found)
        self._out = settings.folder
        self.roots = shared(folders_of(settings.paths))
        self.images = self.videos = self.skipped = 0

    def __iter__(self) -> Iterator[Input]:
        with naming(self.roots, self._out) as namer:
            for file, image_id in self._wanted():
                if video := file.is_video:
                    self.videos += 1
                    self.images += _frames(file)
                else:
                    self.images += 1
                path = absolute(file.path)
                yield Input(path, file.name, image_id, *namer.of(keyed(path), video))

    def _wanted(self) -> Iterator[tuple[ImageFile, int | None]]:
        """The files that are to be detected, with their ids."""
        taken: dict[int, str] = {}
        for file in self._files:
            image_id = None
            if self._ids is not None:
                image_id = self._ids.get(file.name, self._ids.get(Path(file.name).name))
                if image_id is None:
                    self.skipped += 1
                    continue
                if image_id in taken:
                    raise UsageError(
                        f"{taken[image_id]} and {file.name} are both image {image_id} of the "
                        "annotation file; name the one folder that it is about"
                    )
                taken[image_id] = file.name
            yield file, image_id

    def check(self) -> None:
        """To be called at the end."""
        if self._ids is not None and not self.images:
            raise UsageError(
                f"none of the {self.skipped} images found is listed in the annotation file; "
                "expected its file_name to be the images' names"
            )
        if self._ids is not None and self.videos:
            raise UsageError("a video has no image ids in an annotation file; leave one away")


def _results_in(out: Path) -> Callable[[str], bool]:
    """Says of a folder below a source whether results lie there: a run's pictures are no images.

    Args:
        out: The output folder of the run to come; of earlier ones, the folders of
            pictures are told.
    """
    own = os.path.realpath(out)

    def holds_results(folder: str) -> bool:
        if os.path.realpath(folder) == own:
            return True
        parent, name = os.path.split(folder)
        return name in (PICTURES, CROPS, GALLERY) and _holds_a_run(parent)

    return holds_results


def _holds_a_run(folder: str) -> bool:
    try:
        return (Path(folder) / JOURNAL).is_file() and read_journal(Path(folder)) is not None
    except (UsageError, OutputError):
        return False


def _frames(video: ImageFile) -> int:
    from tfzoo.images.video import video_info

    try:
        return video_info(video.path).frames
    except ImageError:
        return 1  # Fails again when its turn comes, and is told of then.


def _annotated_ids(path: Path) -> dict[str, int]:
    try:
        data = json.loads(path.read_bytes())
        return {image["file_name"]: int(image["id"]) for image in data["images"]}
    except OSError as error:
        raise UsageError(f"annotations {path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"annotations {path}: expected COCO's JSON with images of id and file_name: {error!r}"
        ) from None


def write_inputs(
    path: Path,
    files: Iterable[Input],
    group: int,
    run: str = "",
    **said: Any,
) -> int:
    """Writes the list of a run's inputs: path and name (as bytes), image id, names of files.

    Of an address it holds no password and no signature; `WholeAddresses` finds them again.

    Args:
        path: A Parquet file.
        files: In the order to be detected; without an image id they are numbered from 1.
        group: Rows in a row group; a part is made from one.
        run: Id of the run, which the file holds.
        said: What else it says of the run.

    Returns:
        How many there are.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"path": pa.binary(), "name": pa.binary(), "image_id": pa.int64()}
    schema = pa.schema(kinds | {"picture": pa.string(), "stem": pa.string()})
    schema = schema.with_metadata(metadata_of({"run": run, **said}))
    count = 0
    rows: list[tuple[Any, ...]] = []
    with (
        output_file(path, mark=mark_of(run)) as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):

        def flush() -> None:
            columns = list(zip(*rows, strict=True))
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows.clear()

        for one in files:
            place, name = _encoded(keyed(one.path)), _encoded(one.name)
            rows.append((place, name, one.image_id, one.picture, one.stem))
            count += 1
            if len(rows) == group:
                flush()
        if rows:
            flush()
    return count


def _encoded(name: str) -> bytes:
    """A name as the bytes that a file is called by."""
    try:
        return os.fsencode(name)
    except UnicodeEncodeError:  # Of a list, with letters that the system's locale has not.
        return name.encode("utf-8", "replace")


def read_inputs(path: Path, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Input]]:
    """The inputs from a position on, each with its position; one row group in memory.

    Raises:
        OutputError: The list can't be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            size = file.metadata.row_group(0).num_rows if file.num_row_groups else 1
            end = file.metadata.num_rows if stop is None else min(stop, file.metadata.num_rows)
            for group in range(start // size, -(-end // size)):
                columns = [column.to_pylist() for column in file.read_row_group(group).columns]
                for i, row in enumerate(zip(*columns, strict=True), group * size):
                    if start <= i < end:
                        source, name, *more = row  # Earlier versions knew no names of files.
                        yield i, Input(os.fsdecode(source), os.fsdecode(name), *more)
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise OutputError(
            f"{path}, the run's list of inputs, can't be read: {error}. Start anew with --overwrite"
        ) from None


class WholeAddresses:
    """The whole addresses of a run's inputs, looked up among its sources as they are needed."""

    def __init__(self, settings: RunSettings) -> None:
        self._left = hidden_addresses(settings.paths, settings.recursive)
        self._known: dict[str, str] = {}

    def of(self, path: str) -> str:
        """What is to be opened for a path of the list.

        Raises:
            ImageError: It is a part of an address that is among the sources no more.
        """
        if HIDDEN not in path or not is_address(path):
            return path
        while path not in self._known and (address := next(self._left, None)) is not None:
            self._known[keyed(address)] = address
        if path not in self._known:
            raise ImageError(
                f"{path}: what this address hides was written down nowhere, and it is not among "
                "the sources as it was when the run began; name it so, or begin another run"
            )
        return self._known[path]
