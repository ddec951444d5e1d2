"""Batch detection: any number of images through a model, into files that survive a crash.

`docs/file_formats.md` lists what a run writes. A run is pinned by its journal (`run.json`: the
settings) and its list of inputs (`inputs.parquet`); resuming goes on from the sealed parts.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tfzoo.batch.parts import Columns, export, write_inputs, write_json
from tfzoo.batch.work import Job
from tfzoo.detector import Detector, load
from tfzoo.errors import ImageError, ModelFormatError, OutputError, UsageError
from tfzoo.images.addresses import is_address
from tfzoo.images.reading import MAX_PIXELS
from tfzoo.images.sources import ImageFile, find_images
from tfzoo.version import __version__
from tfzoo.zoo.schema import ModelSpec

#: Scores below it are dropped unless asked for otherwise.
MIN_SCORE = 0.3

#: Images in a part: some seconds of work, and few enough files in a run of a million.
PART_IMAGES = 256

Engine = Literal["local", "ray"]

#: Told how many images are finished, and how many there are (None while unknown).
OnProgress = Callable[[int, int | None], None]

_FORMAT = 1
_WRITTEN = ("detections.json", "images.json", "detections.csv", "errors.jsonl")


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        images: Images and frames in the results, failed ones included.
        failed: Those that failed; `errors.jsonl` says why.
        detections: Detections written.
        categories: How often each category was found, most frequent first.
        resumed: Images that an earlier, interrupted run had finished.
        skipped: Images that the annotation file does not list.
        seconds: Wall time of this run's detection, the model's loading not included.
        images_per_s: Images detected by this run in a second.
        model: Id of the model.
        runtime: Runtime and its version.
        device: Devices really used.
        out: The output folder.
    """

    images: int
    failed: int
    detections: int
    categories: dict[str, int] = field(repr=False)
    resumed: int
    skipped: int
    seconds: float
    images_per_s: float
    model: str
    runtime: str
    device: str
    out: Path

    @property
    def exit_code(self) -> int:
        """0 all good, 1 some images failed, 3 all did."""
        return 0 if not self.failed else 1 if self.failed < self.images else 3


