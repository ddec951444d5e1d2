"""A run's results in the formats of others, streamed from the sealed parts when they are asked for.

`docs/file_formats.md` says what each holds. One image is in memory at a time, beside its part.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from tfzoo.batch.finished import Found, read_back
from tfzoo.batch.formats import FORMATS, frame_name
from tfzoo.batch.job import Job
from tfzoo.batch.names import below, file_of
from tfzoo.batch.output import told_of, write_of_image
from tfzoo.batch.parts import said_in
from tfzoo.detections.labels import KEYPOINTS, SKELETON
from tfzoo.images.addresses import is_address
from tfzoo.outside import in_csv, shown, shown_json
from tfzoo.version import __version__

#: Takes what came of an image.
Write = Callable[[Found], None]

#: The version of labelme's files that these are like (https://github.com/wkentaro/labelme).
_LABELME = "5.5.0"


@dataclass(frozen=True)
class Export:
    """What all formats are written from.

    Attributes:
        job: The finished run.
        categories: Names by id: the model's, and what was found beside them; in order.
        opened: Opens a file of the run that holds all images.
        roots: What the images' names are below; None in a run of an earlier version.
    """

    job: Job
    categories: Mapping[int, str]
    opened: Callable[[Path], AbstractContextManager[IO[bytes]]]
    roots: tuple[str, str] | None

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """One of the files that hold all images, by its name in the output folder."""
        path = self.job.out / name
        with told_of(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return self.opened(path)

    def write(self, kind: str, found: Found, content: bytes) -> None:
        """Writes the file of an image."""
        path = self.path(kind, found)
        with told_of(path):
            write_of_image(path, content, self.job.mark)

    def path(self, kind: str, found: Found) -> Path:
        """Where the file of an image lies."""
        stem, frame = found.input.stem or "", found.image.get("frame")
        name = stem if frame is None else f"{stem}/{frame_name(frame)}"
        about = FORMATS[kind]
        return file_of(self.job.out / (about.folder or ""), name, about.ending)

    def image_name(self, found: Found) -> str:
        """The image's own name below the folder that all sources share."""
        image = found.image
        name: str = image["file_name"] if self.roots is None else below(image["path"], self.roots)
        frame = image.get("frame")
        return name if frame is None else f"{name}/{frame_name(frame)}.jpg"


def write_formats(
    job: Job,
    formats: Sequence[str],
    labels: Mapping[int, str],
    opened: Callable[[Path], AbstractContextManager[IO[bytes]]],
) -> None:
    """Writes a finished run's results in other formats.

    Args:
        job: The run.
        formats: Of `FORMATS`.
        labels: Category names of the model.
        opened: Opens a file that holds all images.

    Raises:
        OutputError: A file can't be written, or a part can't be read.
    """
    wanted = [WRITERS[name] for name in formats if name in WRITERS]
    if not wanted:
        return
    roots = said_in(job.inputs).get("roots")
    known = None if roots is None else (str(roots[0]), str(roots[1]))
    export = Export(job, _categories(job, labels), opened, known)
    with ExitStack() as files:
        writers = [files.enter_context(writer(export)) for writer in wanted]
        for found in read_back(job):
            # What failed has no boxes; one whose picture can't be drawn has.
            for write in writers:
                write(found)


def _categories(job: Job, labels: Mapping[int, str]) -> dict[int, str]:
    """The model's categories, and those that were found though its labels leave them out."""
    found = {}
    for number in job.parts.sealed():
        table = job.parts.read(number)[0].select(["category_id", "category"])
        for row in table.group_by(["category_id", "category"]).aggregate([]).to_pylist():
            found[row["category_id"]] = row["category"]
    return dict(sorted((dict(labels) | found).items()))


def _corners(row: Mapping[str, Any]) -> tuple[float, float, float, float]:
    return row["x0"], row["y0"], row["x1"], row["y1"]


def _detected(found: Found) -> bool:
    return found.image["detections"] is not None


