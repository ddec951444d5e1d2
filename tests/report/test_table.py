"""The table's accuracy: reported beside measured, subsets marked, nothing made up."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.helpers.measurements import add
from tfzoo.cli.main import app
from tfzoo.errors import UsageError
from tfzoo.report.table import build_table
from tfzoo.report.table_text import render
from tfzoo.results import ACCURACY_COLUMNS, append_row
from tfzoo.zoo.manifest import load_manifest

D0, D1 = (f"efficientdet_d{i}_coco17_tpu-32" for i in (0, 1))
SSD = "ssd_mobilenet_v2_320x320_coco17_tpu-8"
KEYPOINTS = "centernet_hg104_512x512_kpts_coco17_tpu-32"
FULL = {"image_set": "val2017", "images": 5000, "AP_low": 0.325, "AP_high": 0.341}


def measured(results: Path, model: str, ap: float, kind: str = "box", **values: Any) -> None:
    row = {"model": model, "kind": kind, "AP": ap, **FULL, **values}
    append_row(results / "accuracy.csv", ACCURACY_COLUMNS, row)


def lines(results: Path) -> dict[str, dict[str, Any]]:
    table = build_table(load_manifest(()), results)
    return {line["id"]: line for line in (*table.zoo, *table.others)}


def shown(results: Path, form: str = "md") -> Any:
    result = CliRunner().invoke(app, ["table", "--results", str(results), "--format", form])
    assert result.exit_code == 0, result.output
    return result


def row_of(text: str, name: str) -> list[str]:
    (row,) = (line for line in text.splitlines() if line.startswith(f"| {name} "))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_without_measurements_every_model_has_its_reported_figures_and_blanks(
    tmp_path: Path,
) -> None:
    table = build_table(load_manifest(()), tmp_path)
    assert [line["id"] for line in table.zoo] == [spec.id for spec in load_manifest(()).models]
    assert table.others == ()
    assert not any(line[f"{m}_map_measured"] for line in table.zoo for m in ("box", "mask"))
    text = shown(tmp_path).stdout
    assert row_of(text, "EfficientDet D0 512x512")[1:4] == ["33.6", "", ""]
    # A CenterNet without keypoints has no keypoint mAP, whatever the blog's chart prints.
    assert row_of(text, "CenterNet HourGlass104 512x512")[1:7] == ["41.9", *[""] * 5]


def test_measured_stands_beside_reported_with_difference_and_interval(tmp_path: Path) -> None:
    measured(tmp_path, D0, 0.3334)
    measured(tmp_path, KEYPOINTS, 0.6102, "keypoints")
    line = lines(tmp_path)[D0]
    assert (line["box_map_reported"], line["box_map_measured"]) == (33.6, 33.34)
    assert line["box_map_difference"] == pytest.approx(-0.26)
    assert (line["box_map_low"], line["box_map_high"]) == (32.5, 34.1)
    text = shown(tmp_path).stdout
    cells = row_of(text, "EfficientDet D0 512x512")
    assert cells[1:5] == ["33.6", "33.3 [32.5, 34.1]", "-0.3", "reproduced"]
    cells = row_of(text, "CenterNet HourGlass104 Keypoints 512x512")
    assert cells[1:9] == ["40.0", "", "", "", "61.4", "61.0 [32.5, 34.1]", "-0.4", "differs"]
    assert "95 % bootstrap interval" in text and "†" not in text and "‡" not in text


def test_what_is_not_the_full_val2017_is_marked(tmp_path: Path) -> None:
    measured(tmp_path, D0, 0.35, image_set="val2017 subset", images=500)
    text = shown(tmp_path).stdout
    assert row_of(text, "EfficientDet D0 512x512")[2] == "35.0 [32.5, 34.1] (500 images)†"
    assert "† Not the full val2017" in text


def test_a_minival_like_list_is_warned_of(tmp_path: Path) -> None:
    measured(tmp_path, D0, 0.40, image_set="minival-like", images=8059)
    result = shown(tmp_path)
    assert "(8059 images)‡" in result.stdout
    assert "‡ The image list looks like COCO 2014's minival" in result.stdout
    # On one line, however narrow the terminal seems: what reads logs goes by lines.
    (warning,) = result.stderr.splitlines()
    assert warning.startswith("warning: ‡ The image list") and warning.endswith("Use val2017.")
    assert "warning" not in shown(tmp_path / "none").stderr


def test_the_full_set_is_shown_before_more_recent_subsets_and_the_newest_of_equals(
    tmp_path: Path,
) -> None:
    measured(tmp_path, D0, 0.30, image_set="val2017 subset", images=100)
    measured(tmp_path, D0, 0.31, image_set="val2017 subset", images=50)
    assert lines(tmp_path)[D0]["box_map_measured"] == 30.0
    measured(tmp_path, D0, 0.40, image_set="minival-like", images=8059)
    assert lines(tmp_path)[D0]["box_map_measured"] == 30.0
    measured(tmp_path, D0, 0.32)
    measured(tmp_path, D0, 0.33)
    measured(tmp_path, D0, 0.34, image_set="other", images=9000)
    assert lines(tmp_path)[D0]["box_map_measured"] == 33.0


def test_what_is_no_model_of_the_zoo_stands_apart(tmp_path: Path) -> None:
    measured(tmp_path, "/models/my_own|model", 0.25, image_set="other", images=79)
    table = build_table(load_manifest(()), tmp_path)
    assert [line["id"] for line in table.others] == ["/models/my_own|model"]
    assert table.others[0]["box_map_reported"] is None
    zoo, _, others = render(table, "md").partition("## Measured, but none of the zoo's models")
    assert "my_own" not in zoo and "/models/my_own\\|model" in others


def test_a_model_of_the_zoo_in_int8_is_a_line_of_its_own_by_its_name(tmp_path: Path) -> None:
    measured(tmp_path, D0, 0.336)
    measured(tmp_path, D0, 0.331, precision="int8")
    table = build_table(load_manifest(), tmp_path, "all")
    full, line = (line for line in table.zoo if line["id"] == D0)
    assert table.others == ()
    assert (full["box_map_measured"], line["box_map_measured"]) == (33.6, 33.1)
    assert (line["name"], line["family"]) == (f"{full['name']} (int8)", full["family"])
    assert (full["box_map_verdict"], line["box_map_verdict"]) == ("reproduced", "differs")
    # Where one line is wanted, it is of full precision, as what was reported is.
    (shown,) = (line for line in build_table(load_manifest(), tmp_path).zoo if line["id"] == D0)
    assert shown == full


def test_a_row_is_judged_and_the_first_line_counts(tmp_path: Path) -> None:
    measured(tmp_path, D0, 0.3334)
    measured(tmp_path, SSD, 0.2215)
    measured(tmp_path, KEYPOINTS, 0.35, AP_low=0.32, AP_high=0.38)
    measured(tmp_path, D1, 0.36, image_set="val2017 subset", images=500, AP_low=0.30, AP_high=0.42)
    found = lines(tmp_path)
    assert found[D0]["box_map_verdict"] == "reproduced"
    assert found[D0]["box_map_agrees_with"] is found[D0]["box_map_images_needed"] is None
    assert found[SSD]["box_map_verdict"] == "reproduced"
    assert found[SSD]["box_map_agrees_with"] == "tf2_config"
    assert found[SSD]["box_map_difference"] == 1.95
    assert found[KEYPOINTS]["box_map_verdict"] == "differs"
    assert found[D1]["box_map_verdict"] == "undecided"
    # 38.4 is reported: 500 (6 / (2.4 - 0.3))^2.
    assert found[D1]["box_map_images_needed"] == 4082
    assert found["yolov5s"]["box_map_verdict"] is None
    text = shown(tmp_path).stdout
    reported = sum(line["box_map_reported"] is not None for line in found.values())
    said = (
        f"2 of {reported} box mAPs reproduced, 1 differs, {reported - 3} not measured or undecided."
    )
    assert text.splitlines()[0] == said
    assert row_of(text, "EfficientDet D1 640x640")[4] == "undecided (needs 4082 images)"
    assert row_of(text, "SSD MobileNet v2 320x320")[4] == "reproduced (by tf2_config)"
    assert "By tf2_config: agrees not with the figure shown, but with that of Training" in text
    assert "A mAP is reproduced where it is within 0.3 points" in text
    assert "A mAP is reproduced" not in shown(tmp_path / "none").stdout
    assert f"<p>{said}</p>" in shown(tmp_path, "html").stdout
    assert json.loads(shown(tmp_path, "json").stdout)["summary"] == [said]


def test_a_verdict_is_on_what_was_measured_and_not_on_its_rounding(tmp_path: Path) -> None:
    measured(tmp_path, D0, 0.33304)
    assert lines(tmp_path)[D0]["box_map_verdict"] == "reproduced"
    measured(tmp_path, D0, 0.332999)
    line = lines(tmp_path)[D0]
    assert line["box_map_measured"] == 33.3
    assert (line["box_map_difference"], line["box_map_verdict"]) == (-0.3, "differs")


def test_the_embedded_model_is_judged_on_its_held_out_images_alone(tmp_path: Path) -> None:
    (spec,) = load_manifest(()).demo
    measured(tmp_path, spec.id, 0.6579, image_set="held-out", images=60)
    assert lines(tmp_path)[spec.id]["box_map_verdict"] == "reproduced"
    measured(
        tmp_path, spec.id, 0.5, kind="keypoints", image_set="held-out subset", images=20,
        AP_low=0.0, AP_high=1.0,
    )  # fmt: skip
    line = lines(tmp_path)[spec.id]
    assert (line["keypoint_map_verdict"], line["keypoint_map_images_needed"]) == ("undecided", 60)


TF, OPENVINO = "tensorflow 2.20.0", "openvino 2026.4.1"


def test_all_identities_of_a_model_stand_together_each_on_a_line(tmp_path: Path) -> None:
    for runtime, precision, ap, ms in (
        (TF, "float32", 0.336, 30.0),
        (OPENVINO, "float32", 0.335, 10.0),
        (OPENVINO, "int8", 0.327, 5.0),
    ):
        more = {"runtime": runtime, "precision": precision, "device": "cpu", "date": ms}
        measured(tmp_path, D0, ap, **more)
        add(tmp_path, D0, ms, **more)
    (line,) = (line for line in build_table(load_manifest(()), tmp_path).zoo if line["id"] == D0)
    assert (line["name"], line["runtime"]) == (f"EfficientDet D0 512x512 ({TF})", TF)
    assert (line["box_map_measured"], line["speed_measured_ms"]) == (33.6, 30)
    notes = " ".join(build_table(load_manifest(()), tmp_path).notes)
    assert (
        f"EfficientDet D0 512x512 ({TF}): 2 more. See them all with: tfzoo table --runtime all"
        in notes
    )
    found = {
        line["name"]: (line["box_map_measured"], line["speed_measured_ms"], line["fps_measured"])
        for line in build_table(load_manifest(()), tmp_path, "all").zoo
        if line["id"] == D0
    }
    name = "EfficientDet D0 512x512"
    assert found == {
        f"{name} ({TF})": (33.6, 30, 33.33),
        f"{name} ({OPENVINO})": (33.5, 10, 100),
        f"{name} ({OPENVINO}, int8)": (32.7, 5, 200),
    }
    table = build_table(load_manifest(()), tmp_path, "openvino")
    assert [line["precision"] for line in table.zoo if line["id"] == D0] == ["float32", "int8"]
    assert len(table.zoo) == len(load_manifest(()).models) + 1


def test_a_runtime_that_nothing_was_measured_with_is_told_with_those_there_are(
    tmp_path: Path,
) -> None:
    arguments = ["table", "--results", str(tmp_path), "--runtime", "onnx"]
    assert "nothing was measured so far" in str(CliRunner().invoke(app, arguments).exception)
    measured(tmp_path, D0, 0.336, runtime=TF)
    with pytest.raises(UsageError, match="with runtime 'onnx'; there is tensorflow"):
        build_table(load_manifest(()), tmp_path, "onnx")


def test_a_time_beside_a_map_of_another_runtime_says_so_in_its_line(tmp_path: Path) -> None:
    measured(tmp_path, D0, 0.336, runtime=TF, device="cpu")
    add(tmp_path, D0, 10.0, runtime=OPENVINO)
    line = lines(tmp_path)[D0]
    assert (line["box_map_measured"], line["speed_measured_ms"]) == (33.6, 10)
    assert line["identity_notes"] == f"the measured time is of {OPENVINO}, the mAP of {TF}"
    assert (line["runtime"], line["device"], line["speed_runtime"]) == (None, "cpu", OPENVINO)
    text = shown(tmp_path).stdout
    assert f"10.0 ({OPENVINO}, cpu)" in row_of(text, "EfficientDet D0 512x512")
    assert f"Of two measurements: EfficientDet D0 512x512: {line['identity_notes']}." in text
    found = [
        line for line in build_table(load_manifest(()), tmp_path, "all").zoo if line["id"] == D0
    ]
    assert not any(line["box_map_measured"] and line["speed_measured_ms"] for line in found)
    assert "Measured otherwise too" not in text
    add(tmp_path, D0, 20.0, runtime="onnx 1.22.0", date="2020-01-01")
    measured(tmp_path, D0, 0.3, runtime="xla 2.20.0", date="2020-01-01")
    assert "EfficientDet D0 512x512: 2 more. See them all" in shown(tmp_path).stdout


def test_the_embedded_model_on_its_own_held_out_images_is_whole(tmp_path: Path) -> None:
    (spec,) = load_manifest(()).demo
    measured(tmp_path, spec.id, 0.3, image_set="held-out", images=60)
    text = shown(tmp_path).stdout
    assert row_of(text, spec.name)[2] == "30.0 [32.5, 34.1]" and "†" not in text


def test_csv_and_json_hold_every_column(tmp_path: Path) -> None:
    measured(tmp_path, D0, 0.3334)
    measured(tmp_path, "mine", 0.25)
    rows = list(csv.DictReader(io.StringIO(shown(tmp_path, "csv").stdout)))
    found = {row["id"]: row for row in rows}
    assert found[D0]["section"] == "zoo" and found["mine"]["section"] == "other"
    assert found[D0]["box_map_measured"] == "33.34" and found[D0]["mask_map_reported"] == ""
    value = json.loads(shown(tmp_path, "json").stdout)
    assert len(value["zoo"]) == len(rows) - 1
    (line,) = (line for line in value["zoo"] if line["id"] == D0)
    assert line["box_map_difference"] == -0.26 and line["keypoint_map_reported"] is None


def test_a_measurement_that_failed_hides_none_after_it(tmp_path: Path) -> None:
    append_row(tmp_path / "accuracy.csv", ACCURACY_COLUMNS, {"model": D0, "kind": "box"})
    measured(tmp_path, D0, 0.3334)
    append_row(tmp_path / "accuracy.csv", ACCURACY_COLUMNS, {"model": D0, "kind": "box"})
    assert lines(tmp_path)[D0]["box_map_measured"] == 33.34


def test_markdown_aligns_figures_right_below_their_heads(tmp_path: Path) -> None:
    head, rule, *rows = render(build_table(load_manifest(()), tmp_path), "md").splitlines()[:10]
    assert {len(row) for row in (head, rule, *rows)} == {len(head)}
    first, *others = rule.strip("| ").split(" | ")
    assert set(first) == {"-"}
    assert all(re.fullmatch("-+:", other) for other in others)
    assert head.startswith("| model ") and rows[0].startswith("| CenterNet HourGlass104 512x512 ")
    assert "| box mAP reported |" in head and "|             41.9 |" in rows[0]


class Cells(HTMLParser):
    """The texts of a page's tables: a list of rows for each, the head first."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.tables[-1][-1][-1] += data


def test_the_page_has_the_cells_that_the_markdown_has(tmp_path: Path) -> None:
    measured(tmp_path, D0, 0.3334)
    measured(tmp_path, "mine <b>", 0.25)
    table = build_table(load_manifest(()), tmp_path)
    page, markdown = render(table, "html"), render(table, "md")
    assert "<h2>Measured, but none of the zoo&#x27;s models</h2>" in page
    shown = [line.strip("|").split("|") for line in markdown.splitlines() if line.startswith("| ")]
    cells = [[unescape(cell.strip()) for cell in row] for row in shown if "---" not in row[0]]
    zoo, others = Cells(page).tables
    assert (zoo, others) == (cells[: 1 + len(table.zoo)], cells[1 + len(table.zoo) :])
    assert others[1][0] == "mine <b>"


def test_json_is_what_every_reader_of_json_takes(tmp_path: Path) -> None:
    measured(tmp_path, "größe", 0.25)
    table = build_table(load_manifest(()), tmp_path)
    text = render(table, "json")
    assert '\n  "zoo": [\n' in text and "größe" in text and text.endswith("}\n")
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(replace(table, zoo=({**table.zoo[0], "box_map_measured": float("nan")},)), "json")
