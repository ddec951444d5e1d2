"""Every command and option teaches, and docs/cli.md says what they say."""

import runpy

from tests.helpers.paths import ROOT

BUILDER = ROOT / "docs" / "build_cli_reference.py"


def test_every_command_and_option_is_documented() -> None:
    assert runpy.run_path(str(BUILDER))["undocumented"]() == []


def test_the_reference_is_what_the_commands_say() -> None:
    builder = runpy.run_path(str(BUILDER))
    assert builder["REFERENCE"].read_text() == builder["render"](), (
        "docs/cli.md is out of date; write it again: python docs/build_cli_reference.py"
    )
