"""What is written for those who change things: CONTRIBUTING.md, `make help`, the hooks of git."""

import re
import subprocess
import sys

import pytest
import yaml

from tests.helpers.paths import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
HOOKS = ROOT / ".pre-commit-config.yaml"


def recipe(target: str) -> list[str]:
    (found,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, flags=re.MULTILINE)
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in found.splitlines()]


def hooks() -> list[dict[str, str]]:
    (own,) = yaml.safe_load(HOOKS.read_text())["repos"]
    found: list[dict[str, str]] = own["hooks"]
    return found


def test_the_page_says_what_a_newcomer_asks() -> None:
    assert re.findall(r"^## (.*)", PAGE, flags=re.MULTILINE) == [
        "Set up",
        "Run one test",
        "Where things are",
        "Add a model",
        "How a figure gets its source",
        "Add a runtime",
        "Add an output format",
        "Add an option to detect",
    ]


def test_each_path_that_the_page_names_is_there() -> None:
    quoted = re.findall(r"`([a-z_./]+/[a-zA-Z_./]*)`", PAGE)
    linked = re.findall(r"\]\(([^):]+)\)", PAGE)
    made = {"results/", "site/"}
    paths = {path for path in (*quoted, *linked) if "NAME" not in path} - made
    assert len(paths) > 12
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("NEEDS", "tfzoo/runtimes/runtime.py"),
        ("FORMS", "tfzoo/prepare/prepared.py"),
        ("FORMATS", "tfzoo/batch/formats.py"),
        ("WRITERS", "tfzoo/batch/datasets.py"),
        ("class RunSettings", "tfzoo/batch/settings.py"),
    ],
)
def test_what_is_to_be_added_to_is_where_the_page_says(name: str, path: str) -> None:
    assert path in PAGE
    assert name.split()[-1] in PAGE
    assert re.search(rf"^{name}\b", (ROOT / path).read_text(), flags=re.MULTILINE)


def test_each_room_is_in_the_page() -> None:
    rooms = {path.parent.name for path in (ROOT / "tfzoo").glob("*/__init__.py")}
    listed = PAGE.split("## Where things are")[1].split("## Add a model")[0]
    assert rooms - set(re.findall(r"`(\w+)`", listed)) == set()


@pytest.mark.parametrize("line", re.findall(r"^\.venv/bin/python -m pytest (.*)$", PAGE, re.M))
def test_its_commands_choose_tests(line: str) -> None:
    arguments = [word.strip('"') for word in re.findall(r'"[^"]+"|\S+', line.split("  #")[0])]
    chosen = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert chosen.returncode == 0, chosen.stdout


def test_make_help_lists_every_target_with_a_line() -> None:
    targets = set(re.findall(r"^\.PHONY: (.*)", MAKEFILE, flags=re.MULTILINE)[0].split())
    shown = subprocess.run(
        ["make", "--silent", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    listed = dict(line.split("\t") for line in shown)
    assert set(listed) == targets
    assert all(listed.values())


def test_the_hooks_run_what_the_gate_runs() -> None:
    entries = [hook["entry"] for hook in hooks()]
    assert entries[:-1] == [*recipe("lint"), *recipe("types")]
    assert recipe("test")[0].startswith(entries[-1])


def test_the_hooks_are_valid() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(HOOKS)]
    told = subprocess.run(command, capture_output=True, text=True)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


def test_every_extra_can_be_had_in_the_tested_set() -> None:
    wanted = (ROOT / "requirements.txt").read_text()
    for name in ("mkdocs~=", "mkdocs-material~=", "mkdocstrings[python]~=", "nbconvert>="):
        assert f"\n{name}" in wanted
        assert f'"{name}' in (ROOT / "pyproject.toml").read_text()
