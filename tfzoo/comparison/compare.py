"""Two sets of detections of the same images: B's mAP minus A's, and what that shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.bootstrap import Matches, draw, matches_of
from tfzoo.accuracy.coco import sample
from tfzoo.accuracy.fields import Id
from tfzoo.accuracy.metrics import evaluator_version, names_of, require, run_evaluation, scorable
from tfzoo.accuracy.truth import KINDS, Kind
from tfzoo.comparison.compared import Comparison
from tfzoo.comparison.page import write_comparison
from tfzoo.comparison.paired import KindDifference, paired_differences
from tfzoo.comparison.settings import CompareSettings
from tfzoo.comparison.sides import Side, annotated_images, side_of
from tfzoo.errors import UsageError
from tfzoo.explain.by_image import image_precision
from tfzoo.options import called_with
from tfzoo.pages import check_pages

Library = Literal["faster-coco-eval", "pycocotools"]


@called_with(CompareSettings)
def compare(settings: CompareSettings) -> Comparison:  # noqa: D417 - `called_with` tells of them
    """Compares two models, a model with itself under two runtimes, or two results files.

    Both sides are scored on the same images by COCO's protocol. The difference of mAP has a 95 %
    interval from a paired bootstrap over the images. A model's detections are saved under
    `results`, as `evaluate` saves them, and are taken from there where they lie.

    Args:
        on_progress: Called after each image.

    Returns:
        B minus A by kind, overall, by class and by size, with what it shows.

    Raises:
        UsageError: The images or annotations are not as expected.
        TfzooError: A model can't be had or run, or an image can't be read.
    """
    require(settings.evaluator)
    if settings.report is not None:
        check_pages(settings.report, "comparison")
    coco_set, with_images = annotated_images(settings)
    listed = {image_id: None for truth in coco_set.truths for image_id in truth.images}
    chosen = sample(list(listed), settings.limit, settings.seed)
    side = partial(
        side_of,
        settings=settings,
        coco_set=coco_set,
        chosen=chosen,
        with_images=with_images,
        on_progress=settings.on_progress,
    )
    a = side(settings.a, 0)
    b = side(settings.a if settings.b is None else settings.b, 1)
    compared = compare_sides(a, b, settings, len(chosen))
    if settings.report is not None:
        write_comparison(compared, settings.report)
    return compared


def compare_sides(a: Side, b: Side, settings: CompareSettings, images: int) -> Comparison:
    """Compares what two sides found.

    Args:
        a: The first side.
        b: The second side, of the same images.
        settings: Of the comparison.
        images: Number of images.

    Raises:
        UsageError: There is nothing that both give.
    """
    truths = a.evidence.truths
    kinds = [kind for kind in KINDS if kind in truths and kind in b.evidence.truths]
    if not kinds:
        raise UsageError(
            f"{a.name} gives {' and '.join(truths)}, {b.name} "
            f"{' and '.join(b.evidence.truths)}: there is nothing to compare"
        )
    library: Library = "pycocotools" if settings.evaluator == "pycocotools" else "faster-coco-eval"
    same = list(a.evidence.rows) == list(b.evidence.rows)
    differences: dict[Kind, KindDifference] = {}
    changes: list[tuple[Id, float, float]] = []
    for kind in kinds:
        truth = truths[kind]
        drawn = draw(len(truth.images), settings.resamples, settings.seed)
        (names, of_a), (_, of_b) = (_matches(one, kind, library) for one in (a, b))
        differences[kind] = paired_differences(
            of_a, of_b, names, drawn, settings.margin / 100, same
        )
        if kind == kinds[0]:
            changes = _changes(list(truth.images), of_a["all"], of_b["all"])
    return Comparison(
        a,
        b,
        differences,
        images,
        a.evidence.image_set,
        settings.margin,
        evaluator_version(settings.evaluator),
        changes,
    )


def _matches(
    side: Side, kind: Kind, library: Library
) -> tuple[list[str], dict[str, list[Matches]]]:
    """Names of the categories, and what became of a side's detections of each, by size."""
    truth, rows = scorable(side.evidence.truths[kind], side.evidence.rows, kind)
    evaluation = run_evaluation(truth, rows, kind, library, side.evidence.sized_by_box)
    names = names_of(truth)
    listed = [names[category_id] for category_id in evaluation.params.catIds]
    return listed, {area: matches_of(evaluation, area) for area in evaluation.params.areaRngLbl}


def _changes(
    image_ids: Sequence[Id], a: Sequence[Matches], b: Sequence[Matches]
) -> list[tuple[Id, float, float]]:
    """The images that changed, the most first: by the change of AP, times the objects."""
    before, after = image_precision(a), image_precision(b)
    objects: NDArray[np.int64] = np.sum([one.objects for one in a], axis=0)
    weight = np.nan_to_num(np.abs(after - before)) * objects
    order = np.argsort(-weight, kind="stable")
    return [(image_ids[i], float(before[i]), float(after[i])) for i in order if weight[i] > 1e-12]
