"""What the commands print: for programs, and of names that would steer a terminal."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from tests.helpers.entries import ENTRY
from tfzoo.cli import progress
from tfzoo.cli.console import Terminal, plain_table, print_json, show_warnings
from tfzoo.cli.main import app, main
from tfzoo.outside import STEERING
from tfzoo.report.chart import draw_chart, save_chart
from tfzoo.results import ACCURACY_COLUMNS, append_row
from tfzoo.store.progress import ProgressBar, Step

#: Names that files, servers and users bring.
HOSTILE = [
    "Gear [v2]",
    "[/beta]",
    "[bold red]x[/bold red] :smile: [link=http://evil]y",
    "\x1b[31mred \x1b]0;title\x07 \x1b]8;;http://evil\x1b\\link",
    "\x9b2J\x85\x90q",
    "gpj.\u202eexe \u2066a\u2069",
    "a|b `c` <script>alert(1)</script> </script> [d](http://evil)",
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "{{notes}} \\g<0> %s {0}",
]


@pytest.fixture
def of_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the environment's manifest to one whose every text is a name."""

    def manifest(name: str) -> None:
        figures = [("box_map", 99.0), ("speed_ms", 1.0)]
        entry = {
            **ENTRY,
            "name": name,
            "family": name,
            "backbone": name,
            "license": name,
            "labels": {1: name},
            "notes": [name],
            "reported": [{"metric": m, "value": v, "source": "me"} for m, v in figures],
        }
        data = {"references": {"me": {"title": name}}, "models": [entry]}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(data))
        monkeypatch.setenv("TFZOO_MANIFEST", str(tmp_path / "mine.yaml"))

    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    return manifest


def steering(text: str) -> list[str]:
    """What would steer a terminal, but for what rich itself draws with."""
    return re.findall(STEERING, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text))


def test_json_is_printed_as_people_write_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Zoë", "figure": None})
    assert capsys.readouterr().out == '{\n  "name": "Zoë",\n  "figure": null\n}\n'


def test_what_is_no_number_is_not_printed_as_one() -> None:
    with pytest.raises(ValueError, match="JSON"):
        print_json({"figure": float("nan")})


@pytest.mark.parametrize("name", [*HOSTILE, "caf\udce9"])
def test_json_steers_no_terminal_and_holds_the_name_unharmed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_json({"name": name})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"name": name}
    assert re.findall(STEERING, printed) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_wherever_a_terminal_shows_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Terminal(file=(written := io.StringIO()), force_terminal=True, width=200)
    monkeypatch.setattr(progress, "err", console)
    console.print(f"told {name}", style="bold")
    table = plain_table(name)
    table.add_row(name, "1")
    console.print(table)
    with console.status(f"timing {name}"):
        pass
    with progress.progress_bar(name, "images") as bar:
        bar.step(name)
        bar.count(1, 2)
    with ProgressBar(console, delay_s=0) as downloads:
        downloads(Step("mine", "downloading", 1, 2))
    text = written.getvalue()
    assert steering(text) == []
    if name.isprintable():
        assert text.count(name) >= 4


@pytest.mark.parametrize("name", HOSTILE)
def test_commands_show_the_names_of_a_manifest(name: str, of_name: Callable[[str], None]) -> None:
    of_name(name)
    forms = (["table", "--format", form] for form in ("md", "csv", "json", "html"))
    for command in [
        ["list", "mine"],
        ["info", "mine"],
        ["recommend"],
        ["list", "mine", "--json"],
        ["info", "mine", "--json"],
        *forms,
    ]:
        done = CliRunner().invoke(app, command)
        assert (done.exit_code, done.exception) == (0, None), command
        assert re.findall(STEERING, done.output) == []
        if name.isprintable() and command[0] != "table" and "--json" not in command:
            assert name[:30] in done.output, command  # Long ones are cut to their column.


@pytest.mark.parametrize("name", HOSTILE)
def test_tables_and_charts_run_no_name(
    name: str, of_name: Callable[[str], None], tmp_path: Path
) -> None:
    of_name(name)
    row = {"model": name, "kind": "box", "images": 2, "image_set": name, "AP": 0.5}
    append_row(tmp_path / "accuracy.csv", ACCURACY_COLUMNS, row)
    given = ["table", "--results", str(tmp_path), "--format"]
    said = {form: CliRunner().invoke(app, [*given, form]).stdout for form in ("md", "csv", "html")}
    assert not re.search(r"<script>|</script>|\]\(http://", said["md"])
    lines = [line for line in said["md"].splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    cells = [cell for row in csv.reader(io.StringIO(said["csv"])) for cell in row]
    assert not [cell for cell in cells if re.match(r"[=@\t\r]", cell)]
    assert said["html"].count("<script>") == said["html"].count("</script>") == 1
    drawn = draw_chart(results=tmp_path)
    for ending in ("svg", "html"):
        save_chart(drawn, tmp_path / f"chart.{ending}")
    picture = (tmp_path / "chart.svg").read_text()
    assert re.findall(STEERING, picture) == [] and "<script" not in picture
    page = (tmp_path / "chart.html").read_text()
    assert "<script>alert" not in page and "</script> [d]" not in page


def test_the_log_and_warnings_are_shown_and_run_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("tfzoo")
    monkeypatch.setattr(logger, "handlers", [])
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        show_warnings()
        show_warnings()
        logger.warning("a model called %s", "[/x]\x1b[31m https://u:hunter2@h/a?sig=S3CR")
        warnings.warn("and \x1b[32m", stacklevel=1)
    assert capsys.readouterr().err.splitlines() == [
        r"warning: a model called [/x]\x1b[31m https://***@h/a?sig=***",
        r"warning: and \x1b[32m",
    ]


def test_an_error_runs_nothing_that_it_quotes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tfzoo.cli.main.show_warnings", lambda: None)
    monkeypatch.setattr(sys, "argv", ["tfzoo", "info", "\x1b[31m [/x] https://u:hunter2@h/m"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().err
    assert r"\x1b[31m [/x] https://***@h/m" in told and "\x1b" not in told


def test_a_plain_console_would_have_read_the_mark_up() -> None:
    """What the tests above are about is really there."""
    Console(file=(written := io.StringIO())).print("Gear [bold]v2[/bold]")
    assert written.getvalue() == "Gear v2\n"
