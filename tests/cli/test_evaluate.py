"""The tables that `tfzoo evaluate` prints for people; accuracy/test_evaluate.py has the figures."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tfzoo.accuracy import evaluate
from tfzoo.accuracy.bootstrap import Interval
from tfzoo.accuracy.measured import Accuracy
from tfzoo.accuracy.metrics import Metrics
from tfzoo.cli.main import app


def test_figures_are_percentages_under_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"AP": 0.3456, "AP_large": 1.0, "AR_small": None}
    per_class = {"cat": 0.5, "dog": 0.75, "bus": None}
    metrics = Metrics("keypoints", values, per_class, Interval(0.3, 0.4))
    measured = Accuracy("mine", 5, {"keypoints": metrics}, (), "other", "", "own 1", "2026-01-02")
    monkeypatch.setattr(evaluate, "evaluate_predictions", lambda *_, **__: measured)
    arguments = [
        "--predictions",
        str(tmp_path / "p.json"),
        "--annotations",
        str(tmp_path / "g.json"),
    ]
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    assert done.exit_code == 0, done.output
    # The kind stands left and has nothing below it; figures stand right, below their names' ends.
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        "mine",
        "5 images (other), own 1",
        "keypoints    AP  AP_large  AR_small",
        "           34.6     100.0         -",
        "AP with 95 % probability in 30.0 .. 40.0",
        "AP by category: dog 75.0, cat 50.0",
    ]
