"""Memory and speed of `tfzoo detect` by the size of the folder, and Ray's overhead on one machine.

    python -m benchmarks.folder [--images FOLDER] [--model NAME] [--ray] [SIZE ...]

Each size is a folder of links to a few real files, detected by a process of its own. The model is
a stand-in that takes little time, so that what is measured is the way there and back: reading,
order, threads, sealing. Peak memory is the process's largest resident set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.helpers import standins

SIZES = (100, 1_000, 10_000)


def link(images: list[Path], count: int, folder: Path) -> Path:
    """A folder of so many links to the images, in turn."""
    folder.mkdir()
    for i, image in zip(range(count), cycle(images), strict=False):
        (folder / f"{i:08}{image.suffix}").symlink_to(image.resolve())
    return folder


def detect(folder: Path, model: str, out: Path, *options: str) -> dict[str, Any]:
    """Runs the command; its summary, with peak memory in MiB and wall time in seconds."""
    command = [sys.executable, "-m", "tfzoo", "detect", str(folder), "--model", model]
    command += ["--out", str(out), "--json", "--no-images", *options]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    measured = {"peak_mib": usage.ru_maxrss / 1024, "wall_s": time.monotonic() - began}
    return dict(json.loads(text)) | measured


def main() -> None:
    """Prints a table; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SIZE")
    parser.add_argument("--images", type=Path, help="folder of real images to link to")
    parser.add_argument("--model", help="a model instead of the stand-in")
    parser.add_argument("--ray", action="store_true", help="compare Ray on this machine too")
    given = parser.parse_args()
    data = os.environ.get("TFZOO_TEST_DATA")
    images = given.images or (Path(data, "coco_val_mini", "images") if data else None)
    if images is None:
        parser.error("name a folder of images with --images, or set TFZOO_TEST_DATA")
    files = sorted(path for path in images.iterdir() if path.is_file())
    with tempfile.TemporaryDirectory(prefix="tfzoo-benchmark-") as temporary:
        work = Path(temporary)
        model = given.model or str(standins.save_yolov5(work / "model.onnx", side=64, rows=252))
        print("| images | images/s | peak MiB | wall s |")
        print("| ---: | ---: | ---: | ---: |")
        for size in given.sizes:
            folder = link(files, size, work / f"images{size}")
            one = detect(folder, model, work / f"out{size}")
            print(
                f"| {size} | {one['images_per_s']:.0f} | {one['peak_mib']:.0f} "
                f"| {one['wall_s']:.1f} |",
                flush=True,
            )
        if given.ray:
            # In turns and the better of two: what else the machine does comes and goes.
            rates: dict[str, float] = {"local": 0.0, "ray": 0.0}
            for turn in range(2):
                for engine in rates:
                    out = work / f"{engine}{turn}"
                    one = detect(folder, model, out, "--engine", engine)
                    rates[engine] = max(rates[engine], one["images_per_s"])
            ratio = rates["local"] / rates["ray"]
            print(
                f"\n{given.sizes[-1]} images on this machine: local {rates['local']:.0f} images/s, "
                f"Ray {rates['ray']:.0f} (its start included): {ratio:.2f} times the time"
            )


if __name__ == "__main__":
    main()
