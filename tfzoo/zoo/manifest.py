"""The manifest: which models there are, where they lie and what was reported of them.

`zoo_manifest.yaml` is data of the types in `tfzoo.zoo.schema`; here it is read, and searched by
name. A key the schema does not know, a figure without a source or two models of one name is an
error when the file is read, not a surprise later.
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
from typing import Any

from tfzoo.errors import AmbiguousModelError, ManifestError, UnknownModelError
from tfzoo.outside import bare, in_one_line
from tfzoo.settings import PACKAGE, at_home
from tfzoo.yaml_text import read_yaml
from tfzoo.zoo.schema import (
    AsPrinted,
    Entry,
    Figure,
    HeldOut,
    InputSize,
    KnownFile,
    Metric,
    ModelSpec,
    Operations,
    Reference,
    Source,
)

#: Path list of further manifests, separated like PATH, read after the packaged one.
MANIFEST_VARIABLE = "TFZOO_MANIFEST"

#: The model that comes with the package, taken where none is named.
DEFAULT_MODEL = "demo_centernet_kpts_256x256"


@dataclass(frozen=True, kw_only=True)
class Manifest(Entry):
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
            if spec.held_out is not None:
                spec.held_out.check_places()
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
            cited |= {spec.operations.source} if spec.operations else set()
            if missing := sorted(cited - set(self.references)):
                raise ValueError(
                    f"{spec.id}: cites {', '.join(missing)}, which `references` does not list"
                )

    @property
    def all_models(self) -> tuple[ModelSpec, ...]:
        """The zoo's models, then the project's own."""
        return self.models + self.demo

    def published(self, spec: ModelSpec, metric: Metric) -> tuple[Figure, ...]:
        """The figures of a metric that were published of a model's files.

        The first is the one shown; others are what another source says of the same files.
        """
        return tuple(
            figure
            for figure in spec.reported
            if figure.metric == metric and not self.references[figure.source].other_release
        )

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
            f"no model is called '{query}'. Closest:\n{listed}\nSee all with: tfzoo list"
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
    return _joined(tuple(at_home(path).absolute() for path in extra))


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
        listed = "\n".join(f"  {_told(dict(slip))}" for slip in error.errors(include_url=False))
        raise ManifestError(f"manifest {path} does not fit the schema:\n{listed}") from None


def _told(slip: dict[str, Any]) -> str:
    """One of pydantic's complaints: the place, what was expected, and a single value that was not.

    Pydantic itself would also show the middle of an entry cut out, with half of an address in it.
    """
    given = slip["input"]
    single = slip["type"] != "value_error" and isinstance(given, str | int | float)
    found = f", not {in_one_line(bare(str(given)))!r}" if single else ""
    return f"{'.'.join(map(str, slip['loc']))}: {slip['msg']}{found}"


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = read_yaml(path.read_bytes(), as_texts=False)
    except OSError as error:
        raise ManifestError(
            f"manifest {path} can't be read: {error.strerror}. It is named by --manifest or "
            f"{MANIFEST_VARIABLE}; expected the path of a YAML file"
        ) from None
    except ValueError as error:
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
    single: dict[str, Any] = {
        "input": InputSize,
        "operations": Operations,
        "as_printed": AsPrinted,
        "held_out": HeldOut,
    }
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