def detect_folder(
    sources: str | PathLike[str] | Iterable[str | PathLike[str]],
    model: str | PathLike[str] | ModelSpec | Detector,
    out: str | PathLike[str] = "detections",
    *,
    recursive: bool = False,
    min_score: float = MIN_SCORE,
    classes: Collection[int | str] | None = None,
    max_detections: int | None = None,
    pictures: bool = True,
    annotations: str | PathLike[str] | None = None,
    device: str = "auto",
    runtime: str = "auto",
    labels: Mapping[int, str] | None = None,
    max_pixels: int = MAX_PIXELS,
    batch: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    engine: Engine = "local",
    address: str | None = None,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> Summary:
    """Detects any number of images and writes what was found into a folder.

    One image that fails is a row in `errors.jsonl`, and the run goes on. Memory does not grow
    with the number of images. A run that was stopped, by whatever, goes on with `resume`.

    Args:
        sources: Files, folders, globs, text files of paths, addresses, videos (see
            `tfzoo.images.sources.find_images`); one or several.
        model: A name (`tfzoo list`), SavedModel folder, archive, or an opened `Detector`.
        out: The output folder; `docs/file_formats.md` lists what is written.
        recursive: Whether folders are searched to any depth.
        min_score: Scores below it are dropped (0 to 1).
        classes: Keep these categories only, by id or name.
        max_detections: Keep so many of one image, best first.
        pictures: Whether annotated pictures are written.
        annotations: A COCO annotation file: its image ids are used, and images that it does not
            list are skipped.
        device: `auto`, `cpu`, `gpu`, `gpu:1`, or several, `gpu:0,gpu:1`, that share the images.
        runtime: `auto`, or one of those that `tfzoo.load` lists.
        labels: Category names by id, where they are not the model's own.
        max_pixels: Images of more pixels fail: a small file can unpack to any size.
        batch: Images detected in one call where the model takes several (on a GPU, 8 or more);
            elsewhere they come one by one, as many at once as keep the runtime busy.
        resume: Go on with an interrupted run of the same settings; starts one where none is.
        overwrite: Delete an earlier run's results first.
        engine: `local` (this machine) or `ray` (many; see `tfzoo.batch.ray`).
        address: Ray's cluster, such as `auto`; None starts Ray on this machine.
        workers: Ray's actors; None takes one for each GPU, or for every two processors.
        on_progress: Told of images finished and images in all.

    Returns:
        What was done.

    Raises:
        UsageError: A setting makes no sense, no image was found, the output folder holds another
            run, or settings changed in between.
        OutputError: Results can't be written; what was written stays valid.
        KeyboardInterrupt: Stopped; everything finished was kept.
    """
    given = [sources] if isinstance(sources, str | PathLike) else list(sources)
    _check_settings(min_score, max_detections, max_pixels, batch)
    out = Path(os.path.abspath(Path(out).expanduser()))  # noqa: PTH100 - links stay links
    journal = _read_journal(out)
    if journal is not None and not resume and not overwrite:
        raise UsageError(
            f"{out} already holds a run of {journal.settings['model']}. Go on with it: --resume. "
            "Delete its results and start anew: --overwrite. Keep them: another --out"
        )
    if journal is None and (out / "parts").exists() and not overwrite:
        raise UsageError(
            f"{out} holds parts of a run, but no run.json that says of which. Start anew with "
            "--overwrite, or choose another --out"
        )
    pinned: Journal | _Listing
    if journal is not None and not overwrite:
        pinned = journal
        if runtime == "auto":
            runtime = journal.settings["runtime"].split()[0]
    else:
        # Before anything is made or deleted: nothing found is a slip in the command.
        pinned = _Listing(given, recursive, annotations)
    if runtime == "auto" and engine == "ray" and device != "cpu":
        runtime = "tensorflow"  # This machine can't measure for the others, whose GPUs it may lack.
    with _locked(out):
        for left in out.glob(".*.tmp"):  # By a run that was killed while it wrote.
            left.unlink(missing_ok=True)
        if isinstance(pinned, _Listing):
            if overwrite:
                _delete(out)
            write_inputs(out / "inputs.parquet", pinned, PART_IMAGES)
            pinned.check()
        # For Ray the detector here only tells what the model gives; the workers have their own.
        detectors = _open(model, device if engine == "local" else "cpu", runtime, labels)
        first = detectors[0]
        columns = _probe(first)
        job = Job(
            model=first.model.id if isinstance(model, Detector) else _name(model),
            out=out,
            devices=_devices(device),
            runtime=first.runtime.name,  # What `auto` chose holds for every worker.
            labels=labels,
            min_score=min_score,
            class_ids=None if classes is None else _class_ids(classes, first.labels),
            max_detections=max_detections,
            max_pixels=max_pixels,
            pictures=pictures,
            batch=batch,
            part_images=PART_IMAGES,
            columns=replace(columns, video=pinned.videos > 0),
        )
        settings = _settings(job, first) | {
            "sources": [_absolute(os.fspath(source)) for source in given],
            "recursive": recursive,
            "annotations": None if annotations is None else _digest(Path(annotations)),
        }
        if isinstance(pinned, _Listing):
            pinned = Journal(settings, pinned.images, pinned.videos, pinned.skipped)
            pinned.write(out)
        else:
            _check_unchanged(pinned.settings, settings, out)
        job.parts.create()
        return _run(job, pinned, detectors, engine, address, workers, on_progress)


def _run(
    job: Job,
    journal: Journal,
    detectors: list[Detector],
    engine: Engine,
    address: str | None,
    workers: int | None,
    on_progress: OnProgress | None,
) -> Summary:
    done = resumed = sum(part.images for part in job.parts.sealed().values())

    def count(images: int) -> None:
        nonlocal done
        done += images
        if on_progress is not None:
            on_progress(done, journal.images)

    count(0)
    began = time.monotonic()
    if engine == "ray":
        from tfzoo.batch import ray

        devices = ray.run(job, journal.images, address=address, workers=workers, on_images=count)
    else:
        from tfzoo.batch import local

        devices = local.run(job, detectors, count)
    seconds = time.monotonic() - began
    categories = export(job.parts, job.out)
    if job.columns.video and job.pictures:
        from tfzoo.images.video import annotate_videos

        annotate_videos(job.parts, job.out / "annotated")
    sealed = job.parts.sealed().values()
    images = sum(part.images for part in sealed)
    return Summary(
        images=images,
        failed=sum(part.failed for part in sealed),
        detections=sum(part.detections for part in sealed),
        categories=categories,
        resumed=resumed,
        skipped=journal.skipped,
        seconds=seconds,
        images_per_s=(images - resumed) / seconds if seconds > 0 else 0.0,
        model=detectors[0].model.id,
        runtime=detectors[0].run_info.runtime,
        device=", ".join(devices),
        out=job.out,
    )


@dataclass(frozen=True)
class Journal:
    """What pins a run.

    Attributes:
        settings: All that its rows depend on.
        images: Images and frames to be detected, as far as the videos say.
        videos: How many of the inputs are videos.
        skipped: Images that the annotation file does not list.
    """

    settings: dict[str, Any]
    images: int
    videos: int
    skipped: int

    def write(self, out: Path) -> None:
        """Writes it; from then on the run can be resumed."""
        began = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(
            out / "run.json",
            {"format": _FORMAT, "tfzoo": __version__, "began": began, **asdict(self)},
        )


def _read_journal(out: Path) -> Journal | None:
    path = out / "run.json"
    try:
        data = json.loads(path.read_bytes())
        if data.pop("format") != _FORMAT:
            raise UsageError(
                f"{path} was written by tfzoo {data.get('tfzoo')}, whose runs this one can't go on "
                "with; finish it there, or choose another --out"
            )
        return Journal(*(data[name] for name in ("settings", "images", "videos", "skipped")))
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise OutputError(f"{out} is a file; --out takes a folder") from None
    except OSError as error:
        raise OutputError(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f"{path} is no journal of a run; remove it, choose another --out, or start anew with "
            "--overwrite"
        ) from None


def _check_settings(
    min_score: float, max_detections: int | None, max_pixels: int, batch: int
) -> None:
    if not 0 <= min_score <= 1:
        raise UsageError(f"min_score is {min_score}; expected a score from 0 to 1")
    for name, value in (
        ("max_detections", max_detections),
        ("max_pixels", max_pixels),
        ("batch", batch),
    ):
        if value is not None and value < 1:
            raise UsageError(f"{name} is {value}; expected 1 or more")


class _Listing:
    """The inputs of a run, walked once, with their image ids; counts what it gives.

    Raises:
        UsageError: No image was found, or none that the annotations list.
    """

    def __init__(
        self,
        sources: list[str | PathLike[str]],
        recursive: bool,
        annotations: str | PathLike[str] | None,
    ) -> None:
        self._ids = None if annotations is None else _annotated_ids(Path(annotations))
        found = find_images(sources, recursive)
        self._files = chain([next(found)], found)
        self.images = self.videos = self.skipped = 0

    def __iter__(self) -> Iterator[tuple[str, str, int | None]]:
        taken: dict[int, str] = {}
        for file in self._files:
            image_id = None
            if self._ids is not None:
                image_id = self._ids.get(file.name, self._ids.get(Path(file.name).name))
                if image_id is None:
                    self.skipped += 1
                    continue
                if image_id in taken:
                    raise UsageError(
                        f"{taken[image_id]} and {file.name} are both image {image_id} of the "
                        "annotation file; name the one folder that it is about"
                    )
                taken[image_id] = file.name
            if file.is_video:
                self.videos += 1
                self.images += _frames(file)
            else:
                self.images += 1
            yield _absolute(file.path), file.name, image_id

    def check(self) -> None:
        """To be called at the end."""
        if self._ids is not None and not self.images:
            raise UsageError(
                f"none of the {self.skipped} images found is listed in the annotation file; "
                "expected its file_name to be the images' names"
            )
        if self._ids is not None and self.videos:
            raise UsageError("a video has no image ids in an annotation file; leave one away")


def _frames(video: ImageFile) -> int:
    from tfzoo.images.video import video_info

    try:
        return video_info(video.path).frames
    except ImageError:
        return 1  # Fails again when its turn comes, and is told of then.


def _annotated_ids(path: Path) -> dict[str, int]:
    try:
        data = json.loads(path.read_bytes())
        return {image["file_name"]: int(image["id"]) for image in data["images"]}
    except OSError as error:
        raise UsageError(f"annotations {path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"annotations {path}: expected COCO's JSON with images of id and file_name: {error!r}"
        ) from None


def _digest(path: Path) -> str:
    try:
        return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"annotations {path} can't be read: {error.strerror}") from None


