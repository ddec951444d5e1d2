"""The sealed parts of a run: Parquet files, each whole or not there.

`docs/file_formats.md` lists their columns.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfzoo.batch.output import output_file
from tfzoo.errors import OutputError
from tfzoo.files import remove_leftovers

if TYPE_CHECKING:
    import pyarrow as pa

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
            remove_leftovers(self.folder / table)

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
            with output_file(self.path(table, number)) as file:
                pq.write_table(rows, file, compression="zstd")
        return sealed

    def images(self, number: int) -> pa.Table:
        """A part's images."""
        return _read(self.path("images", number))

    def read(self, number: int) -> tuple[pa.Table, pa.Table]:
        """A part's detections and images."""
        images = self.images(number)
        detections = _read(self.path("detections", number))
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


def _read(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    # `read_table` would import the whole of pyarrow's data sets, which takes longer than the file.
    with pq.ParquetFile(path) as file:
        return file.read()


def _seal(metadata: dict[bytes, bytes]) -> Sealed:
    seal = json.loads(metadata[_METADATA])
    return Sealed(seal["images"], seal["failed"], seal["detections"], Position(*seal["following"]))
