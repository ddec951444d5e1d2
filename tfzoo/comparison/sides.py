"""A side of a comparison: what found something, and what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

from tfzoo.accuracy.category_names import for_results
from tfzoo.accuracy.coco import CocoSet, name_of, read_results
from tfzoo.accuracy.evaluate import detect_evidence, images_for
from tfzoo.accuracy.evidence import Evidence
from tfzoo.accuracy.fields import Id
from tfzoo.accuracy.results_check import check_results, join
from tfzoo.accuracy.settings import EvaluateSettings, OnProgress
from tfzoo.accuracy.truth import FIELDS, KINDS, GroundTruth, Kind, Stored
from tfzoo.accuracy.truth_check import check_kind
from tfzoo.comparison.settings import CompareSettings
from tfzoo.errors import AnnotationError, UsageError
from tfzoo.options import Precision
from tfzoo.settings import at_home


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Attributes:
        name: Id or path of the model, or path of the results file.
        model_digest: Digest of the model; empty for a results file, as all below.
        runtime: Runtime and its version.
        precision: `float32` or `int8`.
        device: Device the detections were made on.
        evidence: What was found in the images.
    """

    name: str
    model_digest: str
    runtime: str
    precision: str
    device: str
    evidence: Evidence = field(repr=False)

    def to_json(self) -> dict[str, str]:
        """As `tfzoo compare --json` prints it."""
        names = ("name", "model_digest", "runtime", "precision", "device")
        return {name: getattr(self, name) for name in names}


def is_results_file(given: Any) -> bool:
    """Whether what was given for a side is a file of results, and no model."""
    return isinstance(given, str | PathLike) and fspath(given).lower().endswith(".json")


def annotated_images(settings: CompareSettings) -> tuple[CocoSet, bool]:
    """The images that both sides are of, and whether the files of the images are at hand.

    Raises:
        UsageError: The options mean none.
    """
    given = [one for one in (settings.a, settings.b) if one is not None]
    models = [one for one in given if not is_results_file(one)]
    if models:
        return images_for(models[0], settings), True
    annotations = settings.annotations
    if settings.coco is None and settings.images is None and annotations is not None:
        listed = [annotations] if isinstance(annotations, str | PathLike) else annotations
        return CocoSet(Path(), tuple(at_home(path) for path in listed)), False
    if settings.coco is None and annotations is None:
        raise UsageError(
            "results files are compared by their annotations: --annotations FILE (with --images "
            "FOLDER for pictures of what changed), or --coco FOLDER"
        )
    return images_for(given[0], settings), True


def side_of(
    given: Any,
    place: int,
    settings: CompareSettings,
    coco_set: CocoSet,
    chosen: Sequence[Id],
    with_images: bool,
    on_progress: OnProgress | None,
) -> Side:
    """One side, with what it found: read from its results file, or detected.

    Args:
        given: What was given for it.
        place: 0 for A, 1 for B.
        settings: Of the comparison.
        coco_set: The images with their annotations.
        chosen: Ids of those that count.
        with_images: Whether their files are at hand.
        on_progress: Called after each image.

    Raises:
        TfzooError: The model can't be had or run, or a file is not as expected.
    """
    if is_results_file(given):
        files = _files(coco_set, chosen) if with_images else {}
        return Side(fspath(given), "", "", "", "", _read(Path(given), coco_set, chosen, files))
    detector, evidence = detect_evidence(
        EvaluateSettings(
            given,
            coco=coco_set,
            limit=settings.limit,
            seed=settings.seed,
            runtime=settings.runtime[place],
            precision=cast(Precision, settings.precision[place]),
            device=settings.device,
            results=settings.results,
            on_progress=on_progress,
        )
    )
    info = detector.run_info
    return Side(
        detector.model.id,
        detector.model.digest,
        info.runtime,
        info.precision,
        info.device,
        evidence,
    )


def _files(coco_set: CocoSet, chosen: Sequence[Id]) -> Mapping[Id, Path | Stored]:
    return coco_set.sources(chosen)


def _read(
    path: Path, coco_set: CocoSet, chosen: Sequence[Id], files: Mapping[Id, Path | Stored]
) -> Evidence:
    """What a results file holds of the images that count.

    Raises:
        AnnotationError: It is not in COCO's format, of other images, or holds nothing to compare.
    """
    wanted = set(chosen)
    all_rows = read_results(path)
    truths: dict[Kind, GroundTruth] = {}
    for kind in KINDS:
        truth = coco_set.truth(kind)
        if truth is None or not any(row.get(FIELDS[kind]) for row in all_rows):
            continue
        truth = for_results(truth, None)
        join(all_rows, path, truth)
        check_kind(truth, kind)
        of_kind = [row for row in all_rows if row.get(FIELDS[kind])]
        check_results([row for row in of_kind if row["image_id"] in wanted], path, kind, truth)
        truths[kind] = truth.subset(chosen)
    if not truths:
        raise AnnotationError(
            f"{path} holds nothing that the annotations hold too; expected `bbox`, `keypoints` or "
            "`segmentation` in its rows"
        )
    rows = [row for row in all_rows if row["image_id"] in wanted]
    return Evidence(
        truths,
        rows,
        name_of(coco_set, chosen),
        files,
        sizes={},
        sized_by_box=all(row.get("bbox") for row in rows),
    )