def _absolute(source: str) -> str:
    return source if is_address(source) else os.path.abspath(source)  # noqa: PTH100


def _name(model: str | PathLike[str] | ModelSpec) -> str:
    return model.id if isinstance(model, ModelSpec) else os.fspath(model)


def _devices(device: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in device.split(","))


def _open(
    model: str | PathLike[str] | ModelSpec | Detector,
    device: str,
    runtime: str,
    labels: Mapping[int, str] | None,
) -> list[Detector]:
    if isinstance(model, Detector):
        return [model]
    first, *others = _devices(device)
    opened = load(model, device=first, runtime=runtime, labels=labels, throughput=True)
    # What `auto` chose for the first holds for all: runtimes differ in the last digits.
    chosen = opened.runtime.name
    return [
        opened,
        *(
            load(model, device=each, runtime=chosen, labels=labels, throughput=True)
            for each in others
        ),
    ]


def _probe(detector: Detector) -> Columns:
    """What the model gives, seen on a blank image; this also takes the slow first call away."""
    try:
        found = detector.detect(np.zeros((64, 64, 3), dtype=np.uint8))
    except Exception as error:  # Anything at all, from any runtime.
        raise ModelFormatError(
            f"{detector.model.id} fails on a blank image, so no other was tried: {error}"
        ) from error
    return Columns(keypoints=found.keypoints is not None, masks=found.masks is not None)


