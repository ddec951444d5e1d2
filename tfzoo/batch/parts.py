"""Results on disk: sealed Parquet parts, and the files that are streamed from them.

Every file is written under a temporary name, synced and then renamed, so that what can be seen
is whole. `docs/file_formats.md` lists all files and columns.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from tfzoo.detections.types import Detections
from tfzoo.errors import OutputError
from tfzoo.images.image import Image

if TYPE_CHECKING:
    import pyarrow as pa

_METADATA = b"tfzoo"


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is whole and on the disk.

    Raises:
        OutputError: It can't be written; nothing is left behind.
    """
    # A name of its own: on a shared disk two machines may write the same part.
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}.tmp")
    try:
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if os.name == "posix":  # The name itself is on the disk once its folder is.
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror or error}. What was written before is "
            "whole; make room or mend the cause, then go on with --resume"
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Writes one JSON value as `atomic_file` does."""
    with atomic_file(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode())


def printable(name: str) -> str:
    r"""A file's name as text: bytes that are not UTF-8 become `\xNN`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Columns:
    """Which columns the parts of a run have beside those that all have.

    Attributes:
        keypoints: `keypoints`, where the model gives them.
        masks: `segmentation`, where the model gives masks.
        video: `frame` and `timestamp_s`, where a source is a video.
    """

    keypoints: bool = False
    masks: bool = False
    video: bool = False

    def detections(self) -> pa.Schema:
        """The schema of a row a detection."""
        import pyarrow as pa

        box = [(name, pa.float32()) for name in ("x0", "y0", "x1", "y1")]
        fields = [
            ("image_id", pa.int64()),
            ("file_name", pa.string()),
            ("category_id", pa.int32()),
            ("category", pa.string()),
            ("score", pa.float32()),
            *box,
        ]
        if self.keypoints:
            fields.append(("keypoints", pa.list_(pa.float32())))
        if self.masks:
            size = pa.list_(pa.int32())
            fields.append(("segmentation", pa.struct([("size", size), ("counts", pa.string())])))
        return pa.schema(fields + self._video())

    def images(self) -> pa.Schema:
        """The schema of a row an image."""
        import pyarrow as pa

        fields = [
            ("image_id", pa.int64()),
            ("file_name", pa.string()),
            ("path", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("detections", pa.int32()),
            ("error", pa.string()),
        ]
        return pa.schema(fields + self._video())

    def _video(self) -> list[tuple[str, Any]]:
        import pyarrow as pa

        return [("frame", pa.int64()), ("timestamp_s", pa.float64())] if self.video else []


@dataclass(frozen=True)
class ImageResult:
    """What came of one image or frame.

    Attributes:
        file_name: The name its results go by.
        path: Where it lies.
        found: Its detections, or None where it failed.
        error: Why it failed, or None.
        frame: Number of the frame from 0, for a video.
        timestamp_s: Its time from the start in seconds, for a video.
    """

    image_id: int
    file_name: str
    path: str
    found: Detections | None = None
    error: str | None = None
    frame: int | None = None
    timestamp_s: float | None = None


def detection_rows(results: Sequence[ImageResult], columns: Columns) -> pa.Table:
    """A table of a row a detection, in the order of the results."""
    import pyarrow as pa

    found = [(result, result.found) for result in results if result.found is not None]
    counts = [len(detections) for _, detections in found]
    boxes = np.concatenate([d.boxes for _, d in found]) if found else np.zeros((0, 4), np.float32)

    def repeated(values: list[Any]) -> list[Any]:
        return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]

    values: dict[str, Any] = {
        "image_id": repeated([result.image_id for result, _ in found]),
        "file_name": repeated([printable(result.file_name) for result, _ in found]),
        "category_id": _joined([d.class_ids for _, d in found]),
        "category": [name for _, d in found for name in d.names],
        "score": _joined([d.scores for _, d in found]),
        **{name: boxes[:, i] for i, name in enumerate(("x0", "y0", "x1", "y1"))},
    }
    if columns.keypoints:
        values["keypoints"] = [row for _, d in found for row in _keypoints(d)]
    if columns.masks:
        values["segmentation"] = [row for _, d in found for row in _segmentation(d)]
    if columns.video:
        values["frame"] = repeated([result.frame for result, _ in found])
        values["timestamp_s"] = repeated([result.timestamp_s for result, _ in found])
    return pa.Table.from_pydict(values, schema=columns.detections())


def _joined(arrays: list[NDArray[Any]]) -> NDArray[Any] | list[Any]:
    return np.concatenate(arrays) if arrays else []


def _keypoints(found: Detections) -> list[list[float] | None]:
    """Per detection x, y, score of each keypoint; None where it has none."""
    if found.keypoints is None or found.keypoint_scores is None:
        return [None] * len(found)
    triples = np.concatenate([found.keypoints, found.keypoint_scores[:, :, None]], axis=2)
    return [
        None if np.isnan(row[:, 2]).all() else np.nan_to_num(row).ravel().tolist()
        for row in triples
    ]


