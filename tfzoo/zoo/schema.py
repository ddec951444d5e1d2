"""What a manifest says of a model: the types of its entries.

They are plain dataclasses. Pydantic checks every manifest of a user's own against them; the
packaged one is held to the same check by a test, so that `tfzoo list` need not import pydantic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from tfzoo.outside import bare, in_one_line

Output = Literal["boxes", "keypoints", "masks"]

SignatureKind = Literal[
    "standard",
    "centernet",
    "mask_rcnn",
    "postprocessed_tflite",
    "centernet_tflite",
    "yolov5",
    "yolov5_tflite",
    "unknown",
]

#: Models that are one file, by its ending, and the runtime that opens it.
SINGLE_FILES = {".onnx": "onnx", ".tflite": "litert"}

Metric = Literal[
    "speed_ms",
    "box_map",
    "keypoint_map",
    "mask_map",
    "v100_batch1_ms",
    "v100_batch32_ms",
    "v100_batch32_fps",
]


@dataclass(frozen=True)
class Entry:
    """What all entries share: a key that is not named here is refused."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Reference(Entry):
    """Where figures come from.

    Attributes:
        title: A title to show.
        url: An address to look it up.
        other_release: Whether its figures are of another release than the files that can be had:
            they are shown, and nothing measured is held against them.
    """

    title: str
    url: str | None = None
    other_release: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure(Entry):
    """One reported figure.

    Attributes:
        metric: What was reported. `*_map` are COCO mAP in percent (IoU 0.50:0.95), `speed_ms`
            milliseconds an image at batch 1; `v100_*` name their own conditions.
        value: The figure as reported.
        source: Key of the manifest's `references`.
    """

    metric: Metric
    value: float
    source: str

    def __post_init__(self) -> None:
        if not self.value > 0:
            raise ValueError(f"{self.metric}: a figure is above 0, not {self.value}")


@dataclass(frozen=True, kw_only=True)
class AsPrinted(Entry):
    """The blog chart's own figures for a model, slips included; never checked."""

    name: str
    box_map: float | None = None
    keypoint_map: float | None = None
    fps: float | None = None
    source: str
    slips: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InputSize(Entry):
    """How a model resizes its input.

    Attributes:
        resizer: `fixed_shape` stretches to height x width; `keep_aspect_ratio` scales until the
            short side reaches `min_side` or the long one `max_side`; `letterbox` keeps the aspect
            and centres on height x width; None where no public source says.
        pad: Whether the resized image is padded (bottom and right) to a square of `max_side`.
        source: Key of the manifest's `references`.
    """

    resizer: Literal["fixed_shape", "keep_aspect_ratio", "letterbox"] | None
    height: int | None = None
    width: int | None = None
    min_side: int | None = None
    max_side: int | None = None
    pad: bool = False
    source: str

    @property
    def text(self) -> str:
        """The true input size as a person writes it, such as `512x512` or `800..1333`."""
        if self.height is not None:
            return f"{self.height}x{self.width}"
        if self.pad or self.min_side == self.max_side:
            return f"{self.max_side}x{self.max_side}"
        return f"{self.min_side}..{self.max_side}"


@dataclass(frozen=True, kw_only=True)
class Operations(Entry):
    """What the network of a model computes for an image; counted in its graph, never measured.

    Attributes:
        gmacs: Multiply-adds of its convolutions and matrix products, in 10^9 (half the FLOPs that
            others give).
        macts: Numbers that these put out ("activations": Radosavovic et al. 2020, Designing
            Network Design Spaces, section 3.1), in 10^6; what moves through memory goes with them.
        source: Key of the manifest's `references`, which says in what graph they were counted.
    """

    gmacs: float
    macts: float
    source: str

    def __post_init__(self) -> None:
        if not (self.gmacs > 0 and self.macts > 0):
            raise ValueError("operations: gmacs and macts are above 0")


@dataclass(frozen=True, kw_only=True)
class Source(Entry):
    """One place a model can be had from; sources are tried in order.

    Attributes:
        kind: `archive` (a .tar.gz or .onnx file over http or https), `tfhub` (a TF Hub handle)
            or `bundled` (a file inside this package, `url` relative to it).
    """

    kind: Literal["archive", "tfhub", "bundled"]
    url: str

    def __post_init__(self) -> None:
        if self.kind == "bundled":
            _check_path(self.url, "url of a bundled source")
        else:
            _check_address(self.url)


@dataclass(frozen=True, kw_only=True)
class KnownFile(Entry):
    """Digest of a file inside an archive, as public repositories that unpacked it hold it."""

    path: str
    bytes: int | None = None
    kind: Literal["sha256", "git_blob_sha1"]
    digest: str
    source: str

    def __post_init__(self) -> None:
        _check_path(self.path, "path of a known file")


