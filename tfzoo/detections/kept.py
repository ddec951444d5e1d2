"""What is kept of what was found in an image, by the options of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from tfzoo.detecting import DetectOptions
from tfzoo.detections.labels import category_ids, scores_by_id
from tfzoo.detections.types import Detections

Options = TypeVar("Options", bound=DetectOptions)


def by_id(options: Options, labels: Mapping[int, str]) -> Options:
    """The same options with categories by id.

    Raises:
        UsageError: The labels know no such category; names the closest.
    """
    scores = options.min_score
    return replace(
        options,
        min_score=scores_by_id(scores, labels) if isinstance(scores, Mapping) else scores,
        classes=None if options.classes is None else category_ids(options.classes, labels),
        exclude=None if options.exclude is None else category_ids(options.exclude, labels),
    )


def keep(found: Detections, options: DetectOptions) -> Detections:
    """The detections of the categories asked for (see `by_id`), as many as asked for."""
    if isinstance(options.min_score, Mapping):
        found = found.above(options.min_score)
    if options.classes is not None:
        found = found.of(options.classes)
    if options.exclude is not None:
        found = found[~np.isin(found.class_ids, list(options.exclude))]
    return found[: options.max_detections]
