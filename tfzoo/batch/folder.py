"""Batch detection: any number of images through a model, into files that survive a crash.

`docs/file_formats.md` lists what a run writes. A run is pinned by its journal (`run.json`: the
settings) and its list of inputs (`inputs.parquet`); resuming goes on from the sealed parts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from uuid import uuid4

from tfzoo.batch import journal, local, ray
from tfzoo.batch.crops import without_crop
from tfzoo.batch.datasets import write_formats
from tfzoo.batch.exports import export
from tfzoo.batch.formats import FORMATS
from tfzoo.batch.inputs import Listing, WholeAddresses, read_inputs, write_inputs
from tfzoo.batch.job import INPUTS, PART_IMAGES, Job, open_detector, probe, understood
from tfzoo.batch.journal import Journal
from tfzoo.batch.lock import locked
from tfzoo.batch.output import told_of
from tfzoo.batch.owned import (
    Owned,
    in_the_way,
    of_images_in_the_way,
    owned_by,
    owned_by_inputs,
    sweep,
)
from tfzoo.batch.parts import mark_of
from tfzoo.batch.pictures import annotate_videos
from tfzoo.batch.settings import RunSettings
from tfzoo.detecting import least_score
from tfzoo.detector import Detector
from tfzoo.errors import UsageError
from tfzoo.files import give_name, hidden_name
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
        formats: What other formats the results were written in.
        without_crop: Detections whose boxes cover no pixel, so that none is cut out.
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
    formats: tuple[str, ...] = ()
    without_crop: int = 0

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
        on_step: Told in words what is done before the first image, or in an image of a hundred
            tiles and more; how many steps of it are done, and of how many (0: not known). Of tiles
            it is told on other threads.

    Returns:
        What was done.

    Raises:
        UsageError: A setting makes no sense, no image was found, the output folder holds another
            run, or settings changed in between.
        OutputError: Results can't be written; what was written stays valid.
        KeyboardInterrupt: Stopped; everything finished was kept.
    """
    out = settings.folder
    # Before a folder is made: nothing found is a slip in the command.
    listing = None if out.exists() else Listing(settings)
    with locked(out) as hold:
        # Nothing of the folder is known before it is held: another run may have just begun there.
        begun, earlier = _lies_there(settings)
        if hold.died is not None:
            sweep(out, hold.died.run)
        if earlier is not None:
            sweep(out, earlier.run)
        run = uuid4().hex[:12] if begun is None else begun.run
        hold.sign(run)
        if begun is None:
            begun, job, detectors = _begin(settings, run, listing or Listing(settings), earlier)
        else:
            job, detectors = _opened(settings, run, begun.images, begun.videos, begun)
            begun.check(journal.pins(job, detectors[0]), out)
            _add_formats(begun, job)
        hold.stays = True
        job.parts.create()
        summary = _run(job, begun, detectors, settings)
        if settings.check:
            return replace(summary, check=_check(job, detectors[0], settings))
    return summary


def _lies_there(settings: RunSettings) -> tuple[Journal | None, Owned | None]:
    """What lies in a folder that is held.

    Returns:
        The journal of the run to be resumed, or None where one is to be begun; and what the run
        that lies there owns, or None where there is none.

    Raises:
        UsageError: It may not be written to.
    """
    out = settings.folder
    resumed = False
    try:
        found = journal.read_journal(out)
    except UsageError:
        if not settings.overwrite:
            raise
        if (earlier := owned_by_inputs(out, began=True)) is None:
            raise UsageError(
                f"{out / journal.JOURNAL} is no journal of a run, or damaged, and no "
                f"{INPUTS} beside it says that a run of tfzoo's lies there: nothing is deleted. "
                "Move away what is there, or choose another --out"
            ) from None
    else:
        resumed = found is not None and not settings.overwrite
        if found is not None and resumed and not settings.resume:
            raise UsageError(
                f"{out} already holds a run of {found.settings.get('model')}. Go on with it: "
                "--resume. Delete its results and start anew: --overwrite. Keep them: another --out"
            )
        earlier = owned_by(out, found) if found else owned_by_inputs(out, began=False)
    if others := in_the_way(out, earlier, resumed, tuple(settings.formats or ())):
        raise _others(out, others, earlier)
    return (found if resumed else None), earlier


def _others(out: Path, others: Sequence[Path], earlier: Owned | None) -> UsageError:
    """What to say of files that lie where a run's would, and are no run's."""
    listed = ", ".join(str(path.relative_to(out)) for path in others[:3])
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    names = "its run.json does not name" if earlier and earlier.began else "no run.json there names"
    return UsageError(
        f"{out} holds {listed}{more}, which {names} as a run's own: what others wrote is neither "
        "replaced nor deleted. Move it away, or choose another --out"
    )


