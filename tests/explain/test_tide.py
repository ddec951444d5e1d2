"""What errors cost: as their own package says where it is installed, and as it said before."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.coco_data import Rows, Truth, as_truth, random_data
from tfzoo.explain.boxes import in_columns
from tfzoo.explain.tide import ERRORS, ErrorCosts, error_costs

#: What `tidecv` 1.0.1 gives for `varied(seed)`: AP, then the types in the order of `ERRORS`, in
#: percent. It is not among the tests' requirements, since nobody has kept it for years.
RECORDED: dict[int, list[float]] = {
    61: [24.8140724, 10.0762036, 4.8368546, 1.987395, 1.0297574, 1.2526378, 9.3750418],
    62: [23.4618664, 9.2040316, 3.0746362, 3.083807, 0.403829, 0.9377463, 13.0718984],
    63: [30.8320309, 7.9909897, 3.4552114, 1.7888889, 0, 1.4830764, 6.2617001],
}

THEIRS = {
    "localisation": "Loc",
    "classification": "Cls",
    "duplicate": "Dupe",
    "background": "Bkg",
    "both": "Both",
    "missed": "Miss",
}


def ours(truth: Truth, rows: Rows) -> ErrorCosts:
    read = as_truth(truth)
    columns = (in_columns(read, rows), in_columns(read, truth["annotations"]))
    return error_costs(*columns, len(truth["categories"]))


def theirs(truth: Truth, rows: Rows) -> list[float]:
    tidecv = pytest.importorskip("tidecv", reason="tidecv is not installed")
    truths, found = tidecv.Data("truth"), tidecv.Data("found")
    for category in truth["categories"]:
        truths.add_class(category["id"], category["name"])
    for image in truth["images"]:
        truths.add_image(image["id"], image["file_name"])
    for one in truth["annotations"]:
        add = truths.add_ignore_region if one["iscrowd"] else truths.add_ground_truth
        add(one["image_id"], one["category_id"], one["bbox"])
    for row in rows:
        found.add_detection(row["image_id"], row["category_id"], row["score"], row["bbox"])
    run = tidecv.TIDE().evaluate(truths, found, mode=tidecv.TIDE.BOX)
    costs = {error.short_name: cost for error, cost in run.fix_main_errors().items()}
    return [run.ap, *(costs[THEIRS[name]] for name in ERRORS)]


def varied(seed: int) -> tuple[Truth, Rows]:
    """Data with every type of error: slips of category, near misses, duplicates, crowds, ties."""
    truth, rows = random_data(seed, images=60, categories=5, drawn=False)
    rng = np.random.default_rng(seed)
    more = []
    for row in rows:
        if rng.random() < 0.3:
            more.append({**row, "category_id": int(rng.integers(5)) + 1})
        if rng.random() < 0.2:
            x, y, width, height = row["bbox"]
            score = float(round(rng.random(), 1))
            more.append({**row, "bbox": [x + width / 3, y, width, height], "score": score})
    # Of one category nothing is left to be found.
    truth["annotations"] = [one for one in truth["annotations"] if one["category_id"] != 5]
    rows = rows + more
    if seed != 63:  # There, many scores tie.
        noise = rng.uniform(0, 0.01, len(rows)).tolist()
        rows = [{**row, "score": row["score"] + one} for row, one in zip(rows, noise, strict=True)]
    return truth, rows


@pytest.mark.parametrize("seed", [61, 62, 63])
def test_the_costs_are_their_own_packages(seed: int) -> None:
    found = ours(*varied(seed))
    figures = [found.ap, *found.costs.values()]
    assert [100 * one for one in figures] == pytest.approx(theirs(*varied(seed)), abs=1e-6)


@pytest.mark.parametrize("seed", RECORDED)
def test_the_costs_are_what_their_own_package_gave(seed: int) -> None:
    found = ours(*varied(seed))
    figures = [found.ap, *found.costs.values()]
    assert [100 * one for one in figures] == pytest.approx(RECORDED[seed], abs=1e-6)
    assert all(count > 0 for count in found.counts.values())


def test_mending_the_only_error_gives_all_of_ap() -> None:
    image = {"id": 1, "file_name": "1.jpg", "width": 100, "height": 100}
    truth = {
        "images": [image],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50], "iscrowd": 0}
        ],
    }
    row = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50], "score": 0.9}
    slips = {
        "localisation": {**row, "bbox": [0, 0, 50, 20]},
        "classification": {**row, "category_id": 2},
    }
    for name, slip in slips.items():
        found = ours(truth, [slip])
        assert found.ap == 0 and found.counts[name] == 1 and found.costs[name] == 1
        assert sum(found.counts.values()) == 1
    # A better detection of nothing halves AP.
    found = ours(truth, [{**row, "bbox": [60, 60, 9, 9], "score": 1.0}, row])
    assert (found.ap, found.costs["background"]) == (0.5, 0.5)
    assert ours(truth, []).counts == {**dict.fromkeys(ERRORS, 0), "missed": 1}