@dataclass(frozen=True, kw_only=True)
class HeldOut(Entry):
    """Packaged images with COCO annotations that a model's reported figures were taken on.

    Attributes:
        images: Folder of the images, relative to the package.
        annotations: Their COCO annotation file, relative to the package.
        sha256: Digest of the lines `<sha256>  <file name>` of all of these files, by name.
    """

    images: str
    annotations: str
    sha256: str

    def __post_init__(self) -> None:
        _check_sha256(self.sha256)

    def check_places(self) -> None:
        """Refuses what does not lie in the package, as a manifest must not name it.

        Raises:
            ValueError: Says why.
        """
        _check_path(self.images, "images held out")
        _check_path(self.annotations, "annotations held out")


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Entry):
    """One model of the manifest.

    Attributes:
        id: Archive stem, unique; the name of its folder in the cache.
        name: As the zoo prints it.
        stages: 1 or 2, as detectors are sorted into one-stage and two-stage.
        anchors: Whether the detector works from anchor boxes.
        operations: What it computes for an image, or None where no public graph says.
        outputs: What it detects.
        signature: Kind of its inputs and outputs (see `tfzoo.decode`).
        archive: Bare file name of the download; the model itself for `.onnx`.
        download_mb: Approximate download size in megabytes; what has twice as many is refused.
        sha256: Digest of the archive, where one is published.
        labels: Category names by class id, where they are not COCO's.
        reported: Reported figures; the first of a metric is the one shown.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    family: str
    stages: Literal[1, 2]
    anchors: bool
    backbone: str
    input: InputSize
    operations: Operations | None = None
    outputs: tuple[Output, ...]
    max_detections: int | None = None
    signature: SignatureKind
    archive: str
    sources: tuple[Source, ...]
    download_mb: float | None = None
    sha256: str | None = None
    license: str
    labels: dict[int, str] | None = None
    reported: tuple[Figure, ...] = ()
    as_printed: AsPrinted | None = None
    known_files: tuple[KnownFile, ...] = ()
    held_out: HeldOut | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.id):
            raise ValueError(f"id {self.id!r}: letters, digits, dots, dashes and underscores only")
        _check_file_name(self.id, "id")
        _check_file_name(self.archive, "archive")
        if self.sha256 is not None:
            _check_sha256(self.sha256)
        needed = {"box_map": "boxes", "keypoint_map": "keypoints", "mask_map": "masks"}
        for figure in self.reported:
            output = needed.get(figure.metric)
            if output is not None and output not in self.outputs:
                raise ValueError(
                    f"{self.id}: reports a {figure.metric}, but its outputs are "
                    f"{', '.join(self.outputs)}"
                )

    def figure(self, metric: Metric, source: str | None = None) -> float | None:
        """The reported value of a metric (from one source, if named), or None."""
        for figure in self.reported:
            if figure.metric == metric and source in (None, figure.source):
                return figure.value
        return None

    @property
    def speed_ms(self) -> float | None:
        """Reported milliseconds an image at batch 1."""
        return self.figure("speed_ms")

    @property
    def box_map(self) -> float | None:
        """Reported box mAP in percent."""
        return self.figure("box_map")

    @property
    def keypoint_map(self) -> float | None:
        """Reported keypoint mAP in percent."""
        return self.figure("keypoint_map")

    @property
    def mask_map(self) -> float | None:
        """Reported mask mAP in percent."""
        return self.figure("mask_map")

    @property
    def names(self) -> tuple[str, ...]:
        """Everything the model goes by: id, name, aliases."""
        return (self.id, self.name, *self.aliases)

    def __str__(self) -> str:
        return self.name


# Names of devices on Windows, whatever their ending; a file can't have one.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
# Some systems take 143 bytes and no more, and what lies beside a file has its name and an ending.
_LONGEST_NAME = 120


def _check_file_name(name: str, what: str) -> None:
    """Refuses what is no bare name of a file on every system.

    Raises:
        ValueError: Says why.
    """
    if not name:
        why = "it is empty"
    elif len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        why = f"it is longer than {_LONGEST_NAME} bytes"
    elif re.search(r'[<>:"/\\|?*]', name) or in_one_line(name) != name:
        why = "it holds a separator or another character that no file's name has on every system"
    elif name.startswith((".", " ", "~")) or name.endswith((".", " ")):
        why = "it begins or ends with a dot, a space or ~"
    elif _DEVICE.fullmatch(name):
        why = "Windows calls a device so"
    else:
        return
    raise ValueError(f"{what} {_quoted(name)} is no bare file name: {why}")


def _check_path(path: str, what: str) -> None:
    """Refuses what is no path below a folder, its parts set apart by slashes.

    Raises:
        ValueError: Says why.
    """
    for part in path.split("/"):
        _check_file_name(part, f"{what}: {_quoted(path)} must be a path below a folder, but part")


def _check_address(url: str) -> None:
    """Refuses what is no address of http or https.

    Raises:
        ValueError: Says what was expected.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # No port, or brackets that don't close.
        sound = False
    if not sound or " " in url or in_one_line(url) != url:
        raise ValueError(f"url {_quoted(bare(url))}: expected an address, http:// or https://")


def _quoted(text: str) -> str:
    """A text of any length and kind as a message shows it."""
    return f"'{in_one_line(text[:80])}{'...' if len(text) > 80 else ''}'"


def _check_sha256(digest: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError(f"'{digest}' is no sha256: expected 64 lower-case hexadecimal digits")
