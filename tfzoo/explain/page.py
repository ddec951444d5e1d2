"""The page of an evaluation's report, section by section."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tfzoo.accuracy.evidence import Evidence
from tfzoo.accuracy.fields import Id
from tfzoo.accuracy.measured import Accuracy
from tfzoo.accuracy.truth import Kind, Stored
from tfzoo.explain.calibration import BINS
from tfzoo.explain.confusion import Confusion
from tfzoo.explain.curves import SCORES
from tfzoo.explain.explained import Explained, class_names
from tfzoo.explain.figures import CURVES
from tfzoo.explain.html import fill, key, percent
from tfzoo.explain.pictures import MIN_SCORE, drawn_found, drawn_truth
from tfzoo.explain.svg import curves, reliability
from tfzoo.explain.tide import ERRORS, ErrorCosts
from tfzoo.images.reading import read_image
from tfzoo.outside import in_page

#: What this page is, among those of ours.
KIND = "evaluation"

#: How many are shown: of the worst images, of the confusions, and categories of a matrix.
_WORST, _CONFUSIONS, _CATEGORIES = 8, 6, 20


def page_of(
    measured: Accuracy, kinds: Mapping[Kind, Explained], files: Mapping[Id, Path | Stored]
) -> str:
    """The page.

    Args:
        measured: The measurement.
        kinds: What lies behind its figures.
        files: The images by id; empty where they are not at hand.
    """
    evidence = measured.evidence
    assert evidence is not None  # `explain_accuracy` has seen to it.
    origin = {
        "images": f"{measured.images} ({measured.image_set})",
        "digest": measured.model_digest,
        "runtime": " ".join(filter(None, [measured.runtime, measured.precision])),
        "suppression": measured.suppression,
        "hardware": measured.hardware,
        "evaluator": measured.evaluator,
        "date": measured.date,
    }
    about = "".join(
        f"<dt>{name}</dt><dd>{in_page(text)}</dd>" for name, text in origin.items() if text
    )
    warnings = "".join(f"<li>{in_page(one)}</li>" for one in measured.warnings)
    return fill(
        Path(__file__).with_name("report.html"),
        KIND,
        {
            "title": f"What lies behind the AP of {in_page(measured.model)}",
            "about": about,
            "warnings": f"<h2>Warnings</h2><ul>{warnings}</ul>" if warnings else "",
            "kinds": "".join(_kind(one, evidence, files) for one in kinds.values()),
        },
    )


def _kind(one: Explained, evidence: Evidence, files: Mapping[Id, Path | Stored]) -> str:
    parts = [_summary(one), _classes(one), _curves(one), _calibration(one)]
    if one.errors is not None:
        parts.append(_errors(one.errors))
    if one.confusion is not None:
        names = class_names(evidence.truths[one.kind])
        parts.append(_confusion(one.confusion, names))
        parts.append(_pictures(one, one.confusion, evidence, files, names))
    return "".join(parts)


def _summary(one: Explained) -> str:
    figures = "".join(
        f"<dt>{in_page(name)}</dt><dd>{percent(value)}</dd>"
        for name, value in one.metrics.values.items()
    )
    interval = one.metrics.interval
    said = ""
    if interval is not None:
        said = f" AP with 95 % probability in {percent(interval.low)} to {percent(interval.high)}."
    return (
        f"<h2>{one.kind}: AP, overall and by size</h2><p class='note'>In percent. Sizes: s below "
        f"32&sup2; pixels, m to 96&sup2;, l from there.{said}</p>"
        f"<dl class='figures'>{figures}</dl>"
    )


def _classes(one: Explained) -> str:
    ranked = sorted(
        ((name, row) for name, row in one.per_class.items() if row.ap is not None),
        key=lambda item: -(item[1].ap or 0.0),
    )
    rows = []
    for name, row in ranked:
        best = row.by_score.best_score
        at = "nothing found" if best is None else f"{row.by_score.best_f1:.2f} from {best:.2f}"
        rows.append(
            f'<div class="class"><span>{in_page(name)} <small>{row.objects} in {row.images}</small>'
            f'</span><div class="track"><i style="width:{100 * (row.ap or 0):.1f}%"></i></div>'
            f"<b>{percent(row.ap)}</b><small>{at}</small></div>"
        )
    empty = len(one.per_class) - len(ranked)
    left_out = f" {empty} categories without objects are left out." if empty else ""
    return (
        f"<h2>{one.kind}: by class</h2><p class='note'>Objects in how many images, AP, and the "
        "best F1 at IoU 0.5 with the score from which on it is had. Few objects say little of "
        "either, and a score that is chosen on these images does a little worse on "
        f"others.{left_out}</p>"
        f'<div class="classes">{"".join(rows)}</div>'
    )


def _curves(one: Explained) -> str:
    recalls = np.linspace(0, 1, one.precision.shape[1])
    by_recall = [(f"IoU {name}", recalls, one.precision[place]) for name, place in CURVES.items()]
    by_recall.append(("IoU 0.50:0.95", recalls, one.precision.mean(axis=0)))
    curve = one.by_score
    by_score = [
        (name, SCORES, values)
        for name, values in (
            ("precision", curve.precision),
            ("recall", curve.recall),
            ("F1", curve.f1),
        )
    ]
    best = "Nothing is found."
    if curve.best_score is not None:
        best = (
            f"F1 of all categories in one list is largest, {curve.best_f1:.3f}, from score "
            f"{curve.best_score:.3f} on (the dashed line)."
        )
    return (
        f"<h2>{one.kind}: precision, recall and F1</h2><p class='note'>First the mean of the "
        "categories, as AP is made of it; then all detections in one list, at IoU 0.5. "
        f"{best}</p><div class='charts'>{curves(by_recall, 'recall', 'precision')}"
        f"{curves(by_score, 'score', 'of what is kept', curve.best_score)}</div>"
    )


def _calibration(one: Explained) -> str:
    charts = []
    for each in one.calibration:
        which = f"from score {each.min_score:g} on" if each.min_score else "all detections"
        error = "-" if each.error is None else f"{each.error:.3f}"
        charts.append(
            f"<div><h3>{which}: expected calibration error {error}</h3>"
            f"{reliability(each.confidence, each.accuracy, each.counts)}</div>"
        )
    return (
        f"<h2>{one.kind}: do scores mean what they say?</h2><p class='note'>Of detections of a "
        "score, the share that finds an object of its category at IoU 0.5: on the dashed line "
        f"scores are probabilities, below it too high. {BINS} bins (Guo and others 2017).</p>"
        f"<div class='charts'>{''.join(charts)}</div>"
    )


def _errors(errors: ErrorCosts) -> str:
    most = max([*errors.costs.values(), 1e-9])
    rows = "".join(
        f"<b>{name}</b><div class='track'><i style='width:{100 * cost / most:.1f}%'></i></div>"
        f"<span>{percent(cost)} <small>({errors.counts[name]})</small></span><p>{ERRORS[name]}</p>"
        for name, cost in errors.costs.items()
    )
    return (
        "<h2>box: what each type of error costs</h2><p class='note'>Points of AP at IoU 0.5 "
        f"({percent(errors.ap)}, by TIDE's conventions) that would be gained were all errors of "
        "the type mended and no others, and how many there are (Bolya and others 2020). They do "
        f"not sum up to what is missing.</p><div class='errors'>{rows}</div>"
    )


def _confusion(confusion: Confusion, names: list[str]) -> str:
    counts = confusion.counts
    slips = counts.copy()
    np.fill_diagonal(slips, 0)
    # Those that are taken for others, or others for them; the background is always there.
    by_class = (slips[:-1, :-1].sum(axis=1) + slips[:-1, :-1].sum(axis=0)) * 10**6
    by_class += counts[:-1].sum(axis=1)
    shown = sorted(np.argsort(-by_class, kind="stable")[:_CATEGORIES].tolist())
    shown = [place for place in shown if by_class[place]] + [len(names) - 1]
    most = max(int(counts.max()), 1)
    head = "".join(f"<th>{in_page(names[column])}</th>" for column in shown)
    rows = []
    for row in shown:
        cells = []
        for column in shown:
            count = int(counts[row, column])
            shade = round(0.75 * (count / most) ** 0.5, 2)
            color = "34,136,51" if row == column else "238,102,119"
            style = f' style="background:rgba({color},{shade})"' if count else ""
            cells.append(f"<td{style}>{count or ''}</td>")
        rows.append(f"<tr><th>{in_page(names[row])}</th>{''.join(cells)}</tr>")
    left_out = ""
    if len(names) - 1 > _CATEGORIES:
        left_out = f" The {_CATEGORIES} most confused are shown; box_confusion.csv has all."
    return (
        "<h2>box: what is taken for what</h2><p class='note'>A row is what is there, a column "
        f"what was found, from score {confusion.min_score:.3f} on. Each detection, the best "
        "first, takes the free object of its category that it overlaps most, at IoU 0.5 or more; "
        "those left then take what is left of other categories. What is still left is of the "
        f"background, but for detections on crowds.{left_out}</p><div "
        f"class='wide'><table><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _pictures(
    one: Explained,
    confusion: Confusion,
    evidence: Evidence,
    files: Mapping[Id, Path | Stored],
    names: list[str],
) -> str:
    if not files:
        return (
            "<h2>Pictures</h2><p>Pictures need the images themselves: give --images FOLDER beside "
            "the results file.</p>"
        )
    truth = evidence.truths[one.kind]
    listed = list(truth.images)
    counts = confusion.counts[:-1, :-1].copy()
    np.fill_diagonal(counts, 0)
    parts = ["<h2>The most frequent confusions</h2>", key(confusion.min_score)]
    for place in np.argsort(-counts, axis=None, kind="stable")[:_CONFUSIONS].tolist():
        row, column = divmod(place, counts.shape[1])
        if counts[row, column]:
            title = f"{names[row]} taken for {names[column]}: {counts[row, column]} times"
            image_id = listed[confusion.images[row, column]]
            parts.append(_picture(title, image_id, evidence, files, confusion.min_score))
    if not counts.any():
        parts.append("<p>No category is taken for another.</p>")
    parts += ["<h2>The worst images</h2>", key(MIN_SCORE)]
    parts.append(
        "<p class='note'>By what is missing to an AP of 100 of the image by itself (all its "
        "categories in one list), times its objects.</p>"
    )
    for image_id, ap in one.worst[:_WORST]:
        title = f"{files[image_id].name}: AP {percent(ap)}"
        parts.append(_picture(title, image_id, evidence, files, MIN_SCORE))
    return "".join(parts)


def _picture(
    title: str,
    image_id: Id,
    evidence: Evidence,
    files: Mapping[Id, Path | Stored],
    min_score: float,
) -> str:
    truth = evidence.truths["box"]
    image = read_image(files[image_id])
    objects = [one for one in truth.data["annotations"] if one["image_id"] == image_id]
    rows = [row for row in evidence.rows if row["image_id"] == image_id and row.get("bbox")]
    drawn = drawn_found(image, rows, objects, truth.categories, min_score)
    return (
        f'<div class="shown"><h3>{in_page(title)}</h3><div class="panels">'
        f"<figure><img alt='' src='{drawn_truth(image, objects, truth.categories)}'>"
        f"<figcaption>what is there: {len(objects)}</figcaption></figure>"
        f"<figure><img alt='' src='{drawn.address}'><figcaption>{drawn.right} right, {drawn.wrong} "
        f"wrong, {drawn.missed} missed</figcaption></figure></div></div>"
    )
