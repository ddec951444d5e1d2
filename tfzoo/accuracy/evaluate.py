"""Accuracy of a model on annotated images: its detections saved as they come, then scored."""

from __future__ import annotations

import warnings as python_warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from tfzoo.accuracy.category_names import for_results, joined, unknown_warning
from tfzoo.accuracy.coco import (
    CocoSet,
    describe_images,
    find_annotated,
    find_coco,
    list_digest,
    name_of,
    read_ground_truth,
    read_results,
    sample,
)
from tfzoo.accuracy.evidence import Evidence
from tfzoo.accuracy.fields import Id
from tfzoo.accuracy.guard import minival_warning, size_warning, warnings_for
from tfzoo.accuracy.measured import Accuracy, AccuracyWarning
from tfzoo.accuracy.metrics import evaluator_version, require, score
from tfzoo.accuracy.operating_point import operating_points
from tfzoo.accuracy.predictions import Prediction, journal_path, open_journal, prediction_of
from tfzoo.accuracy.results_check import check_results, join
from tfzoo.accuracy.settings import (
    MOST_DETECTIONS,
    EvaluateSettings,
    ImageOptions,
    PredictionSettings,
)
from tfzoo.accuracy.truth import FIELDS, KINDS, GroundTruth, Kind, Stored
from tfzoo.accuracy.truth_check import check_kind
from tfzoo.detections.label_files import labels_of
from tfzoo.detector import Detector
from tfzoo.errors import AnnotationError, UsageError
from tfzoo.hardware import hardware_name
from tfzoo.images.pipeline import in_order
from tfzoo.images.reading import read_image
from tfzoo.options import called_with, command_line, runtime_of
from tfzoo.prepare.int8 import calibrated_on
from tfzoo.results import ACCURACY_COLUMNS, append_row, read_rows
from tfzoo.settings import PACKAGE, at_home
from tfzoo.trials.check import check
from tfzoo.trials.occasion import open_for
from tfzoo.zoo.manifest import load_manifest
from tfzoo.zoo.schema import HeldOut, ModelSpec


@called_with(EvaluateSettings)
def evaluate(settings: EvaluateSettings) -> Accuracy:  # noqa: D417 - `called_with` tells of them
    """Measures a model's accuracy by the zoo's protocol, and adds it to `accuracy.csv`.

    All detections count, whatever their score, as COCO's evaluation takes them. They are saved
    under `results` as they come: the same call goes on where a killed one was, and one with a
    larger `limit` detects the further images alone.

    Args:
        on_progress: Called after each image.

    Returns:
        COCO's numbers for each kind that the model gives and the annotations hold. What looks
        like a mistake is in its `warnings`, and raised as `AccuracyWarning`.

    Raises:
        UsageError: The images or annotations are not as expected.
        TfzooError: The model can't be had or run, or an image can't be read.
    """
    table = Path(settings.results) / "accuracy.csv"
    read_rows(table)  # One that can't be added to is told of before the work.
    measured = measure_accuracy(settings)
    for row in measured.to_rows():
        append_row(table, ACCURACY_COLUMNS, row)
    return _warned(measured)


def measure_accuracy(settings: EvaluateSettings) -> Accuracy:
    """As `evaluate`, but nothing is added to `accuracy.csv`, and no warning raised.

    Raises:
        TfzooError: As `evaluate` does.
    """
    require(settings.evaluator)
    detector, evidence = detect_evidence(settings)
    measured = _measure(
        detector.model.id,
        evidence,
        settings,
        labels=labels_of(settings.labels) or detector.labels,
        model_digest=detector.model.digest,
        vouched_by=detector.model.vouchers,
        runtime=detector.run_info.runtime,
        precision=detector.run_info.precision,
        batch=1,
        tiles=settings.tiles_told,
        suppression=detector.suppression.rules_told,
        device=detector.run_info.device,
        hardware=hardware_name(detector.run_info.device),
        command=_command(settings),
    )
    if settings.check:
        listed = {i: image for t in evidence.truths.values() for i, image in t.images.items()}
        named = [(file, listed[one]["file_name"]) for one, file in evidence.files.items()]
        return replace(measured, check=check(detector, named, settings.check))
    return measured


def detect_evidence(settings: EvaluateSettings) -> tuple[Detector, Evidence]:
    """Detects in the images, but for those whose detections are saved.

    Raises:
        TfzooError: As `evaluate` does.
    """
    coco_set = images_for(settings.model, settings)
    chosen = sample(list(coco_set.files), settings.limit, settings.seed)
    files = coco_set.sources(chosen)
    detector = _opened(settings, len(files))
    truths = _truths(detector, coco_set, settings)
    predictions = _predict(detector, coco_set, files, settings)
    given = {kind for prediction in predictions for kind in prediction.kinds}
    evidence = Evidence(
        {kind: truths[kind].subset(chosen) for kind in KINDS if kind in given and kind in truths},
        [row for prediction in predictions for row in prediction.rows],
        name_of(coco_set, chosen),
        files,
        {prediction.image_id: prediction.size for prediction in predictions},
        most=max(detector.suppression.max_detections or 0, MOST_DETECTIONS),
    )
    return detector, evidence


