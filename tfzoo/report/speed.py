"""Measured times beside the reported ones: one factor for the machine, departures, ranks."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfzoo.results import number, read_measured

#: With fewer models a factor or a rank correlation says nothing.
FEWEST_MODELS = 3


@dataclass(frozen=True)
class Machine:
    """What times must share to be compared.

    Attributes:
        device: `cpu` or `gpu:N`.
        hardware: Name of the GPU, or of the processor and its number of cores.
        runtime: Runtime and its version.
        image_set: What was detected.
    """

    device: str
    hardware: str
    runtime: str
    image_set: str

    def __str__(self) -> str:
        return f"{self.device} ({self.hardware}), {self.runtime}, {self.image_set}"


@dataclass(frozen=True)
class Times:
    """The times of one machine.

    Attributes:
        machine: The machine, or None where nothing was measured.
        rows: The newest measurement of each model by its id, as timing.csv has it.
        others: Further machines that were measured on and are left out.
        errors: Why a model has no time, by id.
    """

    machine: Machine | None
    rows: Mapping[str, Mapping[str, str]]
    others: tuple[Machine, ...]
    errors: Mapping[str, str]


def read_times(results: Path) -> Times:
    """The times under a results folder: those of the machine that timed the most models.

    Raises:
        MeasurementError: The measurements can't be read.
    """
    by_machine: dict[Machine, dict[str, Mapping[str, str]]] = defaultdict(dict)
    errors: dict[str, str] = {}
    for row in read_measured(results / "timing.csv"):
        if number(row, "mean_ms") is None:
            errors[row["model"]] = row.get("error") or "no time"
            continue
        errors.pop(row["model"], None)
        by_machine[_machine(row)][row["model"]] = row
    # Python's sort keeps the order of equals: the machine measured on last comes last.
    ranked = sorted(by_machine, key=lambda machine: len(by_machine[machine]))
    if not ranked:
        return Times(None, {}, (), errors)
    return Times(ranked[-1], by_machine[ranked[-1]], tuple(ranked[:-1]), errors)


def _machine(row: Mapping[str, str]) -> Machine:
    hardware = row.get("gpu") or f"{row.get('cpu')}, {row.get('cores')} cores"
    return Machine(
        row.get("device", ""), hardware, row.get("runtime", ""), row.get("image_set", "")
    )


def machine_factor(ratios: Sequence[float]) -> float | None:
    """How many times longer this machine takes than the reported one, or None for few models.

    Args:
        ratios: Measured over reported time, a model each. The factor is their median, so that a
            figure of another machine among the reported does not move it.
    """
    return statistics.median(ratios) if len(ratios) >= FEWEST_MODELS else None


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's rank correlation: 1 where both order the models alike; None for few models.

    Equal values share their mean rank (Spearman 1904; Kendall and Gibbons, Rank Correlation
    Methods, chapter 3).
    """
    if len(pairs) < FEWEST_MODELS:
        return None
    first, second = (_ranks([pair[i] for pair in pairs]) for i in (0, 1))
    if len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return statistics.correlation(first, second)


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    # The mean of the places that equal values take, counted from a half: only differences matter.
    return [ordered.index(value) + ordered.count(value) / 2 for value in values]
