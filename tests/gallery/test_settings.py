"""What `tfzoo gallery` can be told, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tfzoo.cli.main import app
from tfzoo.errors import UsageError
from tfzoo.gallery.make import make_gallery


def test_pictures_of_no_size_are_refused(run: Path) -> None:
    with pytest.raises(UsageError, match=r"size is 8.*32 or more"):
        make_gallery(run, size=8)


def test_the_command_prints_the_page_and_what_it_lacks(run: Path, sources: Path) -> None:
    (sources / "car.png").unlink()
    done = CliRunner().invoke(app, ["gallery", str(run)])
    assert done.exit_code == 0
    assert done.stdout == f"{run / 'gallery.html'}\n"
    assert "6 images; 1 failed; 1 without a picture" in done.stderr
    told = json.loads(CliRunner().invoke(app, ["gallery", str(run), "--json"]).stdout)
    assert told["page"] == str(run / "gallery.html")
    assert (told["images"], told["failed"], told["gone"]) == (6, 1, 1)