@contextmanager
def _coco(export: Export) -> Iterator[Write]:
    """A dataset as https://cocodataset.org/#format-data has it, with the score of each object."""
    count = 0
    points = export.job.columns.keypoints
    with export.open("coco.json") as file, TemporaryFile(dir=export.job.out) as annotations:

        def write(found: Found) -> None:
            nonlocal count
            if not _detected(found):
                return
            image = found.image
            entry = {"id": image["image_id"], "file_name": export.image_name(found)}
            file.write(separators[0] + _json(entry | _size(image)))
            separators[0] = b",\n"
            for row in found.detections:
                count += 1
                entry = {"id": count, "image_id": image["image_id"], **_coco_object(row)}
                annotations.write(separators[1] + _json(entry))
                separators[1] = b",\n"

        separators = [b"\n", b"\n"]
        about = {"description": f"Detections of {export.job.settings.model} by tfzoo {__version__}"}
        categories = [_coco_category(*pair, points) for pair in export.categories.items()]
        file.write(b'{"info": ' + _json(about) + b',\n"categories": [\n')
        file.write(b",\n".join(map(_json, categories)) + b'\n],\n"images": [')
        yield write
        file.write(b'\n],\n"annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        file.write(b"\n]}\n")


def _size(image: Mapping[str, Any]) -> dict[str, int]:
    return {"width": image["width"], "height": image["height"]}


def _coco_category(class_id: int, name: str, points: bool) -> dict[str, Any]:
    category: dict[str, Any] = {"id": class_id, "name": name, "supercategory": ""}
    if points and name == "person":
        skeleton = [[a + 1, b + 1] for a, b in SKELETON]
        category |= {"keypoints": list(KEYPOINTS), "skeleton": skeleton}
    return category


def _coco_object(row: Mapping[str, Any]) -> dict[str, Any]:
    x0, y0, x1, y1 = _corners(row)
    found: dict[str, Any] = {
        "category_id": row["category_id"],
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
        "iscrowd": 0,
        "segmentation": [],
        "score": row["score"],
    }
    if mask := row.get("segmentation"):
        from pycocotools.mask import area

        found |= {"segmentation": mask, "area": float(area(mask))}
    if points := row.get("keypoints"):
        # Of a point COCO tells whether it is seen; a model gives one for each, and a score.
        seen = [value if i % 3 < 2 else 2 for i, value in enumerate(points)]
        found |= {"keypoints": seen, "num_keypoints": len(points) // 3}
    return found


def _json(value: Any) -> bytes:
    return shown_json(json.dumps(value, ensure_ascii=False, allow_nan=False)).encode()


@contextmanager
def _yolo(export: Export) -> Iterator[Write]:
    """Ultralytics' text files: a class from 0, centre and size as parts of the image's."""
    import yaml

    index = {class_id: i for i, class_id in enumerate(export.categories)}

    def write(found: Found) -> None:
        if not _detected(found):
            return
        width, height = found.image["width"], found.image["height"]
        lines = []
        for row in found.detections:
            x0, x1 = (min(max(row[name] / width, 0.0), 1.0) for name in ("x0", "x1"))
            y0, y1 = (min(max(row[name] / height, 0.0), 1.0) for name in ("y0", "y1"))
            numbers = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
            places = " ".join(f"{number:.8f}" for number in numbers)
            lines.append(f"{index[row['category_id']]} {places}\n")
        export.write("yolo", found, "".join(lines).encode())

    names = dict(enumerate(export.categories.values()))
    places = {"path": ".", "train": "images", "val": "images"}
    with export.open("yolo/data.yaml") as file:
        about = {**places, "nc": len(names), "names": names}
        file.write(yaml.safe_dump(about, sort_keys=False, allow_unicode=True).encode())
        yield write


@contextmanager
def _voc(export: Export) -> Iterator[Write]:
    """Pascal VOC's XML, with whole pixels that count from 1, as its development kit has them."""

    def write(found: Found) -> None:
        if not _detected(found):
            return
        folder, _, name = export.image_name(found).rpartition("/")
        root = ET.Element("annotation")
        _add(root, folder=folder, filename=name)
        _add(ET.SubElement(root, "source"), database=f"tfzoo {__version__}")
        _add(ET.SubElement(root, "size"), **_size(found.image), depth=3)
        _add(root, segmented=0)
        for row in found.detections:
            one = ET.SubElement(root, "object")
            _add(one, name=row["category"], pose="Unspecified", truncated=0, difficult=0)
            x0, y0, x1, y1 = map(round, _corners(row))
            box = ET.SubElement(one, "bndbox")
            _add(box, xmin=x0 + 1, ymin=y0 + 1, xmax=max(x1, x0 + 1), ymax=max(y1, y0 + 1))
        ET.indent(root)
        export.write("voc", found, ET.tostring(root, encoding="utf-8") + b"\n")

    yield write


def _add(element: ET.Element, **values: object) -> None:
    for name, value in values.items():
        # XML knows no control character, not even written out.
        ET.SubElement(element, name).text = shown(str(value))


@contextmanager
def _labelme(export: Export) -> Iterator[Write]:
    """A file for each image that labelme opens, which finds the image from there."""

    def write(found: Found) -> None:
        if not _detected(found):
            return
        path, source = export.path("labelme", found), found.image["path"]
        if is_address(source) or found.image.get("frame") is not None:
            image_path = export.image_name(found).rpartition("/")[2]
        else:
            image_path = os.path.relpath(source, path.parent)
        shapes = [
            {
                "label": row["category"],
                "points": [[row["x0"], row["y0"]], [row["x1"], row["y1"]]],
                "group_id": None,
                "description": f"score {row['score']:.3f}",
                "shape_type": "rectangle",
                "flags": {},
                "mask": None,
            }
            for row in found.detections
        ]
        about: dict[str, Any] = {"version": _LABELME, "flags": {}, "shapes": shapes}
        about |= {"imagePath": image_path, "imageData": None}
        about |= {"imageHeight": found.image["height"], "imageWidth": found.image["width"]}
        text = json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False)
        export.write("labelme", found, shown_json(text).encode())

    yield write


@contextmanager
def _parquet(export: Export) -> Iterator[Write]:
    """The parts of the detections as one file."""
    import pyarrow.parquet as pq

    parts = export.job.parts
    with (
        export.open("detections.parquet") as file,
        pq.ParquetWriter(file, parts.columns.detections(), compression="zstd") as writer,
    ):
        for number in parts.sealed():
            writer.write_table(parts.read(number)[0])
        yield lambda found: None


@contextmanager
def _counts(export: Export) -> Iterator[Write]:
    """A row an image: how often each category was found in it; nothing where it failed."""
    video = ["frame", "timestamp_s"] if export.job.columns.video else []
    settings = export.job.settings
    kept = set(export.categories if settings.classes is None else settings.classes)
    kept -= set(settings.exclude or ())
    ids = [class_id for class_id in export.categories if class_id in kept]
    names = [export.categories[class_id] for class_id in ids]
    with export.open("counts.csv") as file:

        def line(cells: Sequence[object]) -> None:
            texts = ["" if cell is None else in_csv(shown(str(cell))) for cell in cells]
            csv.writer(text := io.StringIO(newline=""), lineterminator="\n").writerow(texts)
            file.write(text.getvalue().encode())

        line(["image_id", "file_name", *video, "detections", *names])

        def write(found: Found) -> None:
            image = found.image
            counts = Counter(row["category_id"] for row in found.detections)
            number = [counts[i] if _detected(found) else None for i in ids]
            about = [image[name] for name in ("image_id", "file_name", *video, "detections")]
            line([*about, *number])

        yield write


WRITERS: dict[str, Callable[[Export], AbstractContextManager[Write]]] = {
    "coco": _coco,
    "yolo": _yolo,
    "voc": _voc,
    "labelme": _labelme,
    "parquet": _parquet,
    "counts": _counts,
}
