"""`tfzoo coco fetch` hands on where to, and prints the folder for `tfzoo evaluate`."""

import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tfzoo.accuracy import coco_fetch
from tfzoo.cli.main import app


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("to", [None, "my coco"])
def test_a_set_is_fetched_where_it_is_wanted_and_from_the_network_unless_told(
    to: str | None, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fetch(name: str, folder: Path | None, **more: Any) -> Path:
        calls.append((name, folder, os.environ["TFZOO_OFFLINE"]))
        return folder or Path("the usual folder")

    monkeypatch.setattr(coco_fetch, "fetch_coco", fetch)
    monkeypatch.setenv("TFZOO_OFFLINE", "0")
    options = ["--to", to] if to else []
    done = CliRunner().invoke(app, ["coco", "fetch", *options, *["--offline"] * offline])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{to or 'the usual folder'}\n"
    assert calls == [("val2017", Path(to) if to else None, "1" if offline else "0")]


def test_the_folder_to_fetch_into_is_an_option_of_the_help() -> None:
    assert "--to" in CliRunner().invoke(app, ["coco", "fetch", "--help"]).output
