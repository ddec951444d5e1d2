"""Every ratio the project promises, measured in turn in one run.

Usage: python benchmarks/speed.py --data FOLDER [--large SAVED_MODEL] [--repeats 5]

FOLDER holds `zoo/*.tar.gz` (a model with real weights) and `coco_val_mini/`. Each row is measured
`--repeats` times, ours and what it is held against one after the other, and the medians are
compared, so that a busy machine disturbs both alike. Prints Markdown.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
PYTHON = sys.executable

FOLDER = """
import json, sys, tempfile, time
from pathlib import Path
import tfzoo
from tfzoo.batch.folder import detect_folder
model, runtime, *images = sys.argv[1:]
detector = tfzoo.load(model, runtime=runtime, throughput=True)
with tempfile.TemporaryDirectory() as out:
    detect_folder(images[:8], detector, Path(out) / "warm", min_score=0.3, pictures=False)
    started = time.perf_counter()
    detect_folder(images, detector, Path(out) / "all", min_score=0.3, pictures=False)
    seconds = time.perf_counter() - started
print(json.dumps({"images_per_s": len(images) / seconds}))
"""

BARE = """
import json, sys, time
import tfzoo
from tfzoo.images.pipeline import READERS, in_order
model, runtime, upto, *images = sys.argv[1:]
detector = tfzoo.load(model, runtime=runtime, throughput=True)
threads = detector.workers + READERS
def run(path):
    prepared = detector.prepare(tfzoo.read_image(path))
    if upto == "detections":
        detector.detect_prepared([prepared], 0.3)
    else:
        detector.runtime.run(*prepared.inputs)
list(in_order(run, images[:8], threads))
started = time.perf_counter()
for _ in in_order(run, images, threads):
    pass
print(json.dumps({"images_per_s": len(images) / (time.perf_counter() - started)}))
"""

BATCHES = """
import json, sys, time
import tfzoo
model, runtime, batch, *images = sys.argv[1:]
detector = tfzoo.load(model, runtime=runtime, throughput=True)
assert detector.takes_batches or batch == "1"
list(detector.stream(images[:16], 0.3, int(batch)))
started = time.perf_counter()
for _ in detector.stream(images, 0.3, int(batch)):
    pass
print(json.dumps({"images_per_s": len(images) / (time.perf_counter() - started)}))
"""

ACCURACY = """
import contextlib, io, json, sys
from pathlib import Path
import tfzoo
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
model, runtime, batch, data = sys.argv[1:]
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO(str(Path(data) / "instances.json"))
    ids = sorted(truth.imgs)
    paths = [Path(data) / "images" / truth.imgs[i]["file_name"] for i in ids]
    detector = tfzoo.load(model, runtime=runtime, throughput=True)
    rows = []
    for image_id, found in zip(ids, detector.stream(paths, batch_size=int(batch)), strict=True):
        rows += found.to_coco(image_id)
    evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
    evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
print(json.dumps({"ap": evaluation.stats[0], "runtime": detector.run_info.runtime}))
"""


ROWS = ["folder", "batches", "command", "large", "ap", "list"]


def call(*command: str) -> dict[str, float]:
    """Runs a program whose last line is JSON."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def seconds_of(*command: str) -> float:
    """Wall seconds of a whole command."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def in_turn(repeats: int, **measures: Callable[[], float]) -> dict[str, list[float]]:
    """Takes each measure, one after the other, again and again."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(repeats):
        for name, measure in measures.items():
            taken[name].append(measure())
    return taken


