"""Forecast latencies: of models that were never run here, from a few that were timed here.

The time of an image is taken as

    ms = pace * work * departure        work = gmacs + MACTS * macts + FIXED

where the pace is the machine's; the work counts what the network computes (`Operations` in the
manifest), what it moves through memory, and what any image costs; and the departure is the model's
own: partly shared with its family and with its backbone, partly alone. In logarithms that is a sum
of normal parts, of which the timed models tell some. The forecast is the best linear unbiased
prediction (Robinson 1991, Statistical Science 6, 15-32), its interval what is left unknown.

docs/accuracy.md says where the constants come from.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfzoo.zoo.schema import ModelSpec

#: What 10^6 outputs and what any image cost, in 10^9 multiply-adds.
MACTS, FIXED = 0.3, 0.2

#: Standard deviations of a departure's parts, as logarithms: what a family shares, what a backbone
#: shares, and what is a model's alone.
OF_FAMILY, OF_BACKBONE, ALONE = 0.15, 0.2, 0.2
#: Of the pace: before anything is timed here, nothing is known.
_OF_PACE = 100.0

#: 95 % of a normal distribution lie within so many standard deviations.
_WITHIN = 1.96
#: With fewer models their scatter says nothing of the spread that was assumed.
_FEWEST_TO_WIDEN = 4


@dataclass(frozen=True)
class Latency:
    """A forecast time.

    Attributes:
        ms: Milliseconds an image; as likely too high as too low.
        low_ms: Lower end of the 95 % interval.
        high_ms: Its upper end.
    """

    ms: float
    low_ms: float
    high_ms: float

    def holds(self, ms: float) -> bool:
        """Whether a time lies in the interval."""
        return self.low_ms <= ms <= self.high_ms


@dataclass(frozen=True)
class Timed:
    """A model that was timed here.

    Attributes:
        spec: With its operations.
        ms: Mean milliseconds an image.
    """

    spec: ModelSpec
    ms: float


def forecast_latencies(timed: Sequence[Timed], wanted: Sequence[ModelSpec]) -> list[Latency]:
    """What models would take, one by one, on the machine that others were timed on.

    Args:
        timed: At least one; all on one machine, by one runtime and of one precision.
        wanted: With their operations.
    """
    widened = _widening(timed)
    return [_predict(timed, spec, widened) for spec in wanted]


def leave_one_out(timed: Sequence[Timed]) -> list[Latency]:
    """What each timed model would have been forecast to take from the others.

    Args:
        timed: At least two.
    """
    rest = [[*timed[:i], *timed[i + 1 :]] for i in range(len(timed))]
    return [
        forecast_latencies(others, [one.spec])[0] for one, others in zip(timed, rest, strict=True)
    ]


def _predict(timed: Sequence[Timed], spec: ModelSpec, widened: float) -> Latency:
    log_ms, deviation = _in_logarithms(timed, spec)
    wide = _WITHIN * deviation * widened
    return Latency(math.exp(log_ms), math.exp(log_ms - wide), math.exp(log_ms + wide))


def _in_logarithms(timed: Sequence[Timed], spec: ModelSpec) -> tuple[float, float]:
    """Logarithm of a forecast time, and its standard deviation."""
    known = [one.spec for one in timed]
    departures = np.array([math.log(one.ms / _work(one.spec)) for one in timed])
    among = np.array([[_covariance(a, b) for b in known] for a in known])
    among += ALONE**2 * np.eye(len(known))
    shared = np.array([_covariance(one, spec) for one in known])
    weights = np.linalg.solve(among, shared)
    variance = _covariance(spec, spec) + ALONE**2 - weights @ shared
    return math.log(_work(spec)) + float(weights @ departures), math.sqrt(variance)


def _widening(timed: Sequence[Timed]) -> float:
    """How many times wider the timed models scatter than was assumed, 1 at least."""
    if len(timed) < _FEWEST_TO_WIDEN:
        return 1.0
    squares = []
    for i, one in enumerate(timed):
        log_ms, deviation = _in_logarithms([*timed[:i], *timed[i + 1 :]], one.spec)
        squares.append(((math.log(one.ms) - log_ms) / deviation) ** 2)
    return max(1.0, math.sqrt(statistics.fmean(squares)))


def _covariance(one: ModelSpec, other: ModelSpec) -> float:
    """Of two models' departures and the pace, what is each one's alone left out."""
    shared = _OF_PACE**2
    shared += OF_FAMILY**2 * (one.family == other.family)
    return shared + OF_BACKBONE**2 * (_backbone(one) == _backbone(other))


def _backbone(spec: ModelSpec) -> str:
    """The kind of a backbone: `ResNet` of `ResNet-50 v1 FPN`."""
    return re.split(r"[^A-Za-z]", spec.backbone, maxsplit=1)[0]


def _work(spec: ModelSpec) -> float:
    """What an image costs, in 10^9 multiply-adds."""
    assert spec.operations is not None  # Models without are not forecast.
    return spec.operations.gmacs + MACTS * spec.operations.macts + FIXED
