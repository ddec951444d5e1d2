"""The settings of a run: all that `tfzoo.detect_folder` and `tfzoo detect` can be told."""

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import KW_ONLY, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tfzoo.batch.formats import checked_formats
from tfzoo.detecting import DetectOptions, DrawOptions
from tfzoo.detections.label_files import Labels, labels_of, read_labels
from tfzoo.options import (
    ADDRESS,
    CHECK,
    ENGINE,
    PRECISION,
    RUNTIME,
    Engine,
    OnStep,
    Precision,
    check_engine,
    names_in,
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
        "A name (see: tfzoo list), the path of a SavedModel folder, frozen graph, .tflite or .onnx "
        "file or archive, or the address of such a file.",
        metavar="NAME",
        complete="models",
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
    crops: bool = option(
        False, "Write what was found, cut out: a JPEG for each box.", flags=("--crops",)
    )
    crop_padding: float = option(
        0.0, "Add to a crop on each side this share of its box.", metavar="SHARE", least=0
    )
    formats: Collection[str] | None = option(
        None,
        "Write the results in this format too, several times or separated by commas: coco, yolo, "
        "voc, labelme, parquet, counts (a row an image), csv (always written). With --resume, of "
        "a run that is done.",
        metavar="FORMAT",
        flags=("--format",),
        text=list[str] | None,
        parse=names_in,
        pinned=False,
    )
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
    engine: Engine = option("local", ENGINE)
    address: str | None = option(None, ADDRESS)
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
        object.__setattr__(self, "formats", checked_formats(self.formats))
        check_engine(self.engine)
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