def _segmentation(found: Detections) -> list[dict[str, Any] | None]:
    """Per detection COCO's run lengths of its mask; None where it has none."""
    if found.masks is None:
        return [None] * len(found)
    from tfzoo.detections.masks import encode

    return [encode(found.mask(i)) for i in range(len(found))]


def image_rows(results: Sequence[ImageResult], columns: Columns) -> pa.Table:
    """A table of a row an image, in the order of the results."""
    import pyarrow as pa

    rows = [
        {
            "image_id": result.image_id,
            "file_name": printable(result.file_name),
            "path": printable(result.path),
            **_sizes(result.found),
            "error": None if result.error is None else printable(result.error),
            "frame": result.frame,
            "timestamp_s": result.timestamp_s,
        }
        for result in results
    ]
    return pa.Table.from_pylist(rows, schema=columns.images())


def _sizes(found: Detections | None) -> dict[str, int | None]:
    if found is None:
        return {"width": None, "height": None, "detections": None}
    height, width = found.image_size
    return {"width": width, "height": height, "detections": len(found)}


@dataclass(frozen=True, order=True)
class Position:
    """Where a run stands in its input: a file, and within a video a frame (both from 0)."""

    file: int
    frame: int = 0


@dataclass(frozen=True)
class Sealed:
    """What the seal of a part says.

    Attributes:
        images: Images in the part.
        failed: Those of them that failed.
        detections: Detections in the part.
        following: The position after its last image.
    """

    images: int
    failed: int
    detections: int
    following: Position


