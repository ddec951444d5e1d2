"""The manifest: which models there are, where they lie and what was reported of them.

`zoo_manifest.yaml` is data; this module is its schema and the search by name. A key the schema
does not know, a figure without a source or two models of one name is an error when the file is
read, not a surprise later.

The types are plain dataclasses. Pydantic checks every manifest of a user's own against them; the
packaged one is held to the same check by a test, so that `tfzoo list` need not import pydantic.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml

from tfzoo.errors import AmbiguousModelError, ManifestError, UnknownModelError
from tfzoo.settings import PACKAGE

#: Path list of further manifests, separated like PATH, read after the packaged one.
MANIFEST_VARIABLE = "TFZOO_MANIFEST"

#: The model that comes with the package, taken where none is named.
DEFAULT_MODEL = "demo_centernet_kpts_256x256"

Output = Literal["boxes", "keypoints", "masks"]
SignatureKind = Literal[
    "standard", "centernet", "mask_rcnn", "centernet_tflite", "yolov5", "unknown"
]
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
class _Entry:
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Reference(_Entry):
    """Where figures come from: a title to show and an address to look it up."""

    title: str
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Figure(_Entry):
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
class AsPrinted(_Entry):
    """The blog chart's own figures for a model, slips included; never checked."""

    name: str
    box_map: float | None = None
    keypoint_map: float | None = None
    fps: float | None = None
    source: str
    slips: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InputSize(_Entry):
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
class Source(_Entry):
    """One place a model can be had from; sources are tried in order.

    Attributes:
        kind: `archive` (a .tar.gz or .onnx file over http or https), `tfhub` (a TF Hub handle)
            or `bundled` (a file inside this package, `url` relative to it).
    """

    kind: Literal["archive", "tfhub", "bundled"]
    url: str


@dataclass(frozen=True, kw_only=True)
class KnownFile(_Entry):
    """Digest of a file inside an archive, as public repositories that unpacked it hold it."""

    path: str
    bytes: int | None = None
    kind: Literal["sha256", "git_blob_sha1"]
    digest: str
    source: str


@dataclass(frozen=True, kw_only=True)
class HeldOut(_Entry):
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


