"""`tfzoo audit` as people and scripts run it."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from tests.helpers import standins
from tests.safety.test_looking import lite
from tfzoo.cli.main import app


def test_a_harmless_model_is_said_to_be_so(tmp_path: Path) -> None:
    model = standins.save("yolov5", tmp_path / "model.onnx")
    result = CliRunner().invoke(app, ["audit", str(model)])
    assert result.exit_code == 0
    assert "ONNX" in result.stdout and "nothing in it but what computes" in result.stdout


def test_a_dangerous_one_ends_with_3_and_its_reasons(tmp_path: Path) -> None:
    model = lite(tmp_path / "model", "Evil\x1b[31m")
    result = CliRunner().invoke(app, ["audit", str(model)])
    assert result.exit_code == 3
    assert "operator 0 of subgraph 0" in result.stdout and "\x1b[31m" not in result.stdout
    result = CliRunner().invoke(app, ["audit", str(model), "--json"])
    found = json.loads(result.stdout)
    assert result.exit_code == 3
    assert found["dangerous"] and found["form"] == "TensorFlow Lite"
    assert set(found) == {"path", "form", "dangerous", "nodes", "operations", "findings"}
    assert set(found["findings"][0]) == {"danger", "what", "where", "why", "count"}
