"""What was measured of each model, by the identity of the measurement.

A mAP and a time belong together where they are of the same files, runtime and version, precision,
batch, device and machine, and both without tiles. A row of an older version that lacks one of these
fits any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from tfzoo.report.speed import Machine, machine_of
from tfzoo.results import number, read_rows

#: A row of accuracy.csv or timing.csv.
Row = Mapping[str, str]

#: Image sets that reported figures are of: the zoo's, and those packaged with a model.
WHOLE = ("val2017", "held-out")

#: So much of a digest tells two apart.
_DIGEST_SHOWN = len("sha256:") + 8


@dataclass(frozen=True)
class Identity:
    """What a measurement is of; an empty text is not known.

    Attributes:
        model_digest: What vouches for the model.
        runtime: Runtime and its version.
        precision: `float32` or `int8`.
        batch: Images at once.
        device: `cpu` or `gpu:N`.
        hardware: Name of the GPU, or of the processor and its number of cores.
        tiles: How images were detected in tiles, in words; empty where they were not.
    """

    model_digest: str = ""
    runtime: str = ""
    precision: str = ""
    batch: str = ""
    device: str = ""
    hardware: str = ""
    tiles: str = ""

    def fits(self, other: Identity) -> bool:
        """Whether both may be of the same: no part of them is known to differ."""
        return not self.differing(other)

    def differing(self, other: Identity) -> list[str]:
        """The parts that are known to differ; whether there were tiles is always known."""
        return [
            part
            for part in IDENTITY
            if (mine := getattr(self, part)) != (its := getattr(other, part))
            and ((mine and its) or part == "tiles")
        ]

    def joined(self, other: Identity) -> Identity:
        """This one, what it does not know filled in from another."""
        return Identity(*(getattr(self, part) or getattr(other, part) for part in IDENTITY))

    def text(self, parts: Sequence[str]) -> str:
        """Some parts as a person writes them: `openvino 2026.4.1, int8`."""
        values = {part: getattr(self, part) for part in parts}
        # Full precision is what nobody mentions.
        if values.get("precision") == "float32":
            del values["precision"]
        if batch := values.get("batch"):
            values["batch"] = f"batch {batch}"
        if tiles := values.get("tiles"):
            values["tiles"] = f"tiles {tiles}"
        if digest := values.get("model_digest"):
            values["model_digest"] = digest[:_DIGEST_SHOWN]
        shown = ("runtime", "precision", "batch", "tiles", "device", "hardware", "model_digest")
        return ", ".join(value for part in shown if (value := values.get(part)))


IDENTITY: tuple[str, ...] = tuple(part.name for part in fields(Identity))


@dataclass(frozen=True)
class Measured:
    """What was measured of a model in one identity.

    Attributes:
        identity: The identity; where `laid_beside` says that there are two, what both share.
        accuracy: Row of accuracy.csv by kind: the whole set's, else that of most images; newest.
        time: Row of timing.csv, or None.
        peers: Number of models that were timed on the time's machine.
        newest: When it was last measured, to be compared.
        laid_beside: Where time and accuracy are not of the same identity, what differs, the time's
            and the accuracy's; else None.
    """

    identity: Identity
    accuracy: Mapping[str, Row]
    time: Row | None
    peers: int
    newest: tuple[str, int]
    laid_beside: tuple[str, str] | None = None

    @property
    def _whole(self) -> bool:
        return any(row.get("image_set") in WHOLE for row in self.accuracy.values())

    @property
    def worth(self) -> tuple[bool, bool, bool, int, tuple[str, int]]:
        """The more, the rather it is the one that is shown.

        Full precision without tiles first, which is what was reported; then what has both a mAP and
        a time, that of the whole set, that of the machine that timed most, and what is newest.
        """
        full = self.identity.precision == "float32" and not self.identity.tiles
        complete = bool(self.accuracy) and self.time is not None
        return full, complete, self._whole, self.peers, self.newest


@dataclass(frozen=True)
class Measurements:
    """All that a results folder holds.

    Attributes:
        models: What was measured of each model by its id, by identity, best first; a model that
            only failed has nothing.
        errors: Why a model has no time, by id.
        machines: The machines that were timed on.
    """

    models: Mapping[str, Sequence[Measured]]
    errors: Mapping[str, str]
    machines: Sequence[Machine]


def read_measurements(results: Path) -> Measurements:
    """The measurements of a results folder.

    Args:
        results: Folder with `accuracy.csv` and `timing.csv`; either may be missing.

    Raises:
        MeasurementError: The measurements can't be read.
    """
    accuracies: dict[str, list[Row]] = defaultdict(list)
    times: dict[str, list[Row]] = defaultdict(list)
    errors: dict[str, str] = {}
    timed: dict[Machine, set[str]] = defaultdict(set)
    for row in read_rows(results / "accuracy.csv"):
        # By other rules of suppression than the model's own, it is none of the zoo's figures.
        if number(row, "AP") is not None and not row.get("suppression"):
            accuracies[row["model"]].append(row)
    for row in read_rows(results / "timing.csv"):
        model = row["model"]
        if not (number(row, "mean_ms") or 0) > 0:
            errors[model] = row.get("error") or "no time"
            continue
        errors.pop(model, None)
        times[model].append(row)
        timed[machine_of(row)].add(model)
    peers = {machine: len(models) for machine, models in timed.items()}
    models = {
        model: _by_identity(accuracies[model], times[model], peers)
        for model in dict.fromkeys([*accuracies, *times, *errors])
    }
    return Measurements(models, errors, tuple(timed))


def _by_identity(
    accuracies: Sequence[Row], times: Sequence[Row], peers: Mapping[Machine, int]
) -> list[Measured]:
    """A model's rows by identity, the best first."""
    rows = [*((row, True) for row in accuracies), *((row, False) for row in times)]
    found = []
    for identity, members in _groups([_identity(row) for row, _ in rows]).items():
        accuracy: dict[str, Row] = {}
        time: Row | None = None
        dates = []
        for i, (row, rated) in enumerate(rows):
            if _identity(row) not in members:
                continue
            dates.append((row.get("date") or "", i))
            kind = row.get("kind", "")
            if not rated:
                if time is None or peers[machine_of(row)] >= peers[machine_of(time)]:
                    time = row
            elif kind not in accuracy or _worth(row) >= _worth(accuracy[kind]):
                accuracy[kind] = row
        alike = 0 if time is None else peers[machine_of(time)]
        found.append(Measured(identity, accuracy, time, alike, max(dates)))
    return sorted(found, key=lambda measured: measured.worth, reverse=True)


