"""One ground truth written in each format that can be read, with its images beside or inside.

Each is written as its own tools do: VOC by the converters from COCO (xmin = x, xmax = x + width),
TFRecords as `create_coco_tf_record.py` does.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.helpers.coco_data import Truth, write


def carried(truth: Truth, kind: str) -> Truth:
    """What a format carries of a ground truth: boxes and names, areas as the boxes have them."""
    # YOLO has no crowds, and Open Images' table no images without boxes.
    kept = [a for a in truth["annotations"] if kind != "yolo" or not a["iscrowd"]]
    shown = {a["image_id"] for a in kept}
    fields = ("id", "image_id", "category_id", "bbox", "iscrowd")
    return {
        "images": [i for i in truth["images"] if kind != "open_images" or i["id"] in shown],
        "categories": [{"id": c["id"], "name": c["name"]} for c in truth["categories"]],
        "annotations": [
            {**{name: a[name] for name in fields}, "area": a["bbox"][2] * a["bbox"][3]}
            for a in kept
        ],
    }


def _objects(truth: Truth) -> list[tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]]:
    names = {c["id"]: c["name"] for c in truth["categories"]}
    return [
        (
            image,
            [
                (names[a["category_id"]], a)
                for a in truth["annotations"]
                if a["image_id"] == image["id"]
            ],
        )
        for image in truth["images"]
    ]


def write_coco(truth: Truth, images: Path, folder: Path) -> Path:
    shutil.copytree(images, folder / "images")
    return write(folder / "instances.json", truth)


def write_voc(truth: Truth, images: Path, folder: Path) -> Path:
    shutil.copytree(images, folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for image, objects in _objects(truth):
        lines = [
            "<annotation>",
            f"<filename>{escape(image['file_name'])}</filename>",
            f"<size><width>{image['width']}</width><height>{image['height']}</height>"
            "<depth>3</depth></size>",
        ]
        for name, a in objects:
            x, y, width, height = a["bbox"]
            corners = zip(("xmin", "ymin", "xmax", "ymax"), (x, y, x + width, y + height))  # noqa: B905
            box = "".join(f"<{side}>{value!r}</{side}>" for side, value in corners)
            lines.append(
                f"<object><name>{escape(name)}</name><difficult>{a['iscrowd']}</difficult>"
                f"<bndbox>{box}</bndbox></object>"
            )
        path = folder / "Annotations" / Path(image["file_name"]).with_suffix(".xml")
        path.write_text("\n".join([*lines, "</annotation>"]))
    return folder


def write_yolo(truth: Truth, images: Path, folder: Path) -> Path:
    shutil.copytree(images, folder / "images" / "val")
    (folder / "labels" / "val").mkdir(parents=True)
    names = [c["name"] for c in truth["categories"]]
    listed = "\n".join(f"  {index}: {name}" for index, name in enumerate(names))
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames:\n{listed}\n")
    for image, objects in _objects(truth):
        lines = []
        for name, a in objects:
            x, y, width, height = a["bbox"]
            across, down = image["width"], image["height"]
            shares = ((x + width / 2) / across, (y + height / 2) / down, width / across)
            shares = (*shares, height / down)
            lines.append(" ".join([str(names.index(name)), *(f"{one:.6f}" for one in shares)]))
        if lines:
            path = folder / "labels" / "val" / Path(image["file_name"]).with_suffix(".txt")
            path.write_text("\n".join(lines) + "\n")
    return folder / "data.yaml"


def write_open_images(truth: Truth, images: Path, folder: Path) -> Path:
    shutil.copytree(images, folder / "validation")
    labels = {c["name"]: f"/m/{c['id']:05}" for c in truth["categories"]}
    with (folder / "class-descriptions-boxable.csv").open("w", newline="") as file:
        csv.writer(file).writerows((label, name) for name, label in labels.items())
    path = folder / "validation-annotations-bbox.csv"
    header = "ImageID Source LabelName Confidence XMin XMax YMin YMax IsOccluded IsTruncated"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*header.split(), "IsGroupOf", "IsDepiction", "IsInside"])
        for image, objects in _objects(truth):
            for name, a in objects:
                x, y, width, height = a["bbox"]
                across, down = image["width"], image["height"]
                corners = (x / across, (x + width) / across, y / down, (y + height) / down)
                shown = [f"{one:.6f}" for one in corners]
                key = Path(image["file_name"]).stem
                flags = (0, 0, a["iscrowd"], 0, 0)
                rows.writerow([key, "xclick", labels[name], 1, *shown, *flags])
    return path


def example(image: dict[str, Any], encoded: bytes, objects: Any, **more: Any) -> bytes:
    """A `tf.train.Example` as `create_coco_tf_record.py` writes it."""
    import tensorflow as tf

    def feature(values: list[Any]) -> Any:
        if values and isinstance(values[0], int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        if values and isinstance(values[0], float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        values = [v.encode() if isinstance(v, str) else v for v in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    across, down = image["width"], image["height"]
    boxes = [a["bbox"] for _, a in objects]
    fields = {
        "image/height": [down],
        "image/width": [across],
        "image/filename": [image["file_name"]],
        "image/source_id": [str(image["id"])],
        "image/encoded": [encoded],
        "image/format": ["jpeg"],
        "image/object/bbox/xmin": [float(b[0] / across) for b in boxes],
        "image/object/bbox/xmax": [float((b[0] + b[2]) / across) for b in boxes],
        "image/object/bbox/ymin": [float(b[1] / down) for b in boxes],
        "image/object/bbox/ymax": [float((b[1] + b[3]) / down) for b in boxes],
        "image/object/class/text": [name for name, _ in objects],
        "image/object/is_crowd": [a["iscrowd"] for _, a in objects],
        "image/object/area": [float(a["area"]) for _, a in objects],
        **more,
    }
    features = {name: feature(values) for name, values in fields.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write_tfrecords(truth: Truth, images: Path, folder: Path, shards: int = 2) -> Path:
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    listed = _objects(truth)
    for shard in range(shards):
        path = folder / f"val.record-{shard:05}-of-{shards:05}"
        with tf.io.TFRecordWriter(str(path)) as file:
            for image, objects in listed[shard::shards]:
                file.write(example(image, (images / image["file_name"]).read_bytes(), objects))
    return folder / "val.record"


WRITERS = {
    "coco": write_coco,
    "voc": write_voc,
    "yolo": write_yolo,
    "open_images": write_open_images,
    "tfrecords": write_tfrecords,
}
