"""Commands from settings: what one option says is said in Python and on the command line."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import tfzoo
from tests.helpers.paths import ROOT
from tfzoo.accuracy.evaluate import evaluate_predictions
from tfzoo.accuracy.settings import EvaluateSettings, PredictionSettings, ScoreOptions
from tfzoo.batch.settings import RunSettings
from tfzoo.cli.main import app
from tfzoo.cli.options import takes
from tfzoo.options import options_of
from tfzoo.timing.settings import IMAGE_SIZE, BenchmarkSettings, parse_image_size

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        (tfzoo.detect_folder, RunSettings),
        (tfzoo.evaluate, EvaluateSettings),
        (tfzoo.benchmark, BenchmarkSettings),
        (evaluate_predictions, PredictionSettings),
    ],
)
def test_a_function_takes_its_settings_and_tells_of_them(
    function: Callable[..., Any], settings: type
) -> None:
    taken = inspect.signature(function).parameters
    assert list(taken) == list(inspect.signature(settings).parameters)
    for one in fields(settings):
        assert f"\n    {one.name}: " in str(function.__doc__)
    assert " settings: " not in str(function.__doc__)


@pytest.mark.parametrize("function", [tfzoo.evaluate, tfzoo.benchmark])
def test_a_wrong_call_is_told_of_the_function(function: Callable[..., Any]) -> None:
    name = function.__name__
    with pytest.raises(TypeError, match=rf"^{name}\(\) missing a required argument: 'model'$"):
        function()
    with pytest.raises(TypeError, match=rf"^{name}\(\) too many positional arguments$"):
        function("efficientdet d0", "cpu")
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'sed'$"):
        function("efficientdet d0", sed=1)


@pytest.mark.parametrize(
    ("command", "settings", "own"),
    [
        ("evaluate", EvaluateSettings, {"names", "predictions", "kind", "report"}),
        ("benchmark", BenchmarkSettings, {"names"}),
    ],
)
def test_a_command_of_several_models_has_the_settings_of_one(
    command: str, settings: type, own: set[str]
) -> None:
    section = (ROOT / "docs" / "cli.md").read_text().split(f"\n## `tfzoo {command}`\n")[1]
    section = section.split("\n## ")[0]
    about = {one.name: told for one, told in options_of(settings) if one.name != "model"}
    assert all(told.help in section for told in about.values())
    given = {parameter.name for parameter in COMMANDS[command].params}
    assert given == {*about, *own, "offline", "verify", "as_json", "manifest", "debug", "trust"}


def test_a_results_file_is_scored_with_options_of_an_evaluation() -> None:
    shared = {one.name for one, _ in options_of(ScoreOptions)}
    assert shared == {"limit", "seed", "evaluator", "resamples"}
    for settings in (EvaluateSettings, PredictionSettings):
        assert shared < {one.name for one, _ in options_of(settings)}


def test_a_default_is_shown_as_it_is_written() -> None:
    (size,) = [told for one, told in options_of(BenchmarkSettings) if one.name == "image_size"]
    assert size.shown == "600x600" and parse_image_size(size.shown) == IMAGE_SIZE
    given: dict[str, Any] = {}

    @takes(BenchmarkSettings, without=("model",))
    def command(values: dict[str, Any]) -> None:
        """Time."""
        given.update(values)

    alone = typer.Typer()
    alone.command()(command)
    assert CliRunner().invoke(alone, []).exit_code == 0
    taken = BenchmarkSettings("model", **given)
    for one in fields(BenchmarkSettings):
        if one.name not in ("model", "results"):
            assert getattr(taken, one.name) == one.default
    assert str(taken.results) == "results"


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "x", "--resamples", "-1"],
        ["benchmark", "x", "--min-images", "0"],
        ["benchmark", "x", "--min-seconds", "-1"],
        ["benchmark", "x", "--timeout", "0"],
        ["detect", "x", "--batch", "0"],
    ],
)
def test_less_than_the_least_is_refused_by_the_name_of_the_option(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert f"Invalid value for '{arguments[2]}'" in result.stderr