def shown(values: list[float], unit: str) -> str:
    return f"{median(values):.3g} {unit} ({min(values):.3g} to {max(values):.3g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--large", type=Path, help="folder of an export of a zoo model's size")
    parser.add_argument("--copies", type=int, default=8, help="times each photo is in the folder")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runtime", default="openvino")
    parser.add_argument("--only", nargs="*", default=ROWS)
    options = parser.parse_args()
    repeats, runtime = options.repeats, options.runtime

    from tfzoo.store.models import get_model

    archive = next((options.data / "zoo").glob("ssd_*.tar.gz"))
    model = str(get_model(archive).path)
    coco = options.data / "coco_val_mini"
    photos = sorted((coco / "images").iterdir())
    images = [str(path) for path in photos]
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {processor()}, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
          f"tensorflow {version('tensorflow')}, openvino {version('openvino')}; "
          f"{len(images)} images, median of {repeats} (least to most)\n")  # fmt: skip
    print("| what | ours | against | ratio | aim |\n| --- | --- | --- | --- | --- |", flush=True)

    def row(what: str, ours: str, against: str, ratio: float, aim: str) -> None:
        print(f"| {what} | {ours} | {against} | {ratio:.3g} | {aim} |", flush=True)

    # Prepared and cached, as in everyday use.
    call(PYTHON, "-c", FOLDER, model, runtime, *images[:8])

    if "folder" in options.only:
        # Often enough that what a run costs once does not count: the figure is for a warm one.
        more = tempfile.TemporaryDirectory()
        many = [
            Path(more.name, f"{copy}-{photo.name}")
            for copy in range(options.copies)
            for photo in photos
        ]
        for path in many:
            path.symlink_to(photos[0].parent / path.name.split("-", 1)[1])
        images = [str(path) for path in many]

        def bare(upto: str) -> float:
            return call(PYTHON, "-c", BARE, model, runtime, upto, *images)["images_per_s"]

        taken = in_turn(
            repeats,
            ours=lambda: call(PYTHON, "-c", FOLDER, model, runtime, *images)["images_per_s"],
            tutorial=lambda: call(PYTHON, str(HERE / "tutorial.py"), model, *images)[
                "images_per_s"
            ],
            network=lambda: bare("network"),
            detections=lambda: bare("detections"),
        )
        ours = median(taken["ours"])
        row("folder, warm", shown(taken["ours"], "images/s"),
            "tutorial script: " + shown(taken["tutorial"], "images/s"),
            ours / median(taken["tutorial"]), "at least 3")  # fmt: skip
        for upto in ("detections", "network"):
            row("folder, warm", shown(taken["ours"], "images/s"),
                f"bare loop up to the {upto}: " + shown(taken[upto], "images/s"),
                ours / median(taken[upto]), "at least 0.9")  # fmt: skip
        more.cleanup()
        images = [str(path) for path in photos]

    if "batches" in options.only:
        some = images * 3

        def stream(name: str, batch: int) -> float:
            return call(PYTHON, "-c", BATCHES, model, name, str(batch), *some)["images_per_s"]

        taken = in_turn(
            repeats,
            four=lambda: stream("frozen", 4),
            frozen=lambda: stream("frozen", 1),
            tensorflow=lambda: stream("tensorflow", 1),
        )
        row("frozen form, batches of 4", shown(taken["four"], "images/s"),
            "one image a call: " + shown(taken["frozen"], "images/s"),
            median(taken["four"]) / median(taken["frozen"]), "")  # fmt: skip
        row("frozen form, one image a call", shown(taken["frozen"], "images/s"),
            "the export as it is: " + shown(taken["tensorflow"], "images/s"),
            median(taken["frozen"]) / median(taken["tensorflow"]), "")  # fmt: skip

    commands = [("command", model, 6), ("large", str(options.large), 12)]
    for name, folder, share in commands:
        if name not in options.only or folder == "None":
            continue
        with tempfile.TemporaryDirectory() as out:
            command = [PYTHON, "-m", "tfzoo", "detect", images[0], "--model", folder, "--out", out]
            command += ["--overwrite", "--no-images", "--runtime", runtime]
            subprocess.run(command, check=True, capture_output=True)
            saved = folder if Path(folder, "saved_model.pb").exists() else f"{folder}/saved_model"
            tutorial = [PYTHON, str(HERE / "tutorial.py"), saved, images[0]]
            taken = in_turn(
                repeats,
                ours=lambda command=command: seconds_of(*command),
                tutorial=lambda tutorial=tutorial: seconds_of(*tutorial),
            )
        row(f"one image, whole command{', a zoo model’s size' if name == 'large' else ''}",
            shown(taken["ours"], "s"), "tutorial script: " + shown(taken["tutorial"], "s"),
            median(taken["ours"]) / median(taken["tutorial"]), f"at most 1/{share}")  # fmt: skip

    if "ap" in options.only:
        trials = [("tensorflow", 1), ("tensorflow", 4)]
        trials += [(name, n) for name in ("frozen", "xla", "openvino", "onnx") for n in (1, 4)]
        reference = None
        for name, batch in trials:
            try:
                found = call(PYTHON, "-c", ACCURACY, model, name, str(batch), str(coco))
            except subprocess.CalledProcessError as error:
                reason = error.stderr.strip().splitlines()[-1].split(":")[0]
                print(f"| AP, {name}, batch {batch} | not run: {reason} | | | |")
                continue
            reference = found["ap"] if reference is None else reference
            row(f"AP, {found['runtime']}, batch {batch}", f"{found['ap']:.5f}",
                f"tensorflow: {reference:.5f}", found["ap"] - reference,
                "difference within 0.0005")  # fmt: skip

    if "list" in options.only:
        taken = in_turn(
            repeats * 3,
            ours=lambda: seconds_of(PYTHON, "-m", "tfzoo", "list"),
            imports=lambda: seconds_of(PYTHON, "-c", "import yaml, pydantic"),
        )
        row("tfzoo list", shown(taken["ours"], "s"),
            "import yaml, pydantic: " + shown(taken["imports"], "s"),
            median(taken["ours"]) / median(taken["imports"]), "at most 2.5")  # fmt: skip


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
