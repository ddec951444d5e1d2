"""Batch detection: any number of images through a model, into files that survive a crash.

`docs/file_formats.md` lists what a run writes. A run is pinned by its journal (`run.json`: the
settings) and its list of inputs (`inputs.parquet`); resuming goes on from the sealed parts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfzoo.batch import journal, local, ray
from tfzoo.batch.exports import export
from tfzoo.batch.inputs import Listing, WholeAddresses, read_inputs, write_inputs
from tfzoo.batch.job import INPUTS, PART_IMAGES, PARTS, Job, open_detector, probe, understood
from tfzoo.batch.journal import Journal
from tfzoo.batch.pictures import annotate_videos
from tfzoo.batch.settings import OnProgress, RunSettings
from tfzoo.detector import Detector
from tfzoo.errors import UsageError
from tfzoo.files import remove_leftovers
from tfzoo.images.sources import ImageFile
from tfzoo.options import called_with
from tfzoo.store.cache import NOTHING
from tfzoo.trials.check import Check, check
from tfzoo.trials.occasion import silent


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
        check: How a sample compares with TensorFlow's detections, where that was asked for.
        left_out: Files of the folders that are no images, by their endings.
        vouched_by: What vouches for the model's bytes, `nothing` where nothing does.
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
    check: Check | None = None
    left_out: dict[str, int] = field(default_factory=dict, repr=False)
    vouched_by: str = NOTHING

    @property
    def exit_code(self) -> int:
        """0 all good, 1 some images failed or the check shows other detections, 3 all failed."""
        if self.failed and self.failed == self.images:
            return 3
        return int(self.failed > 0 or (self.check is not None and not self.check.agrees))


@called_with(RunSettings)
def detect_folder(settings: RunSettings) -> Summary:  # noqa: D417 - `called_with` tells of them
    """Detects any number of images and writes what was found into a folder.

    One image that fails is a row in `errors.jsonl`, and the run goes on. Memory does not grow
    with the number of images. A run that was stopped, by whatever, goes on with `resume`.

    Args:
        on_progress: Told of images finished and images in all (None while unknown).
        on_step: Told in words what is done before the first image, how many steps of it are done,
            and of how many (0: not known).

    Returns:
        What was done.

    Raises:
        UsageError: A setting makes no sense, no image was found, the output folder holds another
            run, or settings changed in between.
        OutputError: Results can't be written; what was written stays valid.
        KeyboardInterrupt: Stopped; everything finished was kept.
    """
    out = settings.folder
    begun = _to_go_on_with(settings)
    # Before anything is made or deleted: nothing found is a slip in the command.
    pinned = begun or Listing(settings)
    with journal.locked(out):
        remove_leftovers(out)
        if isinstance(pinned, Listing):
            if settings.overwrite:
                journal.delete(out)
            write_inputs(out / INPUTS, pinned, PART_IMAGES)
            pinned.check()
        detectors = _open(replace(settings, runtime=_runtime(settings, begun)), pinned.images)
        columns = probe(detectors[0], video=pinned.videos > 0)
        job = Job(understood(settings, detectors[0]), columns, PART_IMAGES)
        pins = journal.pins(job, detectors[0])
        if isinstance(pinned, Listing):
            pinned = Journal(
                pins,
                pinned.images,
                pinned.videos,
                pinned.skipped,
                dict(pinned.left_out),
                detectors[0].model.vouchers,
            )
            pinned.write(out)
        else:
            pinned.check(pins, out)
        job.parts.create()
        summary = _run(job, pinned, detectors, settings.on_progress)
    if settings.check:
        return replace(summary, check=_check(job, detectors[0], settings))
    return summary


def _to_go_on_with(settings: RunSettings) -> Journal | None:
    """The journal of the run to be resumed, or None where one is to be begun."""
    out = settings.folder
    found = journal.read_journal(out)
    if settings.overwrite:
        return None
    if found is not None and not settings.resume:
        raise UsageError(
            f"{out} already holds a run of {found.settings['model']}. Go on with it: --resume. "
            "Delete its results and start anew: --overwrite. Keep them: another --out"
        )
    if found is None and (out / PARTS).exists():
        raise UsageError(
            f"{out} holds parts of a run, but no run.json that says of which. Start anew with "
            "--overwrite, or choose another --out"
        )
    return found


def _runtime(settings: RunSettings, begun: Journal | None) -> str:
    """The runtime to open the model with."""
    if settings.runtime != "auto":
        return settings.runtime
    if begun is not None:
        return str(begun.settings["runtime"]).split()[0]
    if settings.engine == "ray" and settings.device != "cpu":
        return "tensorflow"  # This machine can't measure for the others, whose GPUs it may lack.
    return "auto"


def _open(settings: RunSettings, images: int) -> list[Detector]:
    """A detector on each device; for Ray one, that only tells what the model gives."""
    if isinstance(settings.model, Detector):
        return [settings.model]
    if settings.engine == "ray":
        return [open_detector(settings, "cpu", images)]
    first, *others = settings.devices
    opened = open_detector(settings, first, images)
    same = replace(settings, runtime=opened.runtime.name)
    return [opened, *(open_detector(same, device) for device in others)]


def _check(job: Job, detector: Detector, settings: RunSettings) -> Check:
    """Compares images of the run, frames of videos left out, with TensorFlow's detections."""
    addresses = WholeAddresses(job.settings)
    listed = ((addresses.of(path), name) for _, path, name, _ in read_inputs(job.inputs))
    files = [(path, name) for path, name in listed if not ImageFile(path, name).is_video]
    return check(
        detector,
        files,
        settings.check,
        settings.min_score,
        settings.devices[0],
        settings.on_step or silent,
    )


def _run(
    job: Job, begun: Journal, detectors: list[Detector], on_progress: OnProgress | None
) -> Summary:
    done = resumed = sum(part.images for part in job.parts.sealed().values())

    def count(images: int) -> None:
        nonlocal done
        done += images
        if on_progress is not None:
            on_progress(done, begun.images)

    count(0)
    started = time.monotonic()
    if job.settings.engine == "ray":
        devices = ray.run(job, begun.images, count)
    else:
        devices = local.run(job, detectors, count)
    seconds = time.monotonic() - started
    categories = export(job.parts, job.out)
    if job.columns.video and job.settings.pictures:
        annotate_videos(job.parts, job.pictures, WholeAddresses(job.settings).of)
    sealed = job.parts.sealed().values()
    images = sum(part.images for part in sealed)
    return Summary(
        images=images,
        failed=sum(part.failed for part in sealed),
        detections=sum(part.detections for part in sealed),
        categories=categories,
        resumed=resumed,
        skipped=begun.skipped,
        seconds=seconds,
        images_per_s=(images - resumed) / seconds if seconds > 0 else 0.0,
        model=detectors[0].model.id,
        runtime=detectors[0].run_info.runtime,
        device=", ".join(devices),
        out=job.out,
        left_out=begun.left_out,
        vouched_by=detectors[0].model.vouchers,
    )
