"""The settings of a run: all that `tfzoo.detect_folder` and `tfzoo detect` can be told."""

import os
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from tfzoo.detections.label_files import Labels, labels_of, read_labels
from tfzoo.errors import UsageError
from tfzoo.options import (
    CHECK,
    PRECISION,
    RUNTIME,
    DetectOptions,
    DrawOptions,
    OnStep,
    Precision,
    option,
    told,
)
from tfzoo.settings import at_home
from tfzoo.zoo.manifest import DEFAULT_MODEL

if TYPE_CHECKING:
    from tfzoo.detector import Detector
    from tfzoo.zoo.schema import ModelSpec

#: Told how many images are finished, and how many there are (None while unknown).
OnProgress = Callable[[int, int | None], None]

_ENGINES = ("local", "ray")


@dataclass(frozen=True)
class RunSettings(DetectOptions, DrawOptions):
    """What to detect, with what, how, and where the results go.

    It is checked once, when it is made; `sources`, walked perhaps more than once, is a tuple then.

    Raises:
        UsageError: A value makes no sense.
    """

    sources: str | PathLike[str] | Iterable[str | PathLike[str]] = field(
        metadata=told(
            "Images, folders, globs, videos, a .txt file of paths, or addresses (https://, s3://, "
            "gs://).",
            metavar="SOURCE...",
            text=list[str],
        )
    )
    model: "str | PathLike[str] | ModelSpec | Detector" = option(
        DEFAULT_MODEL,
        "A name (see: tfzoo list), a SavedModel folder or an archive.",
        metavar="NAME",
        flags=("--model", "-m"),
        text=str,
    )
    out: str | PathLike[str] = option(
        Path("detections"),
        "Where the results go.",
        metavar="DIR",
        flags=("--out", "-o"),
        text=Path,
        pinned=False,
    )
    _: KW_ONLY
    recursive: bool = option(False, "Look into subfolders too.", flags=("--recursive", "-r"))
    pictures: bool = option(True, "Write annotated pictures.", flags=("--images/--no-images",))
    annotations: str | PathLike[str] | None = option(
        None,
        "A COCO annotation file: its image ids are used, and only its images detected.",
        metavar="FILE",
        text=Path | None,
    )
    labels: Labels | None = option(
        None,
        "Category names of a fine-tuned model: a label_map.pbtxt, a text file with a name on each "
        "line, COCO categories (.json), YOLO names (.yaml), id and name (.csv), or names separated "
        "by commas.",
        metavar="FILE",
        text=str | None,
        parse=read_labels,
    )
    device: str = option(
        "auto",
        "auto (a GPU where there is one), cpu, gpu, gpu:1, or several that share the images: "
        "gpu:0,gpu:1.",
        metavar="DEVICE",
        pinned=False,
    )
    runtime: str = option("auto", RUNTIME)
    precision: Precision = option("float32", PRECISION)
    resume: bool = option(
        False, "Go on with a run that was stopped.", flags=("--resume",), pinned=False
    )
    overwrite: bool = option(
        False, "Delete an earlier run's results first.", flags=("--overwrite",), pinned=False
    )
    engine: Literal["local", "ray"] = option(
        "local", "local: this machine; ray: many, by Ray Data (extra 'ray').", pinned=False
    )
    address: str | None = option(
        None,
        "The Ray cluster to join, such as auto; else this machine.",
        metavar="ADDRESS",
        pinned=False,
    )
    workers: int | None = option(
        None,
        "Ray's workers; else one a GPU, or every two processors.",
        metavar="N",
        least=1,
        pinned=False,
    )
    prepare: bool = option(
        True,
        "Prepare a model at its first run: before the images where so many repay it, else after.",
        flags=("--prepare/--no-prepare",),
        pinned=False,
    )
    check: int = option(0, CHECK)
    on_progress: OnProgress | None = field(default=None, repr=False)
    on_step: OnStep | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", labels_of(self.labels))
        if self.engine not in _ENGINES:
            raise UsageError(f"engine is '{self.engine}'; expected {' or '.join(_ENGINES)}")
        given = self.sources
        sources = (given,) if isinstance(given, str | PathLike) else tuple(given)
        object.__setattr__(self, "sources", sources)

    @property
    def paths(self) -> tuple[str, ...]:
        """The sources, each a path or an address."""
        return tuple(os.fspath(source) for source in cast(tuple[str, ...], self.sources))

    @property
    def folder(self) -> Path:
        """The output folder, from the root."""
        return Path(os.path.abspath(at_home(self.out)))  # noqa: PTH100 - links stay links

    @property
    def devices(self) -> tuple[str, ...]:
        """A detector is opened on each."""
        return tuple(part.strip() for part in self.device.split(","))