def _command(settings: EvaluateSettings) -> str | None:
    model = settings.model.id if isinstance(settings.model, ModelSpec) else settings.model
    return command_line("evaluate", model, settings)


@called_with(PredictionSettings)
def evaluate_predictions(settings: PredictionSettings) -> Accuracy:  # noqa: D417 - as above
    """Scores a COCO results file; nothing is added to `accuracy.csv`.

    Args:

    Raises:
        AnnotationError: A file is not in COCO's format, or they are of different images.
        UsageError: The annotations hold nothing of this kind.
    """  # noqa: D414 - `called_with` fills in the arguments
    require(settings.evaluator)
    kind = settings.kind
    images = None if settings.images is None else at_home(settings.images)
    truth = read_ground_truth(at_home(settings.annotations), images)
    truth = for_results(truth, labels_of(settings.labels))
    rows = read_results(settings.predictions)
    path = Path(settings.predictions)
    join(rows, path, truth)
    if rows and not any(row.get(FIELDS[kind]) for row in rows):
        raise AnnotationError(
            f"{fspath(settings.predictions)} holds no {kind}: expected `{FIELDS[kind]}` in its "
            "rows; say what it holds with --type"
        )
    if settings.limit is not None:
        chosen = set(sample(list(truth.images), settings.limit, settings.seed))
        rows = [row for row in rows if row["image_id"] in chosen]
        truth = truth.subset(chosen)
    if kind in truth.kinds:
        check_kind(truth, kind)
        rows = check_results(rows, path, kind, truth)
    evidence = Evidence(
        {kind: truth},
        rows,
        describe_images(truth.images.values()),
        files=truth.stored,
        sizes={},
        sized_by_box=all(row.get("bbox") for row in rows),
    )
    return _warned(_measure(fspath(settings.predictions), evidence, settings))


def _warned(measured: Accuracy) -> Accuracy:
    for warning in measured.warnings:
        # Of the line that called: above are the measuring function and what `called_with` makes.
        python_warnings.warn(warning, AccuracyWarning, stacklevel=4)
    return measured


def images_for(
    model: str | PathLike[str] | ModelSpec | Detector, settings: ImageOptions
) -> CocoSet:
    """The annotated images that options mean for a model.

    Raises:
        UsageError: They mean none, or there is none.
    """
    coco, images, annotations = settings.coco, settings.images, settings.annotations
    if coco is not None and images is None and annotations is None:
        return coco if isinstance(coco, CocoSet) else find_coco(coco)
    if coco is None and annotations:
        listed = [annotations] if isinstance(annotations, str | PathLike) else annotations
        return find_annotated(listed, images)
    if coco is None and images is None and annotations is None:
        from tfzoo.accuracy.coco_fetch import fetched_folder

        if (held_out := _held_out(model)) is not None:
            truth = PACKAGE / held_out.annotations
            return CocoSet(PACKAGE / held_out.images, (truth,), True)
        if (fetched := fetched_folder()) is not None:
            return find_coco(fetched)
    raise UsageError(
        "say what to evaluate on: --coco FOLDER (fetch COCO's with: tfzoo coco fetch val2017), or "
        "--annotations FILE with --images FOLDER (which other formats than COCO's do without); "
        "not both"
    )


def _held_out(model: str | PathLike[str] | ModelSpec | Detector) -> HeldOut | None:
    """The packaged images that a model's reported figures were taken on, if it has any."""
    if isinstance(model, Detector):
        spec = model.model.spec
    elif isinstance(model, ModelSpec):
        spec = model
    else:
        spec = load_manifest().exact(fspath(model))
    return spec.held_out if spec else None


def _opened(settings: EvaluateSettings, images: int) -> Detector:
    if isinstance(settings.model, Detector):
        return settings.model.suppressing(settings) if settings.rules_told else settings.model
    detector = open_for(
        settings.model,
        images=images,
        runtime=runtime_of(settings.runtime, settings.precision),
        device=settings.device,
        labels=labels_of(settings.labels),
        precision=settings.precision,
    )
    return detector.suppressing(settings)


