"""Whether a row is reproduced: the rules of docs/accuracy.md, for a mAP and for a time.

Both ask for equivalence, not for the absence of a difference that could be seen: agreement has to
be shown, within a margin that is set beforehand (Schuirmann 1987, "A comparison of the two
one-sided tests procedure and the power approach for assessing the equivalence of average
bioavailability"). What neither agrees nor differs beyond doubt is undecided, and says so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tfzoo.report.speed import FEWEST_MODELS, machine_factor
from tfzoo.zoo.schema import Figure

Verdict = Literal["reproduced", "differs", "undecided"]

#: Points of mAP within which two figures of the same images are the same.
MARGIN = 0.3
#: Images of val2017, which decide by themselves.
WHOLE_IMAGES = 5000
#: Least and most departure from the machine's factor that is none: 80 to 125 %, as bioequivalence
#: is judged by (FDA and EMA guidance; symmetrical in logarithms).
LEAST_DEPARTURE, MOST_DEPARTURE = 1 / 1.25, 1.25

#: Standard normal deviates of a two-sided 95 % interval and of a 95th percentile.
_TWO_SIDED_95, _PERCENTILE_95 = 1.96, 1.645
#: Standard error of a median over that of a mean, for a normal distribution: sqrt(pi / 2).
_MEDIAN_ERROR = 1.2533
#: Standard deviation over the median absolute deviation, likewise (Rousseeuw and Croux 1993,
#: "Alternatives to the median absolute deviation").
_MAD_TO_DEVIATION = 1.4826
#: 0.3 is no binary fraction: what a margin is compared with is off by less than this.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class AccuracyVerdict:
    """Whether a mAP is reproduced.

    Attributes:
        verdict: The verdict.
        images_needed: Number of images that would decide it, where it is undecided.
        agrees_with: Source of the figure that it agrees with, where that is not the one shown.
    """

    verdict: Verdict
    images_needed: int | None = None
    agrees_with: str | None = None


def judge_accuracy(
    measured: float,
    figures: Sequence[Figure],
    *,
    interval: tuple[float, float] | None,
    images: int | None,
    whole: bool,
    whole_images: int = WHOLE_IMAGES,
) -> AccuracyVerdict:
    """Judges a measured mAP by what was reported.

    On the images that the reported figure is of, the difference is exact: both scored the same, and
    no chance is left. On others, a difference is shown where the whole interval lies beyond the
    margin, and agreement never: an interval of few images holds many figures.

    An interval narrows by the root of the number of images. One of half-width h whose middle lies d
    from the reported figure leaves the margin with n (h / (d - margin))^2 images in place of n.
    Where the middle is within the margin, only the whole set decides.

    Args:
        measured: In percent.
        figures: What was published of these files, in percent; the first is the one shown, the
            others are known errata, of which any may be the right one.
        interval: 95 % interval of `measured`, in percent.
        images: Number of images.
        whole: Whether they are the images that the reported figures are of, all of them.
        whole_images: Number of those.
    """
    if whole:
        for figure in figures:
            if abs(measured - figure.value) <= MARGIN + _ROUNDING:
                shown = figure is figures[0]
                return AccuracyVerdict("reproduced", None, None if shown else figure.source)
        return AccuracyVerdict("differs")
    if interval is None or images is None:
        return AccuracyVerdict("undecided", whole_images)
    middle, half = (interval[0] + interval[1]) / 2, (interval[1] - interval[0]) / 2
    beyond = min(abs(middle - figure.value) for figure in figures) - MARGIN
    if beyond > half + _ROUNDING:
        return AccuracyVerdict("differs")
    # The root is drawn first: a gap that is next to nothing would be squared to nothing.
    enough = beyond > 0 and half / beyond < math.sqrt(whole_images / images)
    needed = math.ceil(images * (half / beyond) ** 2) if enough else whole_images
    return AccuracyVerdict("undecided", min(needed, whole_images))


@dataclass(frozen=True)
class SpeedVerdict:
    """Whether a time is reproduced, relative to the machine.

    Attributes:
        verdict: The verdict.
        factor: Measured over reported time of the other models, or None where they are too few.
        departure: The model's own measured over reported time, over that factor.
        low: Lower end of the departure's 95 % interval.
        high: Its upper end.
        reason: Why nothing could be judged, or None.
    """

    verdict: Verdict
    factor: float | None = None
    departure: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


def timing_noise(p50_ms: float | None, p95_ms: float | None, images: float | None) -> float | None:
    """Standard deviation of the logarithm of a model's time, or None where it can't be told.

    It is that of single calls, log-normal by their median and 95th percentile, and not divided by
    the root of their number: calls of one run share what disturbs them, so that ever more of them
    do not make a run ever more certain.
    """
    if not p50_ms or not p95_ms or not images or images < 2:
        return None
    return max(math.log(p95_ms / p50_ms), 0.0) / _PERCENTILE_95


def judge_speed(ratio: float, noise: float | None, others: Sequence[float]) -> SpeedVerdict:
    """Judges a measured time by the reported one and by how the machine does with other models.

    The reported times are of hardware that is not known, so that they are right or wrong in
    relation to each other alone. The machine's factor is the median of the others' ratios: a model
    does not vouch for itself. Its standard error is that of a median, with a spread by the median
    absolute deviation, so that some that depart do not hide that others do. Two one-sided tests of
    2.5 % are the same as to see whether the 95 % interval lies within the limits.

    Args:
        ratio: Measured over reported time.
        noise: See `timing_noise`.
        others: Ratios of the other models, of the same machine and runtime.
    """
    factor = machine_factor(others)
    if factor is None:
        return SpeedVerdict(
            "undecided",
            reason=f"fewer than {FEWEST_MODELS} other models were timed alike to judge by",
        )
    departure = ratio / factor
    if noise is None:
        return SpeedVerdict(
            "undecided", factor, departure, reason="timed too few times to know its noise"
        )
    logs = [math.log(other) for other in others]
    middle = statistics.median(logs)
    spread = _MAD_TO_DEVIATION * statistics.median(abs(log - middle) for log in logs)
    error = math.hypot(_MEDIAN_ERROR * spread / math.sqrt(len(others)), noise)
    low, high = (departure * math.exp(sign * _TWO_SIDED_95 * error) for sign in (-1, 1))
    verdict: Verdict = "undecided"
    if low >= LEAST_DEPARTURE and high <= MOST_DEPARTURE:
        verdict = "reproduced"
    elif high < LEAST_DEPARTURE or low > MOST_DEPARTURE:
        verdict = "differs"
    return SpeedVerdict(verdict, factor, departure, low, high)
