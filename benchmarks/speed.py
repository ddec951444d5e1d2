"""Every ratio the project promises, measured in turn in one run, by the road a user takes.

    python -m benchmarks.speed --data FOLDER [--large SAVED_MODEL] [--only ROW ...]

FOLDER holds `zoo/ssd_*.tar.gz` and `zoo/centernet_*.tar.gz` (models with real weights) and
`coco_val_mini/`. The installed `tfzoo detect` runs with `auto`, in new caches and in used ones, on
a quiet machine and beside a busy core. Each row is measured `--repeats` times, ours and what it is
held against one after the other, and the medians are compared. Prints Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.in_turn import (
    NotRun,
    call,
    compared,
    head,
    in_turn,
    load,
    processor,
    row,
    seconds_of,
)
from benchmarks.road import (
    TFZOO,
    Detected,
    Model,
    Road,
    environment,
    tutorial_s,
    tutorial_speed,
)

#: Rows that are measured for each model under each load, and those that are for the models once.
LOADED = ("first", "second", "new-folder", "folder")
ONCE = ("choice", "prepare", "int8", "ap", "batches", "list")

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


def main() -> None:
    """Prints the table; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--large", type=Path, help="folder of an export of a zoo model's size")
    parser.add_argument("--copies", type=int, default=8, help="times each image is in the folder")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--caches", type=int, default=10, help="new caches for the row `choice`")
    parser.add_argument("--only", nargs="*", choices=LOADED + ONCE, default=LOADED + ONCE)
    parser.add_argument("--models", nargs="*", default=["ssd", "centernet", "demo", "large"])
    parser.add_argument("--loads", nargs="*", choices=["quiet", "busy"], default=["quiet", "busy"])
    given = parser.parse_args()

    # An installed package has its byte code; a checkout gets it at its first run, unless forbidden.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    coco = given.data / "coco_val_mini"
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {processor()}, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
          f"tensorflow {version('tensorflow')}, openvino {version('openvino')}; "
          f"median of {given.repeats} (least to most)\n")  # fmt: skip
    head()
    with tempfile.TemporaryDirectory(prefix="tfzoo-speed-") as folder:
        road = Road(Path(folder))
        models = [m for m in find_models(given.data, given.large, road) if m.name in given.models]
        for model in models:
            for name in given.loads:
                with load(name):
                    by_load(road, model, f"{model.name}, {name}", given)
            if "choice" in given.only:
                choice(road, model, given.caches, given.loads)
            if "prepare" in given.only:
                preparing(road, model, given.repeats)
            if model.name in ("ssd", "centernet"):
                if "int8" in given.only:
                    int8(road, model, coco, given.repeats, given.copies)
                if "ap" in given.only:
                    accuracies(road, model, coco)
            if "batches" in given.only and model.name == "ssd":
                batches(model, given.repeats)
        if "list" in given.only:
            listing(given.repeats)


def find_models(data: Path, large: Path | None, road: Road) -> list[Model]:
    """The models there are to measure, each unpacked once for the tutorial script."""
    os.environ["TFZOO_CACHE"] = str(road.new_cache())
    from tfzoo.store.models import get_model
    from tfzoo.zoo.manifest import DEFAULT_MODEL, packaged_scenes

    photos = data / "coco_val_mini" / "images"
    found = []
    for name, folder in (("ssd", 3.0), ("centernet", 1.5)):
        for archive in sorted((data / "zoo").glob(f"{name}_*.tar.gz"))[:1]:
            saved = get_model(archive).path
            found.append(Model(name, str(archive), saved, photos, 1 / 8, folder))
    demo = get_model(DEFAULT_MODEL).path
    found.append(Model("demo", DEFAULT_MODEL, demo, packaged_scenes(), 1 / 8, 0))
    if large:
        saved = large if (large / "saved_model.pb").exists() else large / "saved_model"
        found.append(Model("large", str(large), saved, photos, 1 / 15, 0))
    return found


