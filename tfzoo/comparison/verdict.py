"""What a difference of AP shows, and how many images would show more (docs/evaluation.md).

No difference has to be shown as much as one: that the interval holds 0 shows nothing, with few
images it always does (Schuirmann 1987, as for the rows of `tfzoo reproduce`).
"""

from __future__ import annotations

import math
from typing import Literal

from tfzoo.accuracy.bootstrap import Interval

Verdict = Literal["better", "worse", "undecided", "no difference"]

#: 0.003 is no binary fraction: what a margin is compared with is off by less than this.
_ROUNDING = 1e-9


def judge(interval: Interval | None, margin: float) -> Verdict:
    """What an interval of the difference B - A shows of B.

    `no difference` where it lies within the margin on both sides, though it may leave out 0: what
    is shown then is too small to matter. Else `better` or `worse` where it leaves out 0.

    Args:
        interval: 95 % interval, or None where there is none.
        margin: Up to which a difference is none, 0 to 1.
    """
    if interval is None:
        return "undecided"
    margin += _ROUNDING
    if -margin <= interval.low and interval.high <= margin:
        return "no difference"
    if interval.low > 0:
        return "better"
    return "worse" if interval.high < 0 else "undecided"


def images_needed(interval: Interval, margin: float, images: int) -> int | None:
    """How many images in all would decide what is undecided, were the middle to stay.

    An interval narrows by the root of the number of images: one of half-width h and middle d, of n
    images, leaves out 0 with n (h / d)^2 of them, and lies within the margin m with
    n (h / (m - |d|))^2. The fewer of the two is given; it is an estimate, since the middle moves.

    Args:
        interval: 95 % interval of the difference.
        margin: Up to which a difference is none, 0 to 1.
        images: Of which the interval is.
    """
    half, middle = (interval.high - interval.low) / 2, abs(interval.high + interval.low) / 2
    # As narrow as this it would show a difference, or none.
    wanted = max(middle, margin - middle)
    if wanted <= 0:
        return None
    return max(images + 1, math.ceil(images * (half / wanted) ** 2 - _ROUNDING))


def shown_worse(interval: Interval | None, points: float) -> bool:
    """Whether B is shown to be worse by more than so many points: the whole interval lies below.

    Args:
        interval: 95 % interval of the difference B - A, -1 to 1.
        points: Of mAP, 0 to 100.
    """
    return interval is not None and interval.high < -points / 100