@dataclass(frozen=True)
class Parts:
    """The sealed parts of a run: numbered pairs of Parquet files, `size` images each.

    A part's images file is its seal: it is renamed last, and its metadata say where the input
    goes on. The last part may be short; a fuller one then replaces it.

    Attributes:
        folder: Holds `detections/part-NNNNNN.parquet` and `images/part-NNNNNN.parquet`.
        size: Images in a full part.
        columns: Their columns.
    """

    folder: Path
    size: int
    columns: Columns

    def path(self, table: str, number: int) -> Path:
        """Where a part's file lies; `table` is `detections` or `images`."""
        return self.folder / table / f"part-{number:06d}.parquet"

    def create(self) -> None:
        """Makes the folders, and removes what killed runs left half-written in them."""
        for table in ("detections", "images"):
            (self.folder / table).mkdir(parents=True, exist_ok=True)
            for left in (self.folder / table).glob(".*.tmp"):
                left.unlink(missing_ok=True)

    def write(
        self, number: int, detections: pa.Table, images: pa.Table, following: Position
    ) -> Sealed:
        """Seals a part, replacing one of the same number."""
        import pyarrow.parquet as pq

        failed = images.num_rows - images["error"].null_count
        sealed = Sealed(images.num_rows, failed, detections.num_rows, following)
        seal = {
            "images": sealed.images,
            "failed": sealed.failed,
            "detections": sealed.detections,
            "following": [following.file, following.frame],
        }
        images = images.replace_schema_metadata({_METADATA: json.dumps(seal)})
        for table, rows in (("detections", detections), ("images", images)):
            with atomic_file(self.path(table, number)) as file:
                pq.write_table(rows, file, compression="zstd")
        return sealed

    def read(self, number: int) -> tuple[pa.Table, pa.Table]:
        """A part's detections and images."""
        import pyarrow.parquet as pq

        images = pq.read_table(self.path("images", number), partitioning=None)
        detections = pq.read_table(self.path("detections", number), partitioning=None)
        # A crash between the two files leaves detections of images not sealed yet, at the end.
        return detections.slice(0, _seal(images.schema.metadata).detections), images

    def sealed(self) -> dict[int, Sealed]:
        """The sealed parts by number, from the seals alone.

        Raises:
            OutputError: A part can't be read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        found = {}
        for path in sorted((self.folder / "images").glob("part-*.parquet")):
            try:
                found[int(path.stem[5:])] = _seal(pq.read_schema(path).metadata)
            except (OSError, pa.ArrowException, KeyError, ValueError) as error:
                raise OutputError(
                    f"{path} is damaged: {error}. Delete it and go on with --resume: its images "
                    "are detected again"
                ) from None
        return found


def _seal(metadata: dict[bytes, bytes]) -> Sealed:
    seal = json.loads(metadata[_METADATA])
    return Sealed(seal["images"], seal["failed"], seal["detections"], Position(*seal["following"]))


def coco_lines(detections: pa.Table) -> list[str]:
    """COCO result rows of a table of detections; see https://cocodataset.org/#format-results.

    Returns:
        A JSON object for each detection.
    """
    import pyarrow.compute as pc

    # In Arrow: Python takes ten times as long, and all of a run waits for this at its end.
    x0, y0, x1, y1, score = (
        detections[name].cast("double") for name in ("x0", "y0", "x1", "y1", "score")
    )
    numbers: list[tuple[str, Any]] = [
        ('{"image_id": ', detections["image_id"]),
        (', "category_id": ', detections["category_id"]),
        (', "bbox": [', x0),
        (", ", y0),
        (", ", pc.subtract(x1, x0)),
        (", ", pc.subtract(y1, y0)),
        ('], "score": ', score),
    ]
    pieces = [piece for text, column in numbers for piece in (text, column.cast("string"))]
    lines: list[str] = pc.binary_join_element_wise(*pieces, "").to_pylist()
    for name in ("keypoints", "segmentation"):
        if name in detections.column_names:
            lines = [
                line if extra is None else f'{line}, "{name}": {json.dumps(extra)}'
                for line, extra in zip(lines, detections[name].to_pylist(), strict=True)
            ]
    return [line + "}" for line in lines]


def export(parts: Parts, out: Path) -> dict[str, int]:
    """Streams `detections.json`, `images.json`, `detections.csv` and `errors.jsonl` from the parts.

    Returns:
        How often each category was found, most frequent first.

    Raises:
        OutputError: A file can't be written.
    """
    import pyarrow as pa
    from pyarrow import csv

    flat = pa.schema([f for f in parts.columns.detections() if not pa.types.is_nested(f.type)])
    counts: dict[str, int] = {}
    with (
        atomic_file(out / "detections.json") as detections_file,
        atomic_file(out / "images.json") as images_file,
        atomic_file(out / "detections.csv") as csv_file,
        atomic_file(out / "errors.jsonl") as errors_file,
        csv.CSVWriter(csv_file, flat) as table,
        _json_list(detections_file) as write_detection,
        _json_list(images_file) as write_image,
    ):
        for number in parts.sealed():
            detections, images = parts.read(number)
            table.write_table(detections.select(flat.names))
            for found in detections["category"].value_counts().to_pylist():
                counts[found["values"]] = counts.get(found["values"], 0) + found["counts"]
            for line in coco_lines(detections):
                write_detection(line)
            for row in images.to_pylist():
                path, error = row.pop("path"), row.pop("error")
                if error is not None:
                    failure = {"path": path, "error": error}
                    errors_file.write(json.dumps(failure, ensure_ascii=False).encode() + b"\n")
                else:
                    del row["detections"]
                    write_image(json.dumps(row, ensure_ascii=False, allow_nan=False))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@contextmanager
def _json_list(file: IO[bytes]) -> Iterator[Callable[[str], None]]:
    """A JSON list, an item a line; gives what writes an item, given as JSON."""
    separator = "\n"

    def write(item: str) -> None:
        nonlocal separator
        file.write((separator + item).encode())
        separator = ",\n"

    file.write(b"[")
    yield write
    file.write(b"\n]\n")


def picture_path(
    folder: Path,
    name: str,
    formats: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".webp"),
) -> Path:
    """Where the annotated picture of an image goes: its name below the folder.

    Args:
        folder: Of all pictures.
        name: The image's name, perhaps with folders, perhaps absolute or an address.
        formats: Endings that may stay; any other has the first of them appended.
    """
    parts = [
        "__" if part == ".." else part.replace(":", "_")
        for part in printable(name).split("/")
        if part not in ("", ".")
    ]
    path = folder.joinpath(*parts)
    return path if path.suffix.lower() in formats else path.with_name(path.name + formats[0])


def write_picture(path: Path, image: Image) -> None:
    """Writes a picture, uint8 [H, W, 3] RGB, in the format that its name says.

    Raises:
        OutputError: It can't be written.
    """
    import cv2

    encoded = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(image[:, :, ::-1]))[1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(cast(Any, encoded).tobytes())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"picture {path} can't be written: {error.strerror}") from None


def write_inputs(path: Path, files: Iterable[tuple[str, str, int | None]], group: int) -> int:
    """Writes the list of a run's inputs: path (as bytes), name, image id.

    Args:
        path: A Parquet file.
        files: In the order to be detected; without an image id they are numbered from 1.
        group: Rows in a row group; a part is made from one.

    Returns:
        How many there are.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("path", pa.binary()), ("name", pa.binary()), ("image_id", pa.int64())])
    count = 0
    rows: list[tuple[bytes, bytes, int | None]] = []
    with atomic_file(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            columns = list(zip(*rows, strict=True))
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows.clear()

        for source, name, image_id in files:
            rows.append((os.fsencode(source), os.fsencode(name), image_id))
            count += 1
            if len(rows) == group:
                flush()
        if rows:
            flush()
    return count


def read_inputs(
    path: Path, start: int = 0, stop: int | None = None
) -> Iterator[tuple[int, str, str, int | None]]:
    """The inputs from a position on: position, path, name, image id; one row group in memory.

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
                columns = (column.to_pylist() for column in file.read_row_group(group).columns)
                for i, (source, name, image_id) in enumerate(
                    zip(*columns, strict=True), group * size
                ):
                    if start <= i < end:
                        yield i, os.fsdecode(source), os.fsdecode(name), image_id
    except (OSError, pa.ArrowException) as error:
        raise OutputError(
            f"{path}, the run's list of inputs, can't be read: {error}. Start anew with --overwrite"
        ) from None