@dataclass(frozen=True, kw_only=True)
class ModelSpec(_Entry):
    """One model of the manifest.

    Attributes:
        id: Archive stem, unique; the name of its folder in the cache.
        name: As the zoo prints it.
        stages: 1 or 2, as detectors are sorted into one-stage and two-stage.
        anchors: Whether the detector works from anchor boxes.
        outputs: What it detects.
        signature: Kind of its inputs and outputs (see `tfzoo.decode`).
        archive: File name of the download; the model itself for `.onnx`.
        download_mb: Approximate download size in megabytes, for planning only.
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
            raise ValueError(f"id '{self.id}': letters, digits, dots, dashes and underscores only")
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


@dataclass(frozen=True, kw_only=True)
class Manifest(_Entry):
    """A whole manifest.

    Attributes:
        references: The sources that figures name.
        models: The zoo's rows (and YOLOv5's), in the order of the page.
        demo: Models of the project's own; they never stand in the zoo's table.
    """

    references: dict[str, Reference] = field(default_factory=dict)
    models: tuple[ModelSpec, ...] = ()
    demo: tuple[ModelSpec, ...] = ()

    def __post_init__(self) -> None:
        taken: dict[str, str] = {}
        for spec in self.all_models:
            for name in {name.casefold() for name in spec.names}:
                if name in taken:
                    raise ValueError(
                        f"'{name}' names both {taken[name]} and {spec.id}; ids, names and aliases "
                        "share one namespace, letter case ignored"
                    )
                taken[name] = spec.id
            cited = {figure.source for figure in spec.reported} | {spec.input.source}
            cited |= {file.source for file in spec.known_files}
            cited |= {spec.as_printed.source} if spec.as_printed else set()
            if missing := sorted(cited - set(self.references)):
                raise ValueError(
                    f"{spec.id}: cites {', '.join(missing)}, which `references` does not list"
                )

    @property
    def all_models(self) -> tuple[ModelSpec, ...]:
        """The zoo's models, then the project's own."""
        return self.models + self.demo

    def exact(self, query: str) -> ModelSpec | None:
        """The model with this id, name or alias (any letter case), or None."""
        wanted = query.strip().casefold()
        for spec in self.all_models:
            if any(wanted == name.casefold() for name in spec.names):
                return spec
        return None

    def find(self, query: str) -> ModelSpec:
        """The model meant by a name, id, alias or unambiguous short form.

        A short form is some of the words of a model's name, such as `efficientdet d0`.

        Raises:
            UnknownModelError: Nothing fits; names the closest three.
            AmbiguousModelError: Several models fit; names them.
        """
        if spec := self.exact(query):
            return spec
        words = _words(query)
        fitting = [
            spec
            for spec in self.all_models
            if words and any(words <= _words(name) for name in spec.names)
        ]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            listed = "\n".join(f"  {spec.id}  ({spec.name})" for spec in fitting)
            raise AmbiguousModelError(f"'{query}' fits {len(fitting)} models; say which:\n{listed}")
        names = {name.casefold(): spec for spec in self.all_models for name in spec.names}
        near = difflib.get_close_matches(query.casefold(), names, n=9, cutoff=0.0)
        closest = list(dict.fromkeys(names[name].id for name in near))[:3]
        listed = "\n".join(f"  {model_id}" for model_id in closest)
        raise UnknownModelError(
            f"no model is called '{query}' (and no folder or archive of that path exists). "
            f"Closest:\n{listed}\nSee all with: tfzoo list"
        )

    def select(
        self,
        pattern: str | None = None,
        *,
        family: str | None = None,
        outputs: str | Iterable[str] | None = None,
    ) -> list[ModelSpec]:
        """The zoo's models whose names match, in the manifest's order.

        Args:
            pattern: Shell pattern (`centernet*`), or words, any letter case, on id, name, alias.
            family: Keep one family.
            outputs: Keep models with all of these outputs (`boxes`, `keypoints`, `masks`).
        """
        needed = {outputs} if isinstance(outputs, str) else set(outputs or ())
        if unknown := needed - {"boxes", "keypoints", "masks"}:
            raise UnknownModelError(
                f"no model has an output called {', '.join(sorted(unknown))}; "
                "outputs are boxes, keypoints and masks"
            )
        families = sorted({spec.family for spec in self.models})
        if family is not None and family.casefold() not in families:
            raise UnknownModelError(
                f"no family is called '{family}'; families are {', '.join(families)}"
            )
        return [
            spec
            for spec in self.models
            if (pattern is None or _matches(spec, pattern))
            and (family is None or spec.family == family.casefold())
            and needed <= set(spec.outputs)
        ]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9.]+", text.casefold()))


def _matches(spec: ModelSpec, pattern: str) -> bool:
    pattern = pattern.casefold()
    if any(character in pattern for character in "*?["):
        return any(fnmatch.fnmatchcase(name.casefold(), pattern) for name in spec.names)
    return any(_words(pattern) <= _words(name) for name in spec.names) or any(
        pattern in name.casefold() for name in spec.names
    )


def packaged_scenes() -> Path:
    """The folder of drawn scenes that come with the package, beside their annotations."""
    return PACKAGE / "demo" / "scenes"


def packaged_manifest_path() -> Path:
    """Where the packaged manifest lies: in the wheel, or at the root of a checkout."""
    inside = PACKAGE / "zoo_manifest.yaml"
    return inside if inside.exists() else PACKAGE.parent / "zoo_manifest.yaml"


def load_manifest(extra: Sequence[str | os.PathLike[str]] | None = None) -> Manifest:
    """The packaged manifest, joined by further ones of the same schema.

    Args:
        extra: Paths of further manifests; None reads the paths in `TFZOO_MANIFEST`.

    Raises:
        ManifestError: A file can't be read or does not fit the schema, or two use one name.
    """
    if extra is None:
        extra = [path for path in os.environ.get(MANIFEST_VARIABLE, "").split(os.pathsep) if path]
    return _joined(tuple(Path(path).expanduser().absolute() for path in extra))


@lru_cache(maxsize=8)
def _joined(extra: tuple[Path, ...]) -> Manifest:
    packaged = _build(_read_yaml(packaged_manifest_path()))
    parts = [packaged, *(validate_manifest(path, packaged.references) for path in extra)]
    try:
        return Manifest(
            references={key: value for part in parts for key, value in part.references.items()},
            models=tuple(spec for part in parts for spec in part.models),
            demo=tuple(spec for part in parts for spec in part.demo),
        )
    except ValueError as error:
        files = ", ".join(map(str, extra))
        raise ManifestError(f"manifest {files} does not fit beside the zoo's: {error}") from None


def validate_manifest(path: Path, references: Mapping[str, Reference] | None = None) -> Manifest:
    """Reads one manifest file and checks every key and type of it.

    Args:
        path: A YAML file.
        references: Sources that its figures may name beside its own.

    Raises:
        ManifestError: It can't be read, is no YAML or does not fit the schema.
    """
    from pydantic import TypeAdapter, ValidationError

    data = _read_yaml(path)
    known = {key: asdict(value) for key, value in (references or {}).items()}
    data["references"] = known | (data.get("references") or {})
    try:
        return TypeAdapter(Manifest).validate_python(data)
    except ValidationError as error:
        raise ManifestError(f"manifest {path} does not fit the schema:\n{error}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    # The C parser reads the manifest ten times faster; PyYAML may be built without it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(path.read_bytes(), Loader=loader)
    except OSError as error:
        raise ManifestError(
            f"manifest {path} can't be read: {error.strerror}. It is named by --manifest or "
            f"{MANIFEST_VARIABLE}; expected the path of a YAML file"
        ) from None
    except yaml.YAMLError as error:
        raise ManifestError(f"manifest {path} is not YAML: {error}") from None
    if not isinstance(data, dict):
        raise ManifestError(f"manifest {path}: expected `references`, `models`, `demo` at its top")
    return data


def _build(data: dict[str, Any]) -> Manifest:
    """The packaged manifest, without pydantic: a test holds it to the full check."""
    return Manifest(
        references={key: Reference(**value) for key, value in data["references"].items()},
        models=tuple(_build_spec(entry) for entry in data["models"]),
        demo=tuple(_build_spec(entry) for entry in data.get("demo", ())),
    )


def _build_spec(entry: dict[str, Any]) -> ModelSpec:
    single: dict[str, Any] = {"input": InputSize, "as_printed": AsPrinted, "held_out": HeldOut}
    several: dict[str, Any] = {"sources": Source, "reported": Figure, "known_files": KnownFile}
    values: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()
    }
    for key in single.keys() & entry.keys():
        values[key] = single[key](**_tuples(entry[key]))
    for key in several.keys() & entry.keys():
        values[key] = tuple(several[key](**item) for item in entry[key])
    return ModelSpec(**values)


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def _check_sha256(digest: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError(f"'{digest}' is no sha256: expected 64 lower-case hexadecimal digits")


def list_models(
    pattern: str | None = None,
    *,
    family: str | None = None,
    outputs: str | Iterable[str] | None = None,
) -> list[ModelSpec]:
    """The zoo's models whose names match; see `Manifest.select`."""
    return load_manifest().select(pattern, family=family, outputs=outputs)


def find_model(query: str) -> ModelSpec:
    """The model meant by a name, id, alias or short form; see `Manifest.find`."""
    return load_manifest().find(query)
