"""The sealed parts of a run: Parquet files, each whole or not there.

`docs/file_formats.md` lists their columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfzoo.batch.output import output_file
from tfzoo.errors import OutputError

if TYPE_CHECKING:
    import pyarrow as pa

#: The folders of a run's parts, each read as a whole.
TABLES = ("detections", "images")

_METADATA = b"tfzoo"


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
        run: Id of the run, which stands in each file; empty for one of an earlier version, whose
            files have none, and to read those of any.
    """

    folder: Path
    size: int
    columns: Columns
    run: str = ""

    @property
    def mark(self) -> str:
        """What stands in the names of files that are not whole yet."""
        return mark_of(self.run)

    def path(self, table: str, number: int) -> Path:
        """Where a part's file lies; `table` is `detections` or `images`."""
        return self.folder / table / f"part-{number:06d}.parquet"

    def create(self) -> None:
        """Makes the folders.

        Raises:
            OutputError: They can't be made.
        """
        try:
            for table in TABLES:
                (self.folder / table).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{error.filename} can't be made: {error.strerror}") from None

    def write(
        self, number: int, detections: pa.Table, images: pa.Table, following: Position
    ) -> Sealed:
        """Seals a part, replacing one of the same number.

        Raises:
            OutputError: It can't be written, or a file that is not this run's has its name.
        """
        import pyarrow.parquet as pq

        failed = images.num_rows - images["error"].null_count
        sealed = Sealed(images.num_rows, failed, detections.num_rows, following)
        seal = {
            "run": self.run,
            "images": sealed.images,
            "failed": sealed.failed,
            "detections": sealed.detections,
            "following": [following.file, following.frame],
        }
        for table, rows, said in (
            ("detections", detections, {"run": self.run}),
            ("images", images, seal),
        ):
            marked = rows.replace_schema_metadata(metadata_of(said))
            with output_file(self.path(table, number), mark=self.mark, ours=self.ours) as file:
                pq.write_table(marked, file, compression="zstd")
        return sealed

    def ours(self, path: Path) -> bool:
        """Whether a file is of this run."""
        return not self.run or said_in(path).get("run") == self.run

    def images(self, number: int) -> pa.Table:
        """A part's images."""
        return _read(self.path("images", number))

    def read(self, number: int) -> tuple[pa.Table, pa.Table]:
        """A part's detections and images."""
        images = self.images(number)
        detections = _read(self.path("detections", number)).replace_schema_metadata(None)
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
                metadata = pq.read_schema(path).metadata or {}
                found[int(path.stem[5:])] = _seal(metadata)
            except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
                raise OutputError(
                    f"{path} is damaged: {error}. Delete it and go on with --resume: its images "
                    "are detected again"
                ) from None
            if self.run and json.loads(metadata[_METADATA]).get("run") != self.run:
                raise OutputError(f"{path} is a part of another run; move it away")
        return found


def _read(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    # `read_table` would import the whole of pyarrow's data sets, which takes longer than the file.
    with pq.ParquetFile(path) as file:
        return file.read()


def mark_of(run: str) -> str:
    """What stands in the names of a run's files that are not whole yet."""
    return f"{run}-" if run else ""


def metadata_of(said: Mapping[str, Any]) -> dict[bytes, bytes]:
    """What a Parquet file of ours says of itself, as its metadata."""
    return {_METADATA: json.dumps(said).encode()}


def said_in(path: Path) -> dict[str, Any]:
    """What a Parquet file says of itself; nothing where it is none of ours, or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        said = json.loads((pq.read_schema(path).metadata or {})[_METADATA])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _seal(metadata: dict[bytes, bytes]) -> Sealed:
    seal = json.loads(metadata[_METADATA])
    return Sealed(seal["images"], seal["failed"], seal["detections"], Position(*seal["following"]))
