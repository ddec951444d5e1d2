"""The files that people open, streamed from the sealed parts at a run's end.

`docs/file_formats.md` lists them and their columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tfzoo.batch.output import output_file
from tfzoo.batch.parts import Parts
from tfzoo.outside import FORMULA, STEERING, in_csv, shown, shown_json

if TYPE_CHECKING:
    import pyarrow as pa

#: What `export` writes.
WRITTEN = ("detections.json", "images.json", "detections.csv", "errors.jsonl")


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


def export(
    parts: Parts,
    out: Path,
    opened: Callable[[Path], AbstractContextManager[IO[bytes]]] = output_file,
) -> dict[str, int]:
    """Streams `detections.json`, `images.json`, `detections.csv` and `errors.jsonl` from the parts.

    Args:
        parts: The finished run's.
        out: Where to.
        opened: Opens one of the files to be written.

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
        opened(out / "detections.json") as detections_file,
        opened(out / "images.json") as images_file,
        opened(out / "detections.csv") as csv_file,
        opened(out / "errors.jsonl") as errors_file,
        csv.CSVWriter(csv_file, flat) as table,
        _json_list(detections_file) as write_detection,
        _json_list(images_file) as write_image,
    ):
        for number in parts.sealed():
            detections, images = parts.read(number)
            table.write_table(_for_spreadsheets(detections.select(flat.names)))
            for found in detections["category"].value_counts().to_pylist():
                counts[found["values"]] = counts.get(found["values"], 0) + found["counts"]
            for line in coco_lines(detections):
                write_detection(line)
            for row in images.to_pylist():
                path, error = row.pop("path"), row.pop("error")
                if error is not None:
                    failure = {"path": path, "error": error}
                    errors_file.write(_json(failure).encode() + b"\n")
                # One whose picture can't be drawn has an error, and is detected all the same.
                if row.pop("detections") is not None:
                    write_image(_json(row))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _json(value: dict[str, Any]) -> str:
    return shown_json(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _for_spreadsheets(table: pa.Table) -> pa.Table:
    """A table with its texts as cells that neither a spreadsheet nor a terminal runs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        if not pa.types.is_string(field.type):
            continue
        column = table[field.name]
        # Hardly a name needs it, and Arrow is quicker than Python at telling so.
        if any(pc.any(pc.match_substring_regex(column, p)).as_py() for p in (FORMULA, STEERING)):
            cells = [text and in_csv(shown(text)) for text in column.to_pylist()]
            table = table.set_column(place, field, pa.array(cells, field.type))
    return table


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
