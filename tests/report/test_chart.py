"""The chart's figures: the blog's to the last digit as printed, each source's own elsewhere."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.paths import DATA
from tfzoo.errors import OutputError, UsageError
from tfzoo.report import chart
from tfzoo.report.chart import FORMATS, draw_chart, save_chart
from tfzoo.report.points import METRICS, Point, as_printed_points, pareto_front, reported_points
from tfzoo.zoo.manifest import load_manifest

BLOG = DATA / "blog_figures.csv"


def figures(point: Point) -> tuple[str, str, str]:
    """A point as the blog prints a row: one decimal for mAP, two for FPS."""
    return (
        "" if point.box_map is None else f"{point.box_map:.1f}",
        "" if point.keypoint_map is None else f"{point.keypoint_map:.1f}",
        "" if point.fps is None else f"{point.fps:.2f}",
    )


def point(name: str, fps: float | None, box_map: float | None, comparable: bool = True) -> Point:
    return Point(name, name, "ssd", 1, True, ("boxes",), box_map, fps=fps, comparable=comparable)


def test_the_printed_layer_is_the_blogs_44_rows_to_the_last_digit() -> None:
    with BLOG.open() as file:
        blog = {
            row["model_name"]: (row["box_map"], row["keypoint_map"], row["fps"])
            for row in csv.DictReader(file)
        }
    assert len(blog) == 44
    assert {p.name: figures(p) for p in as_printed_points(load_manifest())} == blog


def test_the_corrected_layer_takes_each_figure_from_its_own_source() -> None:
    corrected = {p.id: p for p in reported_points(load_manifest())}
    printed = {p.id: p for p in as_printed_points(load_manifest())}
    assert set(corrected) - set(printed) == {"mask_rcnn_inception_resnet_v2_1024x1024_coco17_gpu-8"}
    assert set(printed) <= set(corrected)
    for spec in load_manifest().models:
        if spec.speed_ms is not None:
            p = corrected[spec.id]
            assert (p.latency_ms, p.fps) == (spec.speed_ms, 1000 / spec.speed_ms)
            assert (p.box_map, p.keypoint_map, p.mask_map) == (
                spec.box_map,
                spec.keypoint_map,
                spec.mask_map,
            )
            assert p.comparable
    # A keypoint mAP is no box mAP, whatever the blog prints.
    assert corrected["centernet_mobilenetv2fpn_512x512_coco17_kpts"].box_map is None
    assert corrected["centernet_hg104_512x512_coco17_tpu-8"].keypoint_map is None


def test_yolov5_is_corrected_to_release_4_by_the_blogs_own_factor_and_not_comparable() -> None:
    yolo = {p.id: p for p in reported_points(load_manifest()) if p.family == "yolov5"}
    assert {name: (p.box_map, round(p.fps or 0)) for name, p in yolo.items()} == {
        "yolov5s": (36.8, 284),
        "yolov5m": (44.5, 216),
        "yolov5l": (48.1, 165),
        "yolov5x": (50.1, 104),
    }
    assert not any(p.comparable for p in yolo.values())
    assert all("batch 32" in p.speed_notes[0] for p in yolo.values())


def test_the_front_leaves_out_what_is_beaten_and_keeps_equals() -> None:
    front = pareto_front(
        [
            point("slow", 1, 50),
            point("beaten", 1, 49),
            point("twin a", 10, 40),
            point("twin b", 10, 40),
            point("as accurate, slower", 9, 40),
            point("fast", 20, 30),
        ]
    )
    assert [p.name for p in front] == ["fast", "twin a", "twin b", "slow"]


def test_incomparable_and_incomplete_points_neither_stand_on_the_front_nor_keep_others_off() -> (
    None
):
    points = [
        point("plain", 10, 40),
        point("batch 32", 100, 50, comparable=False),
        point("no mAP", 100, None),
        point("no speed", None, 60),
    ]
    assert [p.name for p in pareto_front(points)] == ["plain"]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=12))
def test_every_point_off_the_front_is_beaten_by_one_on_it(pairs: list[tuple[int, int]]) -> None:
    points = [point(str(i), fps, box_map) for i, (fps, box_map) in enumerate(pairs)]
    front = pareto_front(points)

    def beats(one: Point, other: Point) -> bool:
        better = (one.fps, one.box_map) != (other.fps, other.box_map)
        return better and one.fps >= other.fps and one.box_map >= other.box_map  # type: ignore[operator]

    for p in points:
        assert any(beats(better, p) for better in front) != (p in front)


def test_the_posts_title_holds_as_printed_for_keypoints_only() -> None:
    manifest = load_manifest()
    printed = {p.family for p in pareto_front(as_printed_points(manifest), "box")}
    corrected = [p.family for p in pareto_front(reported_points(manifest), "box")]
    assert "centernet" not in printed
    assert corrected.count("centernet") == 4
    assert {p.family for p in pareto_front(reported_points(manifest), "keypoint")} == {"centernet"}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("ending", [".svg", ".png"])
def test_pictures_come_from_the_specification_without_a_browser(
    tmp_path: Path, metric: str, ending: str
) -> None:
    path = save_chart(draw_chart(metric=metric, speed="latency"), tmp_path / f"chart{ending}")
    content = path.read_bytes()
    if ending == ".png":
        assert content.startswith(b"\x89PNG")
    else:
        assert f"{metric} mAP against latency" in content.decode()


def test_a_picture_has_a_dot_for_each_of_the_44_printed_rows(tmp_path: Path) -> None:
    path = save_chart(draw_chart(as_printed=True), tmp_path / "chart.svg")
    dots = re.search(
        r'class="mark-symbol role-mark models_marks".*?</g>', path.read_text(), re.DOTALL
    )
    assert dots is not None
    assert dots[0].count("<path") == 44


def test_the_page_names_no_host_to_load_from(tmp_path: Path) -> None:
    page = save_chart(draw_chart(), tmp_path / "chart.html").read_text()
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "src=" not in markup
    assert "href=" not in markup
    assert "default-src 'none'" in page


def test_a_models_name_cannot_end_the_pages_script(tmp_path: Path) -> None:
    from tfzoo.report.chart_rows import chart_rows
    from tfzoo.report.chart_spec import build_chart

    nasty = point("</script><script>alert(1)</script>", 10, 40)
    page = save_chart(build_chart(chart_rows([nasty], [])), tmp_path / "chart.html").read_text()
    assert "alert(1)" in page
    assert "</script><script>alert(1)" not in page


def test_an_ending_works_in_capitals_too(tmp_path: Path) -> None:
    assert save_chart(draw_chart(), tmp_path / "CHART.SVG").read_text().startswith("<svg")


def test_an_unknown_ending_names_those_that_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.html, \.svg, \.png"):
        save_chart(draw_chart(), tmp_path / "chart.pdf")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/chart\.svg can't be written"):
        save_chart(draw_chart(), tmp_path / "file" / "chart.svg")


def test_the_command_writes_every_file_asked_for(tmp_path: Path) -> None:
    wanted = [tmp_path / "new" / f"chart.{ending}" for ending in ("html", "svg", "png")]
    options = [option for path in wanted for option in ("--out", str(path))]
    subprocess.run([sys.executable, "-m", "tfzoo", "chart", *options], check=True)
    assert all(path.stat().st_size > 5000 for path in wanted)


def test_as_printed_sets_the_toggles_start() -> None:
    def start(**options: bool) -> object:
        parameters = draw_chart(**options).to_dict()["params"]
        return next(p["value"] for p in parameters if p["name"] == "as_printed")

    assert start(as_printed=True) is True
    assert start() is False
    assert json.dumps(draw_chart().to_dict(), allow_nan=False)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_chart_is_drawn_anew_and_a_file_of_somebody_elses_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = tmp_path / f"chart{ending}"
    drawn = draw_chart()
    first = save_chart(drawn, path).read_bytes()
    # Drawing takes seconds, and numbers a picture's parts as it goes.
    monkeypatch.setattr(chart, "_page", lambda drawn: first.decode())
    monkeypatch.setattr(chart, "_picture", lambda drawn, suffix: first)
    save_chart(drawn, path)
    assert path.read_bytes() == first
    path.write_text("<svg>mine</svg>")
    with pytest.raises(UsageError, match=r"no chart that tfzoo drew.*--overwrite"):
        save_chart(drawn, path)
    assert path.read_text() == "<svg>mine</svg>"
    assert list(tmp_path.iterdir()) == [path]
    save_chart(drawn, path, overwrite=True)
    assert path.read_bytes() == first


def test_a_picture_that_is_marked_is_read_as_before(tmp_path: Path) -> None:
    from PIL import Image

    with Image.open(save_chart(draw_chart(), tmp_path / "chart.png")) as picture:
        picture.load()
        assert picture.info["Software"] == "tfzoo"
        assert min(picture.size) > 500