def _begin(
    settings: RunSettings, run: str, listing: Listing, earlier: Owned | None
) -> tuple[Journal, Job, list[Detector]]:
    """Begins a run; an earlier one is deleted when nothing more can be wrong with this one."""
    out, inputs = settings.folder, settings.folder / INPUTS
    hidden = hidden_name(inputs, mark_of(run))
    try:
        formats = list(settings.formats or ())
        said = {"pictures": settings.pictures, "formats": formats, "roots": listing.roots}
        write_inputs(hidden, listing, PART_IMAGES, run, **said)
        listing.check()
        job, detectors = _opened(settings, run, listing.images, listing.videos)
        begun = Journal(
            journal.pins(job, detectors[0]),
            listing.images,
            listing.videos,
            listing.skipped,
            dict(listing.left_out),
            detectors[0].model.vouchers,
            run,
            formats=formats,
        )
        # Pictures of two runs may go by the same names: those of the earlier one have to go first.
        if earlier is not None and earlier.of_images:
            earlier.delete()
        others = of_images_in_the_way(out, hidden, settings.pictures, formats)
        if other := next(others, None):
            raise _others(out, [other], earlier)
        if earlier is not None and not earlier.of_images:
            earlier.delete()
        with told_of(inputs):
            give_name(hidden, inputs, lambda path: False)
    finally:
        hidden.unlink(missing_ok=True)
    begun.write(out)
    return begun, job, detectors


def _add_formats(begun: Journal, job: Job) -> None:
    """Notes what formats a run that is gone on with is to write beside those that it wrote."""
    out = job.out
    new = [name for name in job.settings.formats or () if name not in begun.formats]
    if not new:
        return
    for_each = [name for name in new if FORMATS[name].folder]
    if for_each and any(one.stem is None for _, one in read_inputs(job.inputs, 0, 1)):
        raise UsageError(
            f"the run in {out} was begun by an earlier version, which kept no names for files of "
            f"{', '.join(for_each)}: begin another with another --out, or anew with --overwrite"
        )
    if other := next(of_images_in_the_way(out, job.inputs, False, for_each), None):
        raise _others(out, [other], owned_by(out, begun))
    begun.formats.extend(new)
    begun.write(out, again=True)


def _opened(
    settings: RunSettings, run: str, images: int, videos: int, begun: Journal | None = None
) -> tuple[Job, list[Detector]]:
    """The run as its engines know it, and its detectors."""
    detectors = _open(replace(settings, runtime=_runtime(settings, begun)), images)
    columns = probe(detectors[0], video=videos > 0)
    return Job(understood(settings, detectors[0]), columns, PART_IMAGES, run), detectors


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
        return [settings.model.suppressing(settings)]
    if settings.engine == "ray":
        return [open_detector(settings, "cpu", images)]
    first, *others = settings.devices
    opened = open_detector(settings, first, images)
    same = replace(settings, runtime=opened.runtime.name)
    return [opened, *(open_detector(same, device) for device in others)]


def _check(job: Job, detector: Detector, settings: RunSettings) -> Check:
    """Compares images of the run, frames of videos left out, with TensorFlow's detections."""
    addresses = WholeAddresses(job.settings)
    listed = ((addresses.of(one.path), one.name) for _, one in read_inputs(job.inputs))
    files = [(path, name) for path, name in listed if not ImageFile(path, name).is_video]
    return check(
        detector,
        files,
        settings.check,
        least_score(settings.min_score),
        settings.devices[0],
        settings.on_step or silent,
    )


def _run(job: Job, begun: Journal, detectors: list[Detector], told: RunSettings) -> Summary:
    done = resumed = sum(part.images for part in job.parts.sealed().values())

    def count(images: int) -> None:
        nonlocal done
        done += images
        if told.on_progress is not None:
            told.on_progress(done, begun.images)

    count(0)
    started = time.monotonic()
    if job.settings.engine == "ray":
        devices = ray.run(job, begun.images, count)
    else:
        devices = local.run(job, detectors, count, told.on_step or silent)
    seconds = time.monotonic() - started
    opened = partial(begun.result_file, job.out)
    categories = export(job.parts, job.out, opened)
    write_formats(job, begun.formats, detectors[0].labels, opened)
    if job.columns.video and job.settings.pictures:
        annotate_videos(job, WholeAddresses(job.settings).of)
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
        formats=tuple(begun.formats),
        without_crop=without_crop(job) if job.settings.crops else 0,
    )
