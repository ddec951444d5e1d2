"""The report: rows of several folders as the table has them, each with how it was measured."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import tfzoo
from tests.helpers.measurements import add, rate
from tfzoo.cli.main import app
from tfzoo.errors import MeasurementError, OutputError
from tfzoo.report.report_chart import draw_charts
from tfzoo.report.report_files import read_report, report_run
from tfzoo.report.report_rows import Failure
from tfzoo.report.table import build_table
from tfzoo.zoo.manifest import load_manifest

D0, D1, D2 = (f"efficientdet_d{i}_coco17_tpu-32" for i in range(3))
OPENVINO = "openvino 2026.4.1"
EVALUATED, TIMED = "tfzoo evaluate d0 --limit 500", "tfzoo benchmark d0 --device cpu"
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    """A machine that measured three models, D0 in full, and one of its own."""
    folder = tmp_path / "laptop"
    same: dict[str, Any] = {"runtime": "tensorflow 2.20.0", "model_digest": DIGEST, "device": "cpu"}
    sizes = {"APs": 0.121, "APm": 0.382, "APl": 0.523}
    rate(folder, D0, 0.3334, interval=(0.325, 0.341), **same, **sizes, command=EVALUATED)
    times = {"p50_ms": 40.0, "p95_ms": 44.5, "peak_host_mb": 812.4}
    counted = {"parameters": 3_880_000, "gflops": 5.08}
    add(folder, D0, 41.5, **same, **times, **counted, command=TIMED, versions="numpy 2.1.0")
    rate(folder, D1, 0.36, images=500, image_set="val2017 subset", interval=(0.3, 0.42), **same)
    add(folder, D1, 70.0, **same)
    add(folder, "/models/<b>mine</b>", 5.5, **same)
    add(folder, D2, None, error="out of memory")
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """Another machine, which measured D0 with another runtime."""
    folder = tmp_path / "server"
    same: dict[str, Any] = {"runtime": OPENVINO, "model_digest": DIGEST, "device": "cpu"}
    hardware = {"cpu": "Big CPU", "cores": 64}
    rate(folder, D0, 0.3331, interval=(0.325, 0.341), **same, hardware="Big CPU, 64 cores")
    add(folder, D0, 11.0, **same, **hardware)
    return folder


def test_rows_of_several_folders_are_those_of_each_ones_table(laptop: Path, server: Path) -> None:
    report = read_report([laptop, server])
    rows = [(Path(row["results"]).name, row["id"], row["runtime"]) for row in report.rows]
    assert rows == [
        ("laptop", D0, "tensorflow 2.20.0"),
        ("server", D0, OPENVINO),
        ("laptop", D1, "tensorflow 2.20.0"),
        ("laptop", D2, None),
        ("laptop", "/models/<b>mine</b>", "tensorflow 2.20.0"),
    ]
    for folder in (laptop, server):
        table = build_table(load_manifest(), folder)
        lines = {line["id"]: line for line in (*table.zoo, *table.others)}
        for row in report.rows:
            if row["results"] == str(folder):
                assert lines[row["id"]].items() <= row.items()
    assert report.summary == ("box mAP: 2 reproduced, 1 undecided", "speed: 3 undecided")
    machines = report.choices("machine")
    assert machines == ["cpu (Some CPU, 2 cores)", "cpu (Big CPU, 64 cores)", ""]
    # Where a figure is alone, it "differs".
    rate(laptop, D0, 0.2, runtime="onnx 1.22", device="cpu")
    assert read_report(laptop).summary[0] == "box mAP: 1 reproduced, 1 differs, 1 undecided"
    # A note that is not of all folders says of which.
    assert any(note.startswith(f"{laptop}: Not timed") for note in report.notes)


def test_a_row_has_what_it_took_and_how_it_was_measured(laptop: Path) -> None:
    row = read_report(laptop).rows[0]
    sizes = [row[f"box_map_{size}"] for size in ("small", "medium", "large")]
    assert sizes == [12.1, 38.2, 52.3]
    assert (row["speed_p50_ms"], row["speed_p95_ms"], row["peak_host_mb"]) == (40, 44.5, 812.4)
    assert (row["parameters"], row["gflops"]) == (3_880_000, 5.08)
    assert row["measurements"]["box"]["command"] == EVALUATED
    assert row["measurements"]["time"]["command"] == TIMED


def test_a_time_beside_the_map_of_another_runtime_is_one_row_that_says_so(tmp_path: Path) -> None:
    rate(tmp_path, D0, 0.3334, interval=(0.325, 0.341), runtime="tensorflow 2.20.0")
    add(tmp_path, D0, 11.0, runtime=OPENVINO)
    (row,) = read_report(tmp_path).rows
    assert (row["box_map_measured"], row["speed_measured_ms"]) == (33.34, 11)
    page = tfzoo.write_report(tmp_path, tmp_path / "report").read_text()
    assert "of two measurements: the measured time is of openvino" in page
    assert page.count('class="dot"') == 1


def test_the_page_and_its_markdown_say_the_same(laptop: Path, server: Path, tmp_path: Path) -> None:
    path = tfzoo.write_report([laptop, server], tmp_path / "report")
    assert path == tmp_path / "report" / "index.html"
    page, text = path.read_text(), path.with_suffix(".md").read_text()
    shown = (EVALUATED, TIMED, DIGEST, "numpy 2.1.0", "33.3 [32.5, 34.1]", "12.1 / 38.2 / 52.3")
    shown += ("40.0", "44.5", "812", "3.88", "5.08", "out of memory")
    for said in shown:
        assert said in page and said in text, said
    assert page.count("<tbody ") == 5
    assert "<b>mine" not in page and "<b>mine" not in text
    assert not re.search(r"https?://|src=|@import|url\(", page)
    # Of objects by size there is what was measured: none of key points.
    assert "box: small / medium / large" in page and "keypoint: small" not in page
    # One folder, one machine: there is nothing to choose among.
    alone = tfzoo.write_report(server, tmp_path / "report").read_text()
    assert alone.count("<tbody ") == 1 and "<select" not in alone


def test_what_failed_is_told_though_nothing_was_measured(tmp_path: Path) -> None:
    failure = Failure("D<0>", "openvino", "no | memory", "tfzoo reproduce d0")
    path = report_run(tmp_path / "none", tmp_path / "report", [failure])
    page, text = path.read_text(), path.with_suffix(".md").read_text()
    assert "D&lt;0&gt;, openvino" in page and "no | memory" in page
    assert "no \\| memory" in text and "tfzoo reproduce d0" in text


def test_the_command_writes_the_page_or_prints_what_it_shows(
    laptop: Path, server: Path, tmp_path: Path
) -> None:
    folders = [str(laptop), str(server), f"{server}/../server"]
    out = tmp_path / "out"
    written = CliRunner().invoke(app, ["report", *folders, "--out", str(out)])
    assert written.exit_code == 0, written.output
    assert sorted(path.name for path in out.iterdir()) == ["index.html", "index.md"]
    told = CliRunner().invoke(app, ["report", *folders, "--json", "--out", str(tmp_path / "no")])
    shown = json.loads(told.stdout)
    # The same folder by another path is no further one.
    assert len(shown["rows"]) == 5 and not (tmp_path / "no").exists()
    assert {"summary", "rows", "failures", "notes"} == set(shown)
    keys = {"results", "id", "runtime", "hardware", "box_map_measured", "box_map_low"}
    keys |= {"box_map_small", "speed_p50_ms", "speed_p95_ms", "peak_host_mb", "parameters"}
    assert keys | {"gflops", "measurements"} <= set(shown["rows"][0])


def test_a_folder_without_measurements_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"nothing holds no measurements.*tfzoo reproduce"):
        tfzoo.write_report(tmp_path / "nothing", tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("name", ["index.html", "index.md"])
def test_a_file_of_somebody_elses_is_not_replaced(server: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "report"
    tfzoo.write_report(server, out)
    tfzoo.write_report(server, out)
    (out / name).write_text("mine")
    with pytest.raises(OutputError, match=r"no report that tfzoo wrote"):
        tfzoo.write_report(server, out)
    assert (out / name).read_text() == "mine"


def test_a_chart_shows_each_interval_where_it_is(laptop: Path, server: Path) -> None:
    drawn = draw_charts(read_report([laptop, server]).rows, lambda row: "")
    assert drawn.count("<figure") == 1 and drawn.count('class="dot"') == 3
    ups = {float(tick): float(y) for y, tick in _marks(drawn, 'x="0"[^>]* y="([^%]+)%"')}
    acrosses = {float(tick): float(x) for x, tick in _marks(drawn, 'x="([^%]+)%" y="100%"')}
    first = drawn.split('<g class="dot"')[1]
    assert "EfficientDet D0" in first and "tensorflow" in first
    lines = re.findall(r'<line x1="(.*?)%" x2="(.*?)%" y1="(.*?)%" y2="(.*?)%"/>', first)
    (x, _, low, high), (start, end, y, _) = ([float(part) for part in line] for line in lines)
    per_point = (ups[30] - ups[40]) / 10
    assert (low - high) / per_point == pytest.approx(34.1 - 32.5, abs=0.02)
    assert (ups[30] - y) / per_point == pytest.approx(3.34, abs=0.02)
    # Across it is logarithmic: from 20 to 50 ms by a factor of 2.5.
    per_factor = acrosses[50] - acrosses[20]
    assert start == x
    assert 20 * 2.5 ** ((start - acrosses[20]) / per_factor) == pytest.approx(40, abs=0.1)
    assert 20 * 2.5 ** ((end - acrosses[20]) / per_factor) == pytest.approx(44.5, abs=0.1)
    # D1 was measured on other images than what was reported.
    assert drawn.count('fill="white"') == 1
    assert draw_charts([], lambda row: "") == "<p>No row has both a mAP and a time.</p>"


def _marks(drawn: str, place: str) -> list[tuple[str, str]]:
    return re.findall(rf"<text {place}[^>]*>([^<]+)</text>", drawn)


def test_a_report_needs_no_heavy_library(server: Path, tmp_path: Path) -> None:
    code = "import sys, tfzoo; tfzoo.write_report(*sys.argv[1:]); "
    code += "print({'tensorflow', 'altair', 'pandas', 'numpy'} & set(sys.modules))"
    command = [sys.executable, "-c", code, str(server), str(tmp_path / "report")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