def pictures(folder: Path) -> list[Path]:
    """The images of a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))


def copied(road: Road, model: Model, copies: int) -> Path:
    """A folder with each image so often that what a run costs once does not count."""
    folder = Path(tempfile.mkdtemp(prefix="images-", dir=road.place))
    for copy in range(copies):
        for path in pictures(model.images):
            (folder / f"{copy}-{path.name}").symlink_to(path.resolve())
    return folder


def by_load(road: Road, model: Model, where: str, given: argparse.Namespace) -> None:
    """The rows that are measured on a quiet machine and beside a busy core."""
    images = pictures(model.images)
    if {"first", "second"} & set(given.only):
        one_image(road, model, images[0], where, given)
    if model.name == "large":
        return
    if "new-folder" in given.only:
        new_folder(road, model, where, given.repeats)
    if "folder" in given.only:
        warm_folder(road, model, where, given)


def one_image(road: Road, model: Model, image: Path, where: str, given: argparse.Namespace) -> None:
    """The first command in a new cache, and the second."""
    caches: list[Path] = []

    def first() -> Detected:
        caches.append(road.new_cache())
        return road.detect(caches[-1], model, image)

    taken = in_turn(
        given.repeats,
        first=first,
        second=lambda: road.detect(caches[-1], model, image),
        tutorial=lambda: tutorial_s(model, image),
    )
    tutorial = taken["tutorial"]
    if "first" in given.only:
        compared(f"first command ever, one image, results on disk ({where})",
                 [one.results_s for one in taken["first"]], "tutorial script", tutorial, "s",
                 "at most 1.2")  # fmt: skip
        compared(f"first command ever, one image, until it ended ({where})",
                 [one.whole_s for one in taken["first"]], "tutorial script", tutorial,
                 "s")  # fmt: skip
    if "second" in given.only:
        second = taken["second"]
        compared(f"second command, one image, with {runtimes(second)} ({where})",
                 [one.whole_s for one in second], "tutorial script", tutorial, "s",
                 f"at most 1/{1 / model.second:.0f}")  # fmt: skip


def new_folder(road: Road, model: Model, where: str, repeats: int) -> None:
    """The first command in a new cache, on a folder."""
    images = pictures(model.images)
    taken = in_turn(
        repeats,
        ours=lambda: road.detect(road.new_cache(), model, model.images),
        tutorial=lambda: tutorial_s(model, *images),
    )
    compared(f"first command ever, {len(images)} images, results on disk ({where})",
             [one.results_s for one in taken["ours"]], "tutorial script", taken["tutorial"], "s",
             "at most 1.2")  # fmt: skip


def warm_folder(road: Road, model: Model, where: str, given: argparse.Namespace) -> None:
    """A folder in a used cache: while it runs, and as a whole command."""
    folder = copied(road, model, given.copies)
    images = pictures(folder)
    cache = road.warm_cache(model, images[0])
    taken = in_turn(
        given.repeats,
        ours=lambda: road.detect(cache, model, folder),
        speed=lambda: tutorial_speed(model, *images),
        whole=lambda: tutorial_s(model, *images),
    )
    ours = taken["ours"]
    aim = f"at least {model.folder:g}" if model.folder else ""
    compared(f"folder, warm, with {runtimes(ours)} ({where})",
             speeds(ours), "tutorial script", taken["speed"], "images/s", aim)  # fmt: skip
    compared(f"folder of {len(images)}, warm, whole command ({where})",
             [one.whole_s for one in ours], "tutorial script", taken["whole"], "s")  # fmt: skip


def speeds(detected: list[Detected]) -> list[float]:
    """Images a second while a folder was detected, its opening left out."""
    return [one.summary["images_per_s"] for one in detected]


def runtimes(detected: list[Detected]) -> str:
    """What ran, and how often where it was not always the same."""
    counts = Counter(str(one.summary["runtime"]) for one in detected).most_common()
    if len(counts) == 1:
        return counts[0][0]
    return ", ".join(f"{name} {count} of {len(detected)}" for name, count in counts)


def choice(road: Road, model: Model, caches: int, loads: list[str]) -> None:
    """What `auto` takes for a folder in new caches, in which one image was detected before."""
    image = pictures(model.images)[0]
    chosen: list[Detected] = []
    for number in range(caches):
        with load(loads[number % len(loads)]):
            cache = road.new_cache()
            road.detect(cache, model, image)
            chosen.append(road.detect(cache, model, model.images))
    row(f"chosen in {caches} new caches, {' and '.join(loads)} in turn ({model.name})",
        runtimes(chosen), aim=f"the same {caches} of {caches}")  # fmt: skip


def preparing(road: Road, model: Model, repeats: int) -> None:
    """Preparing a model, against opening its export once."""
    taken = in_turn(
        repeats,
        ours=lambda: seconds_of(
            TFZOO, "prepare", model.given,
            environment=environment(road.new_cache()),
        ),
        opening=lambda: tutorial_s(model),
    )  # fmt: skip
    compared(f"preparing ({model.name})", taken["ours"], "opening the export in TensorFlow",
             taken["opening"], "s", "at most 3")  # fmt: skip


def accuracies(road: Road, model: Model, coco: Path) -> None:
    """AP by every runtime, one image a call and in batches."""
    cache = road.new_cache()
    # Where the converter can be had; the rows of ONNX Runtime say so where not.
    with contextlib.suppress(NotRun):
        seconds_of(TFZOO, "export", model.given, "--format", "onnx", environment=environment(cache))
    reference = None
    for runtime in ("tensorflow", "frozen", "xla", "openvino", "onnx", "auto"):
        for batch in ("1", "4"):
            what = f"AP, {runtime}, batch {batch} ({model.name})"
            options = ("--runtime", runtime, "--batch", batch)
            try:
                ap, ran = average_precision(road, cache, model, coco, options)
            except NotRun as error:
                row(what, f"not run: {error}")
                continue
            reference = ap if reference is None else reference
            row(what, f"{ap:.5f} with {ran}", f"tensorflow: {reference:.5f}", ap - reference,
                "difference within 0.0005")  # fmt: skip


def average_precision(
    road: Road,
    cache: Path,
    model: Model,
    coco: Path,
    options: tuple[str, ...],
    annotations: Path | None = None,
) -> tuple[float, str]:
    """AP of what `tfzoo detect` wrote, by pycocotools, and the runtime that ran."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    given = annotations or coco / "instances.json"
    out = Path(tempfile.mkdtemp(prefix="ap-", dir=road.place)) / "found"
    options += ("--annotations", str(given), "--min-score", "0")
    detected = road.detect(cache, model, coco / "images", *options, keep=out)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(given))
        evaluation = COCOeval(truth, truth.loadRes(str(out / "detections.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), str(detected.summary["runtime"])


def int8(road: Road, model: Model, coco: Path, repeats: int, copies: int) -> None:
    """INT8, calibrated on one half of the images: its speed, and its AP on the other half."""
    truth = json.loads((coco / "instances.json").read_text())
    names = sorted(image["file_name"] for image in truth["images"])
    calibration = Path(tempfile.mkdtemp(prefix="calibration-", dir=road.place))
    for name in names[::2]:
        (calibration / name).symlink_to((coco / "images" / name).resolve())
    other = {image["id"] for image in truth["images"] if image["file_name"] in names[1::2]}
    half = road.place / "other_half.json"
    truth["images"] = [image for image in truth["images"] if image["id"] in other]
    truth["annotations"] = [one for one in truth["annotations"] if one["image_id"] in other]
    half.write_text(json.dumps(truth))

    folder = copied(road, model, copies)
    images = pictures(folder)
    cache = road.warm_cache(model, images[0])
    asked = ("--precision", "int8")
    try:
        road.tfzoo(cache, "prepare", model.given, *asked, "--calibrate", calibration)
        road.detect(cache, model, model.images, *asked)
    except NotRun as error:
        row(f"int8 ({model.name})", f"not run: {error}")
        return
    taken = in_turn(
        repeats,
        ours=lambda: road.detect(cache, model, folder, *asked),
        full=lambda: road.detect(cache, model, folder),
        tutorial=lambda: tutorial_speed(model, *images),
        whole=lambda: tutorial_s(model, *images),
    )
    what = f"folder of {len(images)}, warm, int8, while it runs ({model.name})"
    ours, full = speeds(taken["ours"]), speeds(taken["full"])
    compared(what, ours, "tutorial script", taken["tutorial"], "images/s", "at least 5")
    compared(what, ours, "full precision", full, "images/s", "at least 1.7")
    compared(f"folder of {len(images)}, warm, int8, whole command ({model.name})",
             [one.whole_s for one in taken["ours"]], "tutorial script", taken["whole"],
             "s")  # fmt: skip
    ap, _ = average_precision(road, cache, model, coco, asked, half)
    full, _ = average_precision(road, cache, model, coco, (), half)
    row(f"AP of int8 on {len(other)} other images ({model.name})", f"{ap:.5f}",
        f"full precision: {full:.5f}", ap - full, "difference within 0.005")  # fmt: skip


def batches(model: Model, repeats: int) -> None:
    """The frozen form in batches and alone, and the export as it is."""
    images = [str(path) for path in pictures(model.images)] * 3

    def stream(name: str, batch: int) -> float:
        command = [sys.executable, "-c", BATCHES, str(model.saved_model), name, str(batch)]
        return float(call(*command, *images)["images_per_s"])

    taken = in_turn(
        repeats,
        four=lambda: stream("frozen", 4),
        frozen=lambda: stream("frozen", 1),
        tensorflow=lambda: stream("tensorflow", 1),
    )
    compared("frozen form, batches of 4", taken["four"], "one image a call", taken["frozen"],
             "images/s")  # fmt: skip
    compared("frozen form, one image a call", taken["frozen"], "the export as it is",
             taken["tensorflow"], "images/s")  # fmt: skip


def listing(repeats: int) -> None:
    """A command that needs no model."""
    taken = in_turn(
        repeats * 3,
        ours=lambda: seconds_of(TFZOO, "list"),
        imports=lambda: seconds_of(sys.executable, "-c", "import yaml, pydantic"),
    )
    compared("tfzoo list", taken["ours"], "import yaml, pydantic", taken["imports"], "s",
             "at most 2.5")  # fmt: skip


if __name__ == "__main__":
    main()
