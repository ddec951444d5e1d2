"""Recommendations are the Pareto choices within a budget, and say what comes nearest to it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.measurements import add, rate
from tfzoo.errors import NothingQualifiesError, UsageError
from tfzoo.report.points import METRICS, Point, reported_points
from tfzoo.report.recommend import parse_latency_ms, recommend
from tfzoo.zoo.manifest import load_manifest

POINTS = reported_points(load_manifest())


def names(**budget: object) -> list[str]:
    return [point.name for point in recommend(POINTS, **budget)]  # type: ignore[arg-type]


def test_what_is_named_keeps_the_budget_and_nothing_within_it_beats_it() -> None:
    chosen = recommend(POINTS, min_map=30, max_latency_ms=60)
    assert [p.box_map for p in chosen] == sorted((p.box_map for p in chosen), reverse=True)
    within = [
        p for p in POINTS if p.comparable and (p.box_map or 0) >= 30 and (p.latency_ms or 0) <= 60
    ]
    assert chosen
    for p in within:
        beaten = any(
            q.box_map >= p.box_map
            and q.latency_ms <= p.latency_ms
            and (q.box_map, q.latency_ms) != (p.box_map, p.latency_ms)
            for q in within
        )
        assert beaten != (p in chosen)


def test_keypoints_are_chosen_by_keypoint_map() -> None:
    assert names(metric="keypoint", max_latency_ms=80) == [
        "CenterNet HourGlass104 Keypoints 512x512",
        "CenterNet Resnet50 V1 FPN Keypoints 512x512",
        "CenterNet MobileNetV2 FPN Keypoints 512x512",
    ]
    assert names(metric="mask") == ["Mask R-CNN Inception ResNet V2 1024x1024"]


@pytest.mark.parametrize("metric", METRICS)
def test_yolov5_is_never_recommended(metric: str) -> None:
    assert not any(point.family == "yolov5" for point in recommend(POINTS, metric=metric))


def test_a_budget_nothing_keeps_names_the_nearest_on_either_side() -> None:
    with pytest.raises(NothingQualifiesError) as caught:
        recommend(POINTS, min_map=35, max_latency_ms=50)
    assert "no model reaches 35 box mAP and takes at most 50 ms" in str(caught.value)
    assert "EfficientDet D1 640x640: 38.4 mAP, 54 ms" in str(caught.value)
    assert "SSD ResNet50 V1 FPN 640x640 (RetinaNet50): 34.3 mAP, 46 ms" in str(caught.value)
    with pytest.raises(NothingQualifiesError, match="no model here has both"):
        recommend([])


#: A front of three: the more accurate, the slower.
FRONT = [
    Point(name, name, "ssd", 1, True, ("boxes",), box_map=box_map, fps=1000 / ms, latency_ms=ms)
    for name, box_map, ms in [("small", 20.0, 10.0), ("middle", 30.0, 20.0), ("large", 40.0, 40.0)]
]


def test_a_model_right_at_the_budget_keeps_it() -> None:
    assert [p.id for p in recommend(FRONT, min_map=30)] == ["large", "middle"]
    assert [p.id for p in recommend(FRONT, max_latency_ms=20)] == ["middle", "small"]
    assert [p.id for p in recommend(FRONT, min_map=30, max_latency_ms=20)] == ["middle"]


@pytest.mark.parametrize(
    ("min_map", "max_latency_ms", "nearest"),
    [
        # The fastest that is accurate enough, and the most accurate that is fast enough.
        (30, 10, ["middle", "small"]),
        (40, 20, ["large", "middle"]),
        (15, 5, ["small"]),
        (45, 50, ["large"]),
        # Nothing keeps either half: the two ends.
        (45, 5, ["large", "small"]),
    ],
)
def test_the_nearest_is_the_best_that_keeps_half_the_budget(
    min_map: float, max_latency_ms: float, nearest: list[str]
) -> None:
    with pytest.raises(NothingQualifiesError) as caught:
        recommend(FRONT, min_map=min_map, max_latency_ms=max_latency_ms)
    listed = str(caught.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in listed] == nearest


def test_a_forecast_is_named_as_one_where_nothing_qualifies_too() -> None:
    unsure = replace(FRONT[0], latency_interval=(6.0, 15.5))
    with pytest.raises(NothingQualifiesError) as caught:
        recommend([unsure, FRONT[1]], min_map=30, max_latency_ms=10)
    assert "small: 20 mAP, 10 ms (forecast, 6 to 15.5 ms)" in str(caught.value)
    assert "middle: 30 mAP, 20 ms\n" in str(caught.value)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(UsageError, match="no mAP is called 'depth'; there are box, keypoint, mask"):
        recommend(FRONT, metric="depth")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("50ms", 50), ("0.05s", 50), ("50", 50), ("1 s", 1000), (".5ms", 0.5)],
)
def test_latencies_are_read_with_their_unit(text: str, milliseconds: float) -> None:
    assert parse_latency_ms(text) == milliseconds


@pytest.mark.parametrize("text", ["", "fast", "-5ms", "0ms", "50fps", "5 0ms"])
def test_what_is_no_latency_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a time such as 50ms"):
        parse_latency_ms(text)


def test_the_command_prints_json_for_programs() -> None:
    command = [sys.executable, "-m", "tfzoo", "recommend", "--max-latency", "60ms", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert [row["name"] for row in json.loads(done.stdout)] == names(max_latency_ms=60)


def test_the_command_fails_where_nothing_qualifies() -> None:
    command = [sys.executable, "-m", "tfzoo", "recommend", "--min-map", "99"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3
    assert "Nearest:" in done.stderr


def test_the_command_says_what_measured_figures_are_of(tmp_path: Path) -> None:
    rate(tmp_path, "efficientdet_d0_coco17_tpu-32", 0.33)
    add(tmp_path, "efficientdet_d0_coco17_tpu-32", 90.0)
    command = [sys.executable, "-m", "tfzoo", "recommend", "--results", str(tmp_path)]
    command += ["--accuracy-from", "measured", "--speed-from", "measured"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "box mAP measured on 5000 images (val2017)." in done.stdout
    assert "Timed on cpu (Some CPU, 2 cores)" in " ".join(done.stdout.split())
    done = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True)
    assert "5000 images" in json.loads(done.stdout)[0]["notes"][0]
