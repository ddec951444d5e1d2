"""What tiles bring and cost: AP by size on mosaics of many small things, time and peak memory.

    python -m benchmarks.tiles --data DIR [--model FILE] [--tile 256 ...] [--large]

DIR holds `coco_val_mini` and `zoo`. The mosaics are made of COCO's images at a quarter of their
size, each in a cell of 160 x 160 pixels, with their annotations scaled; `--arrangements` says how
often, each time in another order. Each row is an evaluation in a process of its own, whose peak
memory is its largest resident set. `--large` detects a picture of 100 megapixels and
one of 400 instead, or those of the sides that it names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

#: Pixels of a cell's side: COCO's longest side is 640.
CELL = 160
#: Cells of a mosaic, down and across.
ROWS, COLUMNS = 5, 8
MODELS = (
    "ssd_mobilenet_v1_0.75_300x300_coco.tar.gz",
    "centernet_mobilenetv3_512x512_coco17.tar.gz",
)


def make_mosaics(data: Path, folder: Path, arrangements: int) -> Path:
    """Mosaics of COCO's images at a quarter of their size; their annotation file, beside them."""
    import cv2

    coco = json.loads((data / "instances.json").read_text())
    by_image: dict[int, list[dict[str, Any]]] = {}
    for annotation in coco["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, cells in enumerate(_arranged(coco["images"], arrangements), 1):
        canvas = np.full((ROWS * CELL, COLUMNS * CELL, 3), 114, dtype=np.uint8)
        for place, image in enumerate(cells):
            picture = cv2.imread(str(data / "images" / image["file_name"]))
            assert picture is not None
            high, wide = (round(side / 4) for side in picture.shape[:2])
            small = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA)
            top, left = (CELL * at for at in divmod(place, COLUMNS))
            canvas[top : top + high, left : left + wide] = small
            for one in by_image.get(image["id"], ()):
                x, y, width, height = (value / 4 for value in one["bbox"])
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": one["category_id"],
                        "bbox": [left + x, top + y, width, height],
                        "area": one["area"] / 16,
                        "iscrowd": one["iscrowd"],
                    }
                )
        name = f"{number:03}.png"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / name), canvas)
        height, width = canvas.shape[:2]
        images.append({"id": number, "file_name": name, "height": height, "width": width})
    truth = folder / "instances.json"
    made = {"images": images, "annotations": annotations, "categories": coco["categories"]}
    truth.write_text(json.dumps(made))
    return truth


def _arranged(
    images: list[dict[str, Any]], arrangements: int
) -> Iterator[Sequence[dict[str, Any]]]:
    for seed in range(arrangements):
        order = np.random.default_rng(seed).permutation(len(images))
        for first in range(0, len(order), ROWS * COLUMNS):
            yield [images[i] for i in order[first : first + ROWS * COLUMNS]]


def tfzoo(*words: str | Path) -> tuple[Any, float, float]:
    """Runs a command; its JSON, peak memory in MiB and wall time in seconds."""
    command = [sys.executable, "-m", "tfzoo", *map(str, words), "--json"]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return json.loads(text), usage.ru_maxrss / 1024, time.monotonic() - began


def accuracy(model: Path, truth: Path, work: Path, ways: Sequence[Sequence[str]]) -> None:
    """Prints a row of AP by size, memory and time for each way of detecting."""
    print(f"\n{model.name}\n\n| options | AP | small | medium | large | peak MiB | wall s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for options in ways:
        measured, peak, seconds = tfzoo(
            *("evaluate", model, "--annotations", truth, "--images", truth.parent / "images"),
            *("--results", work, "--resamples", "0", *options),
        )
        box = measured["box"]
        shown = " | ".join(f"{100 * box[name]:.1f}" for name in ("AP", "APs", "APm", "APl"))
        options_shown = f"`{' '.join(options)}`" if options else "none"
        print(f"| {options_shown} | {shown} | {peak:.0f} | {seconds:.1f} |", flush=True)


def large(data: Path, model: Path, work: Path, sides: Sequence[int]) -> None:
    """Prints a row of memory and time for square pictures of so many pixels a side."""
    import cv2

    files = sorted((data / "images").iterdir())
    print("\n| picture | options | detections | peak MiB | wall s |")
    print("| --- | --- | ---: | ---: | ---: |")
    for side in sides:
        # One at a time is in memory, beside the canvas that they are laid into.
        canvas = np.zeros((side, side, 3), dtype=np.uint8)
        places = [(top, left) for top in range(0, side, 640) for left in range(0, side, 640)]
        for place, (top, left) in enumerate(places):
            picture = cv2.imread(str(files[place % len(files)]))
            assert picture is not None
            part = canvas[top : top + 640, left : left + 640]
            part[: picture.shape[0], : picture.shape[1]] = picture[: part.shape[0], : part.shape[1]]
        path = work / f"{side}.jpg"
        cv2.imwrite(str(path), canvas)
        del canvas
        for options in ([], ["--tile", "512"]):
            summary, peak, seconds = tfzoo(
                *("detect", path, "--model", model, "--out", work / f"out {side} {options}"),
                *("--no-images", "--no-prepare", "--max-pixels", str(side * side), *options),
            )
            print(
                f"| {side} x {side} | {' '.join(options) or 'none'} | {summary['detections']} "
                f"| {peak:.0f} | {seconds:.1f} |",
                flush=True,
            )
        path.unlink()


def main() -> None:
    """Prints tables; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", help="one of the models in zoo; else each", choices=MODELS)
    parser.add_argument("--tile", nargs="*", default=["256"], metavar="SIZE")
    parser.add_argument("--arrangements", type=int, default=3)
    parser.add_argument("--large", type=int, nargs="*", metavar="SIDE", help="such pictures alone")
    given = parser.parse_args()
    ways: list[list[str]] = [[]]
    for size in given.tile:
        tile = ["--tile", size]
        ways += [tile, [*tile, "--merge", "nms"], [*tile, "--no-whole-image"]]
    with tempfile.TemporaryDirectory(prefix="tfzoo-benchmark-") as temporary:
        work = Path(temporary)
        if given.large is not None:
            model = given.data / "zoo" / (given.model or MODELS[0])
            large(given.data / "coco_val_mini", model, work, given.large or (10_000, 20_000))
            return
        truth = make_mosaics(given.data / "coco_val_mini", work / "mosaics", given.arrangements)
        for name in [given.model] if given.model else MODELS:
            accuracy(given.data / "zoo" / name, truth, work / "results", ways)


if __name__ == "__main__":
    main()
