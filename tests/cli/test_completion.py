"""What a shell completes a value with: asked as bash asks, by bash itself where it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tfzoo.zoo.manifest import list_models

TFZOO = Path(sys.executable).with_name("tfzoo")


def asked(line: str, variables: dict[str, str] | None = None) -> list[str]:
    """What is offered for the last word of a line, as typer's script for bash asks for it."""
    words = line.split(" ")
    given = {"_TFZOO_COMPLETE": "complete_bash", "COMP_WORDS": line, **(variables or {})}
    given["COMP_CWORD"] = str(len(words) - 1)
    done = subprocess.run(
        [TFZOO], env={**os.environ, **given}, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return [word for word in done.stdout.split("\n") if word]


def test_models_are_offered_by_their_ids() -> None:
    ids = [spec.id for spec in list_models() if spec.id.startswith("centernet_res")]
    assert len(ids) > 2
    for command in ("detect x --model", "info", "evaluate", "benchmark a", "compare a"):
        assert asked(f"tfzoo {command} centernet_res") == sorted(ids)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tfzoo detect x --classes per", ["person"]),
        ("tfzoo detect x --exclude person,ki", ["person,kite"]),
        ("tfzoo detect x --classes traf", ["traffic_light"]),
        ("tfzoo detect x --min-score te", ["teddy_bear", "tennis_racket"]),
        ("tfzoo detect x --classes nothing", []),
        ("tfzoo detect x --labels person,unicorn --classes u", ["unicorn"]),
    ],
)
def test_categories_are_offered_after_the_last_comma(line: str, offered: list[str]) -> None:
    assert asked(line) == offered


def test_a_manifest_that_cannot_be_read_offers_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("models: [")
    assert asked("tfzoo info centernet", {"TFZOO_MANIFEST": str(broken)}) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_a_word() -> None:
    script = f"""
      PATH={TFZOO.parent}:$PATH
      eval "$(_TFZOO_COMPLETE=source_bash tfzoo)"
      COMP_WORDS=(tfzoo detect x --classes person,ki); COMP_CWORD=4
      _tfzoo_completion tfzoo; echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["person,kite"]
