"""What all commands have in common: how errors are told, the version, what the help names."""

import sys

import pytest
from typer.testing import CliRunner

from tfzoo.cli.main import app, main
from tfzoo.version import __version__


def test_an_error_is_told_with_what_stands_in_brackets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tfzoo", "info", "[bold] nothing [/x]"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and "no model is called '[bold] nothing [/x]'" in told


def test_the_version_is_told() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"tfzoo {__version__}\n")


@pytest.mark.parametrize("command", ["list", "recommend"])
def test_completion_is_set_up_for_all_commands_at_once(command: str) -> None:
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).stdout
    alone = CliRunner().invoke(app, [command, "--help"]).stdout
    assert "Usage" in alone and "completion" not in alone
