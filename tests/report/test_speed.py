"""The table's speeds: reported beside measured, one factor a machine, ranks, what went wrong."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from tests.helpers.measurements import add, rate
from tfzoo.errors import MeasurementError
from tfzoo.report.chart import draw_chart
from tfzoo.report.lines import Line
from tfzoo.report.points import Origin, Point, measured_points, pareto_front, points_from
from tfzoo.report.speed import machine_factor, rank_correlation
from tfzoo.report.table import build_table
from tfzoo.report.table_text import render
from tfzoo.zoo.manifest import load_manifest

D0, D1, D2 = (f"efficientdet_d{i}_coco17_tpu-32" for i in range(3))
R50 = "ssd_resnet50_v1_fpn_640x640_coco17_tpu-8"
#: Reported 39, 54, 67 and 46 ms: they take ten times that here, D2 twenty times.
TEN_TIMES = {D0: 390.0, D1: 540.0, D2: 1340.0, R50: 460.0}


def lines(results: Path) -> dict[str, Line]:
    table = build_table(load_manifest(), results)
    return {line["id"]: line for line in (*table.zoo, *table.others)}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for model, mean_ms in TEN_TIMES.items():
        add(tmp_path, model, mean_ms)
    return tmp_path


def test_reported_speeds_stand_there_without_any_measurement(tmp_path: Path) -> None:
    found = lines(tmp_path)
    assert found[D0]["speed_reported_ms"] == 39
    assert found[D0]["fps_reported"] == 25.64
    assert found["faster_rcnn_resnet152_v1_640x640_coco17_tpu-8"]["fps_reported"] == 15.63
    assert found["yolov5s"]["speed_reported_ms"] is None
    measured = [name for name in found[D0] if "measured" in name or name.startswith("speed_d")]
    assert measured
    assert all(line[name] is None for line in found.values() for name in measured)


def test_one_factor_for_the_machine_and_each_models_departure_from_it(results: Path) -> None:
    found = lines(results)
    assert {name: found[name]["speed_ratio"] for name in TEN_TIMES} == {
        **{D0: 10, D1: 10, D2: 20, R50: 10}
    }
    assert {name: found[name]["speed_departure"] for name in TEN_TIMES} == {
        **{D0: 1, D1: 1, D2: 2, R50: 1}
    }
    assert found[D1]["fps_measured"] == 1.85
    notes = " ".join(build_table(load_manifest(), results).notes)
    assert "takes 10 times the reported time (median of 4 models)" in notes
    assert "Rank correlation of reported and measured times: 1.00 (4 models)" in notes


def test_a_time_is_judged_relative_to_the_machine_and_a_departure_is_named(results: Path) -> None:
    found = lines(results)
    assert {name: found[name]["speed_verdict"] for name in TEN_TIMES} == {
        **{D0: "reproduced", D1: "reproduced", D2: "differs", R50: "reproduced"}
    }
    line = found[D2]
    assert (line["speed_factor"], line["speed_departure"]) == (10, 2)
    assert (line["speed_departure_low"], line["speed_departure_high"]) == (2, 2)
    assert found["yolov5s"]["speed_verdict"] is None
    table = build_table(load_manifest(), results)
    assert table.summary[-1].startswith("3 of ")
    assert "speeds reproduced, 1 differs" in table.summary[-1]
    named = "Departs from the factor by more than the noise explains: "
    assert f"{named}EfficientDet D2 768x768: x2.00 [2.00, 2.00]." in " ".join(table.notes)


def test_noise_widens_the_departure_until_nothing_is_shown(results: Path) -> None:
    add(results, D0, 390, p95_ms=600)
    line = lines(results)[D0]
    assert line["speed_verdict"] == "undecided"
    assert line["speed_departure_low"] < 0.8 and line["speed_departure_high"] > 1.25
    add(results, D0, 390, images=1)
    assert lines(results)[D0]["speed_reason"] == "timed too few times to know its noise"


def test_times_are_judged_among_those_of_one_runtime_whatever_is_shown(results: Path) -> None:
    for model in TEN_TIMES:
        add(results, model, 50.0, runtime="openvino 2026.4.1")
    rate(results, D0, 0.336, runtime="openvino 2026.4.1")
    table = build_table(load_manifest(), results)
    found = {line["id"]: line for line in table.zoo}
    # The others of the same runtime are not shown, and count.
    assert found[D0]["speed_runtime"] == "openvino 2026.4.1"
    assert found[D0]["speed_factor"] == pytest.approx(50 / 54, abs=1e-3)
    every = build_table(load_manifest(), results, "all")
    assert found[D0] in every.zoo


def test_what_times_say_together_is_said_of_each_machine_runtime_and_precision(
    results: Path,
) -> None:
    here = "cpu (Some CPU, 2 cores), tensorflow 2.20.0, generated 600x600"
    notes = build_table(load_manifest(), results).notes
    assert notes[0].startswith(f"Measured times: mean of single images on {here}. Reported")
    assert notes[1].startswith("This machine takes 10 times the reported time (median of 4 models)")
    for model in TEN_TIMES:
        add(results, model, 54.0, runtime="openvino 2026.4.1")
        add(results, model, 27.0, precision="int8")
    said = " ".join(build_table(load_manifest(), results, "all").notes)
    assert "Measured times: mean of single images. Reported" in said
    assert f"{here} takes 10 times the reported time" in said
    assert f"{here} in int8 takes 0.543 times the reported time" in said
    openvino = here.replace("tensorflow 2.20.0", "openvino 2026.4.1")
    assert f"{openvino} takes 1.09 times the reported time" in said


def test_a_verdict_takes_the_ratio_as_it_is_however_small(results: Path) -> None:
    add(results, D0, 0.001)
    line = lines(results)[D0]
    assert (line["speed_ratio"], line["speed_verdict"]) == (0, "differs")


def test_two_models_are_too_few_for_a_factor(tmp_path: Path) -> None:
    add(tmp_path, D0, 390)
    add(tmp_path, D1, 540)
    line = lines(tmp_path)[D0]
    assert line["speed_departure"] is None
    assert line["speed_verdict"] == "undecided"
    assert line["speed_reason"] == "fewer than 3 other models were timed alike to judge by"
    assert machine_factor([1.0, 2.0]) is None


def test_rank_correlation_is_spearmans_with_shared_ranks() -> None:
    assert rank_correlation([(1, 10), (2, 20), (3, 15)]) == pytest.approx(0.5)
    assert rank_correlation([(1, 3), (2, 2), (3, 1)]) == pytest.approx(-1)
    # scipy.stats.spearmanr([1, 2, 2, 4], [1, 3, 2, 4]) = 0.9486832980505138
    assert rank_correlation([(1, 1), (2, 3), (2, 2), (4, 4)]) == pytest.approx(0.9486832980505138)
    assert rank_correlation([(1, 1), (1, 2), (1, 3)]) is None
    assert rank_correlation([(1, 1), (2, 2)]) is None


def test_the_newest_time_counts_and_machines_are_never_mixed(results: Path) -> None:
    add(results, D0, 400)
    add(results, D1, 5, device="gpu:0", gpu="Some GPU")
    machine = build_table(load_manifest(), results).machine
    assert machine is not None
    assert machine.hardware == "Some CPU, 2 cores"
    found = lines(results)
    assert found[D0]["speed_measured_ms"] == 400
    assert found[D1]["speed_measured_ms"] == 540
    notes = " ".join(build_table(load_manifest(), results).notes)
    assert "left out: gpu:0 (Some GPU)" in notes


def test_a_failure_is_named_until_the_model_is_timed(results: Path) -> None:
    other = "ssd_mobilenet_v2_320x320_coco17_tpu-8"
    add(results, other, None, error="no room on the disk")
    table = build_table(load_manifest(), results)
    assert "SSD MobileNet v2 320x320: no room on the disk" in " ".join(table.notes)
    assert lines(results)[other]["speed_measured_ms"] is None
    add(results, other, 190)
    assert lines(results)[other]["speed_error"] is None
    # A later failure does not take the figure away.
    add(results, other, None, error="no room on the disk")
    assert lines(results)[other]["speed_measured_ms"] == 190


def test_what_disturbed_a_time_is_noted(results: Path) -> None:
    add(results, D2, 1340, notes="other processes used 1.9 cores (of 2)")
    notes = " ".join(build_table(load_manifest(), results).notes)
    assert "EfficientDet D2 768x768: other processes used 1.9 cores (of 2)" in notes


def test_known_slips_stand_below_the_table_with_their_models(tmp_path: Path) -> None:
    text = render(build_table(load_manifest(), tmp_path), "md")
    assert "- EfficientDet D6 1280x1280: The zoo page prints 1280x1280" in text
    assert text.count("The two look swapped.") == 1


@pytest.mark.parametrize("form", ["md", "csv", "json", "html"])
def test_every_format_shows_the_measured_times(results: Path, form: str) -> None:
    add(results, "stand-in|<b>", 77.0)
    text = render(build_table(load_manifest(), results), form)  # type: ignore[arg-type]
    if form == "json":
        assert {row["id"]: row["speed_measured_ms"] for row in json.loads(text)["others"]} == {
            "stand-in|<b>": 77
        }
    elif form == "csv":
        rows = {row["id"]: row for row in csv.DictReader(io.StringIO(text))}
        assert rows["stand-in|<b>"]["speed_measured_ms"] == "77.0"
        assert rows["efficientdet_d6_coco17_tpu-32"]["notes"].startswith("The zoo page prints")
    elif form == "html":
        assert "stand-in|&lt;b&gt;" in text
        assert text.count("<tr>") == 2 + len(load_manifest().models) + 1
        assert not re.search(r"src=|href=|\{\{", text)
    else:
        row = next(line for line in text.splitlines() if line.startswith("| stand-in"))
        assert "stand-in\\|&lt;b&gt;" in row
        assert "77.0" in row


def test_measured_points_feed_the_chart_beside_the_reported(results: Path) -> None:
    manifest = load_manifest()
    add(results, "/models/mine", 12.5)
    measured = {point.id: point for point in measured_points(manifest, results)}
    assert measured[D0].latency_ms == 390
    assert measured[D0].box_map is None
    assert measured["/models/mine"].name == "mine"
    assert measured["/models/mine"].family == "other"
    mixed = points_from(manifest, results, accuracy_from="reported", speed_from="measured")
    found = next(point for point in mixed if point.id == D0)
    assert (found.box_map, found.latency_ms) == (33.6, 390)
    assert {point.id for point in mixed} == set(TEN_TIMES)


def test_int8_is_a_point_of_its_own_that_is_called_so(results: Path) -> None:
    add(results, D0, 200, precision="int8")
    add(results, "/models/mine", 5, precision="int8")
    manifest = load_manifest()
    measured = {point.id: point for point in measured_points(manifest, results)}
    assert measured[D0].latency_ms == 390
    point = measured[f"{D0} (int8)"]
    assert (point.name, point.latency_ms) == ("EfficientDet D0 512x512 (int8)", 200)
    assert (point.stages, point.outputs) == (measured[D0].stages, measured[D0].outputs)
    assert point.notes == ("EfficientDet D0 512x512 in int8: none of the zoo's own figures.",)
    assert measured["/models/mine (int8)"].name == "mine (int8)"
    # What was reported is of full precision: the two are not joined.
    mixed = points_from(manifest, results, accuracy_from="reported", speed_from="measured")
    assert next(point for point in mixed if point.id == D0).latency_ms == 390
    assert f"{D0} (int8)" not in {point.id for point in mixed}


def test_a_point_is_of_one_identity_and_of_another_machine_it_decides_nothing(
    results: Path,
) -> None:
    for model, ap in ((D0, 0.33), (D1, 0.38)):
        rate(results, model, ap, runtime="tensorflow 2.20.0")
    openvino = {"runtime": "openvino 2026.4.1"}
    add(results, D0, 100, **openvino)
    rate(results, D0, 0.32, **openvino)
    add(results, D0, 1, device="gpu:0", gpu="Some GPU", **openvino)
    measured = {point.id: point for point in measured_points(load_manifest(), results)}
    assert (measured[D0].box_map, measured[D0].latency_ms) == (33, 390)
    own = measured[f"{D0} (openvino 2026.4.1, cpu, Some CPU, 2 cores)"]
    assert (own.box_map, own.latency_ms, own.family) == (32, 100, "efficientdet")
    other = measured[f"{D0} (openvino 2026.4.1, gpu:0, Some GPU)"]
    assert (other.box_map, other.comparable) == (32, False)
    place = "cpu (Some CPU, 2 cores), generated 600x600"
    assert other.speed_notes[0].endswith(f"; not comparable: most are timed on {place}.")
    assert [p.latency_ms for p in pareto_front(measured.values())] == [100, 390, 540]


def test_a_point_of_two_measurements_says_so(results: Path) -> None:
    rate(results, D0, 0.33, runtime="onnx 1.22.0")
    point = next(p for p in measured_points(load_manifest(), results) if p.id == D0)
    assert (point.box_map, point.latency_ms) == (33, 390)
    said = "Of two measurements: the measured time is of tensorflow 2.20.0, the mAP of onnx 1.22.0."
    assert point.remarks("box")[0].endswith(said)


def test_measured_figures_say_what_they_are_of(results: Path) -> None:
    rate(results, D0, 0.4, images=79, image_set="other", interval=(0.38, 0.42))
    manifest = load_manifest()

    def found(accuracy_from: Origin, speed_from: Origin) -> Point:
        points = points_from(manifest, results, accuracy_from=accuracy_from, speed_from=speed_from)
        return next(point for point in points if point.id == D0)

    rated = "box mAP measured on 79 images (other), 95 % interval 38.0 to 42.0."
    timed = "Timed on cpu (Some CPU, 2 cores), tensorflow 2.20.0, generated 600x600."
    measured = found("measured", "measured")
    assert (measured.box_map, measured.latency_ms) == (40, 390)
    assert measured.remarks("box") == (rated, timed)
    assert measured.remarks("keypoint") == (timed,)
    # Of the axis that is reported nothing was measured, whatever the folder holds.
    assert found("reported", "measured").remarks("box") == (timed,)
    assert found("measured", "reported").remarks("box") == (rated,)


def test_what_disturbed_a_time_stands_by_its_point(results: Path) -> None:
    add(results, D2, 1340, notes="other processes used 1.9 cores (of 2)")
    point = next(p for p in measured_points(load_manifest(), results) if p.id == D2)
    assert point.speed_notes[1] == "Disturbed while timed: other processes used 1.9 cores (of 2)."


def test_a_map_of_other_images_than_most_decides_nothing(results: Path) -> None:
    manifest = load_manifest()
    (demo,) = manifest.demo
    add(results, demo.id, 8.0)
    rate(results, demo.id, 0.66, images=60, image_set="held-out")

    def front() -> set[str]:
        return {point.id for point in pareto_front(measured_points(manifest, results))}

    # Alone it has nothing to be compared with.
    assert front() == {demo.id}
    rate(results, D0, 0.33)
    assert front() == {D0}
    rate(results, D1, 0.38)
    assert front() == {D0, D1}
    point = next(p for p in measured_points(manifest, results) if p.id == demo.id)
    assert point.family == "other"
    assert "not comparable: most have 5000 images (val2017)" in point.remarks("box")[1]
    assert "of little use on photographs" in point.remarks("box")[0]


def test_a_chart_offers_measured_figures_where_there_are_any(results: Path, tmp_path: Path) -> None:
    def menus(**options: object) -> set[str]:
        parameters = draw_chart(**options).to_dict()["params"]  # type: ignore[arg-type]
        return {p["name"] for p in parameters if "bind" in p and p["bind"] != "legend"}

    choices = {"accuracy_from", "speed_from"}
    assert not menus() & choices
    assert menus(results=results, speed_from="measured") & choices == {"speed_from"}
    rate(results, D0, 0.33)
    assert menus(results=results) >= choices


@pytest.mark.parametrize("draw", [True, False], ids=["chart", "recommend"])
def test_measured_figures_that_are_not_there_are_refused_with_how_to_make_them(
    results: Path, draw: bool
) -> None:
    def ask(folder: Path, accuracy_from: Origin, speed_from: Origin) -> None:
        origins: dict[str, Origin] = {"accuracy_from": accuracy_from, "speed_from": speed_from}
        if draw:
            draw_chart(results=folder, **origins)  # type: ignore[arg-type]
        else:
            points_from(load_manifest(), folder, **origins)

    with pytest.raises(MeasurementError, match=r"no measured time.*tfzoo benchmark NAME"):
        ask(results / "none", "reported", "measured")
    # Times alone are no accuracy.
    with pytest.raises(MeasurementError, match=r"no measured mAP.*tfzoo evaluate NAME"):
        ask(results, "measured", "measured")
    ask(results, "reported", "measured")
