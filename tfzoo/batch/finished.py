"""A run that is done, read back: what came of each image, beside the names of its files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tfzoo.batch.inputs import Input, read_inputs
from tfzoo.batch.job import Job
from tfzoo.errors import OutputError
from tfzoo.outside import printable


@dataclass(frozen=True)
class Found:
    """What came of one image or frame.

    Attributes:
        position: Of its input; the frames of a video have one.
        input: What the list of inputs says of it.
        image: Its row.
        detections: The rows of its detections, best score first.
    """

    position: int
    input: Input
    image: dict[str, Any]
    detections: list[dict[str, Any]]


def read_back(job: Job, *, detections: bool = True) -> Iterator[Found]:
    """What came of each image of a run, in order; one part in memory.

    Args:
        job: The finished run.
        detections: Whether those are read too.

    Raises:
        OutputError: What is read is damaged, or the parts hold images that the list has not.
    """
    inputs = read_inputs(job.inputs)
    position, one, frame = -1, None, None
    for number in job.parts.sealed():
        if detections:
            table, images = job.parts.read(number)
            rows = table.to_pylist()
        else:
            images, rows = job.parts.images(number), []
        first = 0
        for image in images.to_pylist():
            key, is_frame = (image["path"], image["file_name"]), image.get("frame") is not None
            # A video goes on with its next frame, or with the row that says why it ends.
            goes_on = frame is not None and (not is_frame or image["frame"] > frame)
            while one is None or _key(one) != key or not goes_on:
                goes_on = True
                try:
                    position, one = next(inputs)
                except StopIteration:
                    raise OutputError(
                        f"{job.parts.path('images', number)} holds {key[0]}, which {job.inputs} "
                        "does not list; start anew with --overwrite"
                    ) from None
            frame = image.get("frame")
            count = image["detections"] or 0
            yield Found(position, one, image, rows[first : first + count])
            first += count


def _key(one: Input) -> tuple[str, str]:
    return printable(one.path), printable(one.name)
