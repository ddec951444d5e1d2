"""Every command and Python block of the README, run as written in a directory of its own.

The zoo's names stand for the embedded model, which needs no network; what installs or downloads
is checked for being a known command, not run.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import typer.main
import yaml

from tests.helpers import input_types, peaks, standins
from tests.helpers.entries import ENTRY
from tfzoo.cli.main import app
from tfzoo.zoo.manifest import DEFAULT_MODEL, find_model, packaged_manifest_path, packaged_scenes

ROOT = packaged_manifest_path().parent
README = (ROOT / "README.md").read_text()
#: What a test can't do: make the environment it runs in, or reach the zoo.
NOT_RUN = (
    "make ", "tfzoo fetch", "tfzoo coco fetch", 'tfzoo evaluate "',
    "tfzoo detect photos --model https:",
)  # fmt: skip


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


COMMANDS = [
    line.split("  #")[0].strip()
    for block in blocks("bash")
    for line in block.splitlines()
    if line.strip()
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the README speaks of: photos, a model, labels, a team's manifest."""
    place = tmp_path_factory.mktemp("readme")
    photos = place / "photos"
    photos.mkdir()
    scenes = sorted(packaged_scenes().glob("*.jpg"))[:3]
    for scene, name in zip(scenes, ("photo.jpg", "other.jpg", "third.jpg"), strict=True):
        shutil.copy(scene, photos / name)
        shutil.copy(scene, place / name)
    archive = ROOT / "tfzoo" / find_model(DEFAULT_MODEL).sources[0].url
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    (place / DEFAULT_MODEL).rename(place / "my_model")
    (place / "label_map.pbtxt").write_text('item { id: 1 name: "somebody" }\n')
    entry = {
        **ENTRY,
        "id": "gears",
        "name": "Gear detector",
        "outputs": ["boxes", "keypoints"],
        "signature": "centernet",
        "archive": "gears.tar.gz",
        "sources": [{"kind": "bundled", "url": find_model(DEFAULT_MODEL).sources[0].url}],
    }
    (place / "team.yaml").write_text(
        yaml.safe_dump({"references": {"me": {"title": "me"}}, "models": [entry]})
    )
    standins.save_standard(place / "twin" / "saved_model")
    (place / "ssd_mobilenet_v1_coco").mkdir()
    input_types.save_frozen(place / "twin", place / "ssd_mobilenet_v1_coco")
    peaks.save(place / "small_centernet")
    return place


def environment(place: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TFZOO_CACHE": str(place / "cache")}


def with_embedded_model(text: str) -> str:
    text = text.replace('"ssd mobilenet v2 320x320"', "small_centernet")
    return re.sub(r'"EfficientDet D0 512x512"|"efficientdet d0"', f'"{DEFAULT_MODEL}"', text)


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith(NOT_RUN)])
def test_a_command_of_the_readme_works(command: str, place: Path) -> None:
    runnable = with_embedded_model(command).replace("tfzoo ", f"{sys.executable} -m tfzoo ", 1)
    ended = subprocess.run(
        runnable, shell=True, cwd=place, env=environment(place), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    for flag in ("--out", "-o"):
        if f" {flag} " in command:
            assert (place / command.split(f" {flag} ")[1].split()[0]).exists()


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith(NOT_RUN)])
def test_a_command_that_can_not_run_here_is_a_real_one(command: str) -> None:
    program, *words = command.split()
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        return
    known = typer.main.get_command(app)
    for word in words:
        if not getattr(known, "commands", None):
            break
        known = known.commands[word]
    assert not getattr(known, "commands", None)


@pytest.mark.parametrize("block", blocks("python"))
def test_a_python_block_of_the_readme_works(block: str, place: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", with_embedded_model(block)],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert "[" in ended.stdout


def test_files_that_the_readme_links_to_exist() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