def _class_ids(classes: Collection[int | str], labels: Mapping[int, str]) -> tuple[int, ...]:
    by_name = {name.casefold(): class_id for class_id, name in labels.items()}
    ids = set()
    for wanted in classes:
        text = str(wanted).strip().casefold()
        if text in by_name:
            ids.add(by_name[text])
        elif text.isdigit() and int(text) in labels:
            ids.add(int(text))
        else:
            near = difflib.get_close_matches(text, by_name, n=3, cutoff=0.0)
            raise UsageError(
                f"no category of this model is called '{wanted}'. Closest: {', '.join(near)}; "
                "ids count too"
            )
    return tuple(sorted(ids))


def _settings(job: Job, detector: Detector) -> dict[str, Any]:
    """All of a job that its rows depend on, as JSON values."""
    return {
        "model": detector.model.id,
        "digest": detector.model.digest,
        "runtime": detector.run_info.runtime,
        "precision": getattr(detector.runtime, "precision", "float32"),
        "batch": job.batch,
        "min_score": job.min_score,
        "classes": None if job.class_ids is None else list(job.class_ids),
        "max_detections": job.max_detections,
        "max_pixels": job.max_pixels,
        "labels": {str(class_id): name for class_id, name in detector.labels.items()},
        "pictures": job.pictures,
        "part_images": job.part_images,
        "columns": asdict(job.columns),
    }


def _check_unchanged(before: dict[str, Any], now: dict[str, Any], out: Path) -> None:
    changed = [name for name in now if now[name] != before.get(name)]
    if changed:
        listed = "\n".join(
            f"  {name}: was {_short(before.get(name))}, now {_short(now[name])}" for name in changed
        )
        raise UsageError(
            f"the run in {out} was begun with other settings:\n{listed}\nResume with the old ones "
            "(run.json lists them), write to another --out, or start anew with --overwrite"
        )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 100 else text[:100] + "..."


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Holds an output folder, made if need be, against other runs."""
    from filelock import FileLock, Timeout

    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise OutputError(
            f"another run is writing to {out}; wait for it, or choose another --out"
        ) from None
    except OSError as error:
        raise OutputError(
            f"output folder {out} can't be written: {error.strerror}. Choose another with --out"
        ) from None
    with lock:
        yield


def _delete(out: Path) -> None:
    """Deletes what a run wrote, and nothing else; the journal last, while parts depend on it."""
    try:
        for name in ("parts", "annotated"):
            if (out / name).exists():
                shutil.rmtree(out / name)
        for name in (*_WRITTEN, "inputs.parquet", "run.json"):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{error.filename} can't be deleted: {error.strerror}") from None
