"""The formats that a run's results can be had in beside those that it always writes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tfzoo.errors import UsageError


@dataclass(frozen=True)
class Format:
    """Where the files of a format lie, below the output folder.

    Attributes:
        files: Those that hold all images.
        folder: Of those that hold an image each, or None.
        ending: What the names of these end with.
    """

    files: tuple[str, ...] = ()
    folder: str | None = None
    ending: str = ""


#: By their names. That of `csv` is always written, and can be asked for all the same.
FORMATS = {
    "coco": Format(("coco.json",)),
    "yolo": Format(("yolo/data.yaml",), "yolo/labels", ".txt"),
    "voc": Format((), "voc/Annotations", ".xml"),
    "labelme": Format((), "labelme", ".json"),
    "csv": Format(),
    "parquet": Format(("detections.parquet",)),
    "counts": Format(("counts.csv",)),
}


def checked_formats(names: Collection[str] | None) -> tuple[str, ...]:
    """Names of formats, each once.

    Raises:
        UsageError: There is none of such a name.
    """
    wanted = [names] if isinstance(names, str) else list(names or ())
    for name in wanted:
        if name not in FORMATS:
            expected = ", ".join(FORMATS)
            raise UsageError(f"there is no format {name!r}; expected some of {expected}")
    return tuple(name for name in FORMATS if name in wanted)


def frame_name(frame: int) -> str:
    """What the files of a video's frame are called, in the folder of the video's."""
    return f"frame_{frame:06d}"