def _identity(row: Row) -> Identity:
    values = {part: row.get(part) or "" for part in IDENTITY}
    values["hardware"] = values["hardware"] or machine_of(row).hardware
    batch = number(row, "batch")
    values["batch"] = "" if batch is None else f"{batch:g}"
    # A row of a version that knew no other is of full precision.
    values["precision"] = values["precision"] or "float32"
    return Identity(**values)


def _groups(identities: Sequence[Identity]) -> dict[Identity, set[Identity]]:
    """Identities that are the same by all that is known of them; one may be so of several."""
    known_first = sorted(
        dict.fromkeys(identities), key=lambda one: sum(not getattr(one, part) for part in IDENTITY)
    )
    groups: dict[Identity, set[Identity]] = {}
    for one in known_first:
        fitting = [whole for whole in groups if whole.fits(one)]
        if not fitting:
            groups[one] = {one}
        elif len(fitting) == 1:
            # What it alone knows tells the group from those to come.
            groups[fitting[0].joined(one)] = groups.pop(fitting[0]) | {one}
        else:
            for whole in fitting:
                groups[whole].add(one)
    return groups


def _worth(row: Row) -> tuple[bool, bool, float]:
    image_set = row.get("image_set")
    return image_set in WHOLE, image_set != "minival-like", number(row, "images") or 0


def most_complete(measured: Sequence[Measured]) -> Measured | None:
    """What to show of a model where one line is wanted, or None where nothing was measured.

    Where no identity has both a mAP and a time, those of two are laid side by side, if they are of
    the same files and precision, and both without tiles.

    Args:
        measured: By identity, best first.
    """
    if not measured:
        return None
    best = measured[0]
    if best.accuracy and best.time is not None:
        return best
    for other in measured:
        if {"model_digest", "precision", "tiles"} & set(best.identity.differing(other.identity)):
            continue
        if best.accuracy and other.time is not None:
            return _laid(best, other)
        if best.time is not None and other.accuracy:
            return _laid(other, best)
    return best


def _laid(rated: Measured, timed: Measured) -> Measured:
    """The accuracy of one identity beside the time of another, and what differs."""
    parts = rated.identity.differing(timed.identity)
    shared = replace(rated.identity.joined(timed.identity), **dict.fromkeys(parts, ""))
    return replace(
        timed,
        identity=shared,
        accuracy=rated.accuracy,
        laid_beside=(timed.identity.text(parts), rated.identity.text(parts)),
    )


def tell_apart(measured: Sequence[Measured]) -> list[str]:
    """What each identity of a model is to be called, so that they can be told apart; maybe nothing.

    A precision other than full is always named, and so are tiles.
    """
    identities = [one.identity for one in measured]
    parts = [
        part
        for part in IDENTITY
        if part in ("precision", "tiles")
        or len({getattr(one, part) for one in identities} - {""}) > 1
    ]
    return [one.text(parts) for one in identities]
