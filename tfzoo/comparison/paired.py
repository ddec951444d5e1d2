"""The difference of two APs on the same images, with its interval: a paired bootstrap.

Each resample draws images with replacement, once for both sides: an image counts for both as often
as it was drawn, so that what makes an image easy or hard for both leaves the difference. Its
spread is often a third of that of two APs taken apart. The interval is the normal one around the
measured difference. The bootstrap's own bias, which the interval of one AP takes off
(`tfzoo.accuracy.bootstrap`), is about the same for both sides and leaves the difference; taking off
what is seen of it would add no more than noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.bootstrap import (
    Interval,
    Matches,
    category_precision,
    over_categories,
)
from tfzoo.comparison.verdict import Verdict, images_needed, judge

#: With fewer images that hold such objects, resampling says too little for an interval.
FEWEST_IMAGES = 10


@dataclass(frozen=True)
class Difference:
    """The difference of two APs on the same images; all but the counts 0 to 1, or -1 to 1.

    Attributes:
        a: AP of A, or None where there is nothing to find.
        b: AP of B, likewise.
        difference: B minus A.
        low: Lower end of its 95 % interval, or None where the images are too few.
        high: Its upper end.
        verdict: What is shown of B.
        images: Images that hold such objects.
        objects: Objects to be found.
    """

    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    images: int
    objects: int

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval, or None."""
        if self.low is None or self.high is None:
            return None
        return Interval(self.low, self.high)


@dataclass(frozen=True)
class KindDifference:
    """The differences of one kind of output.

    Attributes:
        overall: Of AP over all categories.
        per_class: By category name.
        per_size: By `small` (below 32^2 pixels), `medium`, `large` (from 96^2), COCO's.
        images_needed: How many images in all would decide an undecided `overall`, by estimate.
        more_images: How many more than these.
    """

    overall: Difference
    per_class: Mapping[str, Difference]
    per_size: Mapping[str, Difference]
    images_needed: int | None
    more_images: int | None

    def to_json(self) -> dict[str, Any]:
        """As `tfzoo compare --json` prints it."""
        return {
            **asdict(self.overall),
            "images_needed": self.images_needed,
            "more_images": self.more_images,
            "per_class": {name: asdict(one) for name, one in self.per_class.items()},
            "per_size": {name: asdict(one) for name, one in self.per_size.items()},
        }


def paired_differences(
    a: Mapping[str, Sequence[Matches]],
    b: Mapping[str, Sequence[Matches]],
    names: Sequence[str],
    drawn: NDArray[np.integer[Any]],
    margin: float,
    same: bool = False,
) -> KindDifference:
    """The differences B - A of one kind.

    Args:
        a: Matches of A, a category each, by size (`all` and COCO's others).
        b: Those of B, of the same annotations.
        names: Of the categories.
        drawn: int [R, I], how often each image was drawn in each of R resamples.
        margin: Up to which a difference is none, 0 to 1.
        same: Whether both sides are one and the same: then nothing is left to chance.
    """
    # The images themselves are the first row.
    weights = np.concatenate([np.ones((1, drawn.shape[1]), dtype=drawn.dtype), drawn])
    per_class: dict[str, Difference] = {}
    per_size: dict[str, Difference] = {}
    for area, categories in a.items():
        sides = [
            np.array([category_precision(one, weights) for one in side])
            for side in (categories, b[area])
        ]
        objects = np.array([one.objects for one in categories])

        def difference(rows: slice, sides: Any = sides, objects: Any = objects) -> Difference:
            first, second = (over_categories(side[rows]) for side in sides)
            return _difference(first, second, objects[rows].sum(axis=0), margin, same)

        per_size[area] = difference(slice(None))
        if area == "all":
            per_class = {name: difference(slice(k, k + 1)) for k, name in enumerate(names)}
    overall = per_size.pop("all")
    needed = None
    if overall.verdict == "undecided" and (interval := overall.interval) is not None:
        needed = images_needed(interval, margin, drawn.shape[1])
    more = None if needed is None else needed - drawn.shape[1]
    return KindDifference(overall, per_class, per_size, needed, more)


def _difference(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    objects: NDArray[np.int64],
    margin: float,
    same: bool,
) -> Difference:
    """A difference: of the images in the first place, then of the resamples.

    Args:
        a: float [1 + R], AP of A.
        b: float [1 + R], AP of B.
        objects: int [I], objects to be found in each image.
        margin: Up to which a difference is none, 0 to 1.
        same: Whether both sides are one and the same.
    """
    images, count = int((objects > 0).sum()), int(objects.sum())
    if not count:
        return Difference(None, None, None, None, None, "undecided", 0, 0)
    interval = None
    if same:
        interval = Interval(0.0, 0.0)
    elif images >= FEWEST_IMAGES:
        interval = _interval(float(b[0] - a[0]), b[1:] - a[1:])
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    verdict = judge(interval, margin)
    return Difference(
        float(a[0]), float(b[0]), float(b[0] - a[0]), low, high, verdict, images, count
    )


def _interval(measured: float, resampled: NDArray[np.float64]) -> Interval | None:
    """The normal 95 % interval around a difference, or None without two resamples.

    Args:
        measured: The difference itself.
        resampled: float [R], that of the resamples; NaN where one has nothing to find.
    """
    resampled = resampled[np.isfinite(resampled)]
    if len(resampled) < 2:
        return None
    reach = 1.96 * resampled.std(ddof=1)
    low, high = np.clip([measured - reach, measured + reach], -1.0, 1.0)
    return Interval(float(low), float(high))
