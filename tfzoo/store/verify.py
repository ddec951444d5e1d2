"""What vouches for a download, and what speaks against it.

By trust: a sha256 in the manifest; the server's own digest where it came over https; https itself;
the digest recorded when this machine first had the model, if anything vouched for it then. Digests
of single files, as public repositories hold them, raise trust where they agree and are a warning
where they do not.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tfzoo import records, settings
from tfzoo.errors import VerificationError
from tfzoo.files import write_whole
from tfzoo.store.provenance import FileRecord, origins_of
from tfzoo.zoo.schema import KnownFile, ModelSpec


@dataclass(frozen=True)
class Recorded:
    """A digest this machine took when it first had a model.

    Attributes:
        digest: `sha256:...`.
        of: `archive` or `tfhub`: what was digested.
        date: When, UTC, ISO 8601.
        source: Where it came from, without what its address hides.
        vouched: Whether anything vouched for the model then; None in records of old.
        origins: As `Provenance` has them; empty in records of old, which are of any manifest.
    """

    digest: str
    of: str
    date: str
    source: str
    vouched: bool | None = None
    origins: tuple[str, ...] = ()

    @property
    def vouches(self) -> bool:
        """Whether the digest vouches for what is fetched later: not if nothing vouched for it."""
        # Before it was noted, what came over plain http was what nothing vouched for.
        return not self.source.startswith("http:") if self.vouched is None else self.vouched


def recorded(model_id: str, of: str, origins: Collection[str] = ()) -> Recorded | None:
    """The digest recorded for a model's archive or TF Hub module, or None.

    Args:
        model_id: The model's id.
        of: `archive` or `tfhub`.
        origins: Where its manifest says that it comes from. What was recorded of another model of
            this id is passed over.
    """
    for file in _record_files(model_id, of):
        try:
            known = records.read(file, Recorded)
        except (OSError, ValueError):
            continue
        if not known.origins or not origins or set(known.origins) & set(origins):
            return known
    return None


def record(model_id: str, what: Recorded) -> None:
    """Records a model's digest for later downloads; a digest that is known keeps its date."""
    known = recorded(model_id, what.of, what.origins)
    if known is not None and known.digest == what.digest:
        if known.vouches or not what.vouches:
            return
        what = replace(what, date=known.date)
    file = _record_file(model_id, what.of, what.origins)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(asdict(what), indent=2) + "\n")


def forget(model_id: str) -> None:
    """Forgets a model's recorded digests, so that another object is accepted."""
    for of in ("archive", "tfhub"):
        for file in _record_files(model_id, of):
            file.unlink(missing_ok=True)


def _record_file(model_id: str, of: str, origins: Collection[str] = ()) -> Path:
    key = hashlib.sha256("\n".join(sorted(origins)).encode()).hexdigest()[:12]
    # No id has this character in it.
    name = f"{model_id}@{key}" if origins else model_id
    return settings.cache_folder() / "digests" / of / f"{name}.json"


def _record_files(model_id: str, of: str) -> list[Path]:
    """The records of all models of an id; that of old, which is of any of them, comes last."""
    old = _record_file(model_id, of)
    return [*sorted(old.parent.glob(f"{model_id}@*.json")), old]


def check_digest(spec: ModelSpec, digest: str, of: str) -> list[str]:
    """What vouches for a digest: the manifest, this machine's record.

    Args:
        spec: The model.
        digest: `sha256:...` of what arrived.
        of: `archive` or `tfhub`: what was digested.

    Raises:
        VerificationError: The digest differs from the manifest's or the recorded one.
    """
    if spec.sha256 is not None and of == "archive":
        if digest != f"sha256:{spec.sha256}":
            raise VerificationError(
                f"what arrived is not {spec.archive}: its digest is {digest}, the manifest says "
                f"sha256:{spec.sha256}"
            )
        return ["sha256 in the manifest"]
    known = recorded(spec.id, of, origins_of(spec))
    if known is None:
        return []
    if digest != known.digest:
        raise VerificationError(
            f"what arrived differs from the {spec.id} that this machine had first ({known.date}, "
            f"from {known.source}): its digest is {digest}, was {known.digest}. If it was "
            f"published anew, accept it with: tfzoo cache remove {spec.id} --forget"
        )
    return [f"digest recorded on {known.date}"] if known.vouches else []


def check_known_files(spec: ModelSpec, model: Path, files: dict[Path, FileRecord]) -> str | None:
    """Compares single files with the digests that public repositories hold.

    Args:
        spec: The model, whose `known_files` lie relative to its folder, such as
            `saved_model/saved_model.pb`.
        model: The SavedModel folder.
        files: Records of the unpacked files by path.

    Returns:
        What vouches for the model, or None; a file that differs is a warning naming both.
    """
    agreeing = 0
    for known in spec.known_files:
        path = model.parent / known.path
        # TF Hub's modules have the files of saved_model/ at their root.
        if path not in files:
            path = model / known.path.removeprefix("saved_model/")
        found = _known_digest(path, known, files.get(path))
        if found == known.digest:
            agreeing += 1
            continue
        warnings.warn(
            f"{spec.id}: {known.path} has {known.kind} {found or '(no such file)'}, but "
            f"{known.digest} in public repositories ({known.source}); one of the two was altered "
            "or exported anew",
            stacklevel=2,
        )
    if agreeing == 0:
        return None
    return f"{agreeing} of {len(spec.known_files)} files agree with public repositories"


def _known_digest(path: Path, known: KnownFile, record: FileRecord | None) -> str | None:
    if record is None:
        return None
    if known.kind == "sha256":
        return record.sha256
    # Git's name for a file's content: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
    digest = hashlib.sha1(f"blob {record.bytes}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
