"""`tfzoo recommend --images` as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from tests.helpers import standins
from tfzoo.cli.main import app
from tfzoo.errors import UsageError


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("tried")
    (path / "images").mkdir()
    for i in range(2):
        picture = standins.paint(64, 64, person=(0, 0, 30, 40), dog=(35, 10, 60, 50))
        assert cv2.imwrite(str(path / "images" / f"{i}.png"), picture[:, :, ::-1])
    models = [standins.save_yolov5(path / f"{i}.onnx", side=64, rows=252) for i in range(3)]
    names = ",".join(map(str, models))
    given = ["--images", str(path / "images"), "--models", names, "--against", "consensus"]
    return ["recommend", *given]


def test_models_are_listed_with_what_agreement_can_not_tell(
    arguments: list[str], tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, [*arguments, "--report", str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "3 models on 2 images, held against what most of them see." in told
    assert "Agreement is not accuracy" in told
    assert (tmp_path / "report" / "index.html").is_file()


def test_json_holds_what_is_shown(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    ranked = json.loads(result.stdout)
    assert set(ranked) == {
        "against", "strongest", "images", "unreadable", "candidates", "disputes",
    }  # fmt: skip
    assert [one["agreement"] for one in ranked["candidates"]] == [1.0] * 3
    assert set(ranked["candidates"][0]) == {
        "name", "agreement", "objects", "disputed", "latency_ms", "runtime", "device", "digest",
        "error",
    }  # fmt: skip


def test_options_that_do_not_go_together_are_refused(arguments: list[str]) -> None:
    for words in (["recommend", "--models", "demo"], [*arguments, "--here"]):
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, UsageError)
        assert "--images" in str(result.exception)
