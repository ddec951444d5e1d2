"""What `tfzoo recommend` prints beside its answer, and which budgets it refuses."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.helpers.measurements import add
from tfzoo.cli.main import app

D0 = "efficientdet_d0_coco17_tpu-32"
CAUTION = "Reported times are of hardware the zoo does not state"


def test_reported_times_are_said_to_be_relative_and_measured_ones_are_not(tmp_path: Path) -> None:
    add(tmp_path, D0, 50.0)
    asked = ["recommend", "--results", str(tmp_path)]
    assert CAUTION in CliRunner().invoke(app, asked).stdout
    measured = CliRunner().invoke(app, [*asked, "--speed-from", "measured"])
    assert measured.exit_code == 0, measured.output
    assert "EfficientDet D0" in measured.stdout and CAUTION not in measured.stdout


@pytest.mark.parametrize(("percent", "code"), [("-0.5", 2), ("0", 0), ("100.5", 2)])
def test_an_accuracy_to_reach_is_a_percentage(percent: str, code: int) -> None:
    done = CliRunner().invoke(app, ["recommend", f"--min-map={percent}"])
    assert done.exit_code == code, done.output


def test_a_hundred_percent_may_be_asked_for_and_is_reached_by_none() -> None:
    done = CliRunner().invoke(app, ["recommend", "--min-map", "100"])
    assert "no model reaches 100 box mAP" in str(done.exception)
