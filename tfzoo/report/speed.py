"""Measured times beside the reported ones: one factor for the machine, departures, ranks."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: With fewer models a factor or a rank correlation says nothing.
FEWEST_MODELS = 3


@dataclass(frozen=True)
class Machine:
    """What times must share to be compared, beside precision and batch.

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


def machine_of(row: Mapping[str, str]) -> Machine:
    """The machine of a row of timing.csv."""
    cpu, cores = row.get("cpu"), row.get("cores")
    hardware = row.get("gpu") or (f"{cpu}, {cores} cores" if cpu else "")
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
