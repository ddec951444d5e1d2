"""Many machines: Ray Data spreads the parts of a run over a pool of detectors.

A part is the unit of work: named by its place in the inputs, so that a retry after a lost worker
or node overwrites it with the same rows. Worth it from the second machine or GPU on; one machine
needs no Ray. Every node must see the inputs and the output folder at the same path (or the inputs
at an address such as `s3://bucket/folder`), and have the model, or be able to fetch it: it is
fetched once for each node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tfzoo.batch.job import Job, open_detector
from tfzoo.batch.local import OpenPart, Pipeline, items_from
from tfzoo.batch.parts import Position
from tfzoo.cluster import join
from tfzoo.errors import OutputError, TfzooError, UsageError
from tfzoo.images.addresses import absolute


def run(
    job: Job,
    inputs: int,
    on_images: Callable[[int], None] = lambda count: None,
) -> list[str]:
    """Detects what is not sealed yet and seals it, part by part, in any order.

    Args:
        job: The run.
        inputs: Number of inputs.
        on_images: Told how many images were finished since it was last told.

    Returns:
        The kinds of device used.

    Raises:
        RuntimeUnavailableError: Ray is not installed.
        UsageError: A source is a video, or no cluster answers at the address.
        TfzooError: Ray can't be started, or stops.
    """
    if job.columns.video:
        raise UsageError("engine ray takes images; detect videos with the local engine")
    # A worker is in another folder, and may look up an address in the list that names it.
    sources = tuple(absolute(path) for path in job.settings.paths)
    job = replace(job, settings=replace(job.settings, sources=sources))
    ray = join(job.settings.address)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # What a lost worker or node was at is taken up by the next pass, by whoever is left.
    context.max_errored_blocks = -1
    todo = unsealed(job, inputs)
    # A part that was begun counts as done so far, but is detected again as a whole.
    on_images(-sum(todo.values()))
    devices: set[str] = set()
    while todo:
        devices |= _pass(job, list(todo), on_images)
        left = unsealed(job, inputs)
        if len(left) == len(todo):
            raise OutputError(
                f"{len(left)} parts could not be finished by any worker, the first being "
                f"{min(left)}; see Ray's logs, then go on with --resume"
            )
        todo = left
    return sorted(devices)


def unsealed(job: Job, inputs: int) -> dict[int, int]:
    """The parts that are not sealed whole, with the number of images already counted as done."""
    sealed = job.parts.sealed()
    return {
        number: sealed[number].images if number in sealed else 0
        for number in range(-(-inputs // job.part_images))
        if number not in sealed
        or sealed[number].images < min(job.part_images, inputs - number * job.part_images)
    }


def _pass(job: Job, parts: list[int], on_images: Callable[[int], None]) -> set[str]:
    import ray

    resources = ray.cluster_resources()
    gpus = 0 if job.devices == ("cpu",) else int(resources.get("GPU", 0))
    workers = job.settings.workers
    share = 1.0
    if not gpus and workers is None:
        # More than the smallest node has could be found on no other after a loss.
        sizes = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
        share = min(2.0, *(size for size in sizes if size >= 1), 2.0)
    pool = workers or gpus or max(1, int(resources.get("CPU", 1) // share))
    done = ray.data.from_items([{"part": n} for n in parts], override_num_blocks=len(parts)).map(
        _Worker,
        fn_constructor_args=(job,),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(pool, len(parts))),
        num_cpus=None if gpus else share,
        num_gpus=1 if gpus else None,
    )
    devices = set()
    try:
        for row in done.iter_rows():
            devices.add(str(row["device"]))
            on_images(row["images"])
    except ray.exceptions.RayError as error:
        raise TfzooError(
            f"Ray stopped: {error}\nWhat was finished is kept; go on with --resume"
        ) from None
    return devices


class _Worker:
    """A detector in a process of its own."""

    def __init__(self, job: Job) -> None:
        # Ray shows a worker its own GPUs alone, as the first ones.
        device = "cpu" if job.devices == ("cpu",) else "auto"
        self._detector = open_detector(job.settings, device)
        self._job = job

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        job, number = self._job, int(row["part"])
        first = number * job.part_images
        items = items_from(job, first, Position(first), first + job.part_images)
        part, images = OpenPart(job.parts), 0
        for item in Pipeline(job, [self._detector]).finished(items):
            part.add(item)
            images += 1
        part.seal()
        return {"part": number, "images": images, "device": self._detector.run_info.device}
