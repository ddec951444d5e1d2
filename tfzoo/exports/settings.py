"""The settings of an export: all that `tfzoo.export_model` and `tfzoo export` can be told."""

import os
from dataclasses import KW_ONLY, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from tfzoo.detections.label_files import Labels, labels_of, read_labels
from tfzoo.errors import UsageError
from tfzoo.options import OnStep, check_number, option, told
from tfzoo.settings import at_home

if TYPE_CHECKING:
    from tfzoo.zoo.schema import ModelSpec

Format = Literal["tflite", "openvino", "onnx", "saved_model"]
Precision = Literal["float32", "float16", "int8"]
Layout = Literal["plain", "triton"]

#: The precisions that there are of each format.
PRECISIONS: dict[str, tuple[str, ...]] = {
    "tflite": ("float32", "float16", "int8"),
    "openvino": ("float32", "float16", "int8"),
    "onnx": ("float32",),
    "saved_model": ("float32",),
}
#: The formats that a Triton server's backends open.
TRITON = ("onnx", "openvino", "saved_model")


def no_step(doing: str, done: int, steps: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class ExportSettings:
    """What to export, to what, and where it goes.

    Raises:
        UsageError: A value makes no sense, or fits no other.
    """

    name: "str | PathLike[str] | ModelSpec" = field(
        metadata=told("Name, id, alias, short form, path or address.", metavar="NAME", text=str)
    )
    _: KW_ONLY
    format: Format = option("onnx", "What to convert the model to.")
    precision: Precision = option(
        "float32",
        "How the network's numbers are held: float16 halves the file (tflite, openvino), int8 "
        "quarters it and needs --calibrate (tflite, openvino).",
    )
    nms: bool | None = option(
        None,
        "Whether the post-processing (non-maximum suppression) is inside; unless told it is, but "
        "for onnx, which --runtime onnx opens without.",
        flags=("--with-nms/--no-nms",),
    )
    min_score: float = option(
        0.0,
        "Leave out detections below this score (0 to 1) inside the export: its post-processing is "
        "then much faster. An AP wants them all.",
        metavar="SCORE",
    )
    calibrate: str | PathLike[str] | None = option(
        None,
        "Images like those the model will see, to calibrate int8 on; a hundred or more.",
        metavar="FOLDER",
        text=Path | None,
    )
    check: str | PathLike[str] | None = option(
        None,
        "Verify the export on these images, in place of the packaged pictures.",
        metavar="FOLDER",
        text=Path | None,
    )
    labels: Labels | None = option(
        None,
        "Category names, where they are not those of the manifest, or COCO's: a label_map.pbtxt, "
        "or another form that tfzoo detect --labels takes.",
        metavar="FILE",
        text=Path | None,
        parse=read_labels,
    )
    layout: Layout = option(
        "plain",
        "triton: a folder for the model repository of a Triton or OpenVINO server, with its "
        "config.pbtxt.",
    )
    output: str | PathLike[str] | None = option(
        None,
        "Where the export goes; else here, under the model's name. ONNX without NMS is kept in the "
        "cache for --runtime onnx, and copied only where this says.",
        flags=("--output", "--out", "-o"),
        metavar="PATH",
        text=Path | None,
    )
    overwrite: bool = option(False, "Replace what is there already.")
    on_step: OnStep = field(default=no_step, repr=False)

    def __post_init__(self) -> None:
        for name, kind in (("format", Format), ("precision", Precision), ("layout", Layout)):
            if (given := getattr(self, name)) not in (known := get_args(kind)):
                raise UsageError(f"{name} is {given!r}; expected {', '.join(known)}")
        object.__setattr__(self, "labels", labels_of(self.labels))
        check_number("min_score", self.min_score, 0, whole=False)
        if self.precision not in (known := PRECISIONS[self.format]):
            raise UsageError(
                f"there is no {self.format} in {self.precision}; expected {' or '.join(known)}"
            )
        if self.precision == "int8" and self.calibrate is None and self.format != "openvino":
            raise UsageError(
                "int8 is calibrated on images like those the model will see: "
                "--calibrate FOLDER, a hundred or more"
            )
        if self.precision != "int8" and self.calibrate is not None:
            raise UsageError("only int8 is calibrated; leave --calibrate out")
        if self.layout == "triton" and self.format not in TRITON:
            raise UsageError(
                f"no backend of Triton opens {self.format}; expected {', '.join(TRITON)}"
            )
        if self.nms is False and self.format == "saved_model":
            raise UsageError(
                "a SavedModel has the exporter's own outputs, suppressed inside; leave --no-nms out"
            )

    @property
    def inside(self) -> bool:
        """Whether the post-processing is inside, where nothing was said too."""
        # A server has nobody beside it who would do the rest.
        usual = self.format != "onnx" or self.layout == "triton"
        return usual if self.nms is None else self.nms

    def destination(self, name: str) -> Path:
        """Where the export goes, from the root.

        Args:
            name: What it is called where nothing else was said.
        """
        return Path(os.path.abspath(at_home(self.output or name)))  # noqa: PTH100 - links stay links