def _truths(
    detector: Detector, coco_set: CocoSet, settings: EvaluateSettings
) -> dict[Kind, GroundTruth]:
    """What a model's detections are scored against, by kind, in its category ids.

    Before the work: an object without what its kind needs could be found by no model.
    """
    labels = labels_of(settings.labels)
    truths: dict[Kind, GroundTruth] = {}
    for kind in _kinds_of(detector):
        truth = coco_set.truth(kind)
        if truth is None:
            continue
        if truth.by_name or labels:
            truth = joined(truth, labels or detector.labels)
        check_kind(truth, kind)
        truths[kind] = truth
    return truths


def _kinds_of(detector: Detector) -> list[Kind]:
    """What a model gives, by its signature."""
    outputs = [output.name for output in detector.runtime.signature.outputs]
    kinds: list[Kind] = ["box"]
    if any("keypoint" in name for name in outputs):
        kinds.append("keypoints")
    if detector.kind == "mask_rcnn":
        kinds.append("masks")
    return kinds


def _told_apart(detector: Detector) -> dict[str, str]:
    """What tells an int8 form from full precision and from one calibrated otherwise.

    And other rules of suppression from the model's own.
    """
    told = detector.suppression.rules_told
    identity = {"suppression": told} if told else {}
    if detector.run_info.precision == "float32":
        return identity
    return identity | {
        "precision": detector.run_info.precision,
        "calibrated_on": calibrated_on(detector.model) or "",
    }


def _predict(
    detector: Detector,
    coco_set: CocoSet,
    files: Mapping[Id, Path | Stored],
    settings: EvaluateSettings,
) -> list[Prediction]:
    """The saved predictions of these images, those still missing made first."""
    on_progress = settings.on_progress
    # Annotations of one folder in two formats may number its images differently.
    numbered = [f"{image_id} {name}" for image_id, name in coco_set.files.items()]
    path = journal_path(
        Path(settings.results) / "predictions",
        detector.model.id,
        {
            "digest": detector.model.digest,
            "runtime": detector.run_info.runtime,
            "device": detector.run_info.device,
            # Two machines may write into one folder; their last digits differ.
            "hardware": hardware_name(detector.run_info.device),
            **_told_apart(detector),
            **({"tiles": settings.tiles_told} if settings.tile else {}),
            # All images, not those chosen: a larger sample goes on with a smaller one's.
            "images": f"{coco_set.place.resolve()} {list_digest(numbered)}",
        },
    )
    with open_journal(path) as journal:
        todo = [image_id for image_id in files if image_id not in journal.saved]
        done = len(files) - len(todo)
        if on_progress is not None:
            on_progress(done, len(files))

        def detect(image_id: Id) -> None:
            if settings.tile is None:
                found = detector.detect_prepared([detector.read(files[image_id])[1]])[0]
            else:
                found = detector.detect(read_image(files[image_id]), tiles=settings)
            found = found[: detector.suppression.max_detections]
            # Saved from its own thread: no finished image waits for a slower one before it.
            journal.add(prediction_of(image_id, found))

        for _ in in_order(detect, todo, detector.workers):
            done += 1
            if on_progress is not None:
                on_progress(done, len(files))
        return [journal.saved[image_id] for image_id in files]


def _measure(
    model: str,
    evidence: Evidence,
    options: EvaluateSettings | PredictionSettings,
    *,
    labels: Mapping[int, str] | None = None,
    **origin: Any,
) -> Accuracy:
    """Scores detections, kind by kind, and looks for mistakes."""
    truths, rows = evidence.truths, evidence.rows
    if not truths:
        raise UsageError("the annotations hold nothing of what this model gives")
    scored = partial(
        score,
        evaluator=options.evaluator,
        seed=options.seed,
        sized_by_box=evidence.sized_by_box,
        most=evidence.most,
    )
    metrics = {
        kind: scored(truth, rows, kind, resamples=options.resamples)
        for kind, truth in truths.items()
    }
    kind, truth = next(iter(truths.items()))
    images = list(truth.images.values())

    def ap_with(meant: Mapping[Id, Id]) -> float | None:
        if not meant:
            return metrics[kind].ap
        given = [row for row in rows if row["category_id"] in meant]
        changed = [row | {"category_id": meant[row["category_id"]]} for row in given]
        return scored(truth, changed, kind, resamples=0).ap

    warnings = [
        *warnings_for(truth, rows, labels, ap_with),
        *filter(
            None,
            [
                size_warning(truth, evidence.sizes),
                minival_warning(evidence.image_set),
                unknown_warning(truth),
            ],
        ),
    ]
    return Accuracy(
        model=model,
        images=len(images),
        metrics=metrics,
        warnings=tuple(warnings),
        image_set=evidence.image_set,
        image_list_digest=list_digest(str(image.get("file_name", image["id"])) for image in images),
        evaluator=evaluator_version(options.evaluator),
        operating_points=operating_points(truths, rows, options.misses_at_most, options.by_class),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        evidence=evidence,
        **origin,
    )
