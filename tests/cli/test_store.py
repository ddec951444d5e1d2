"""What `tfzoo fetch` and `tfzoo cache list` print; test_cache.py has them over the network."""

import json
import os
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests.helpers.entries import ENTRY
from tests.helpers.store_faults import make_archive
from tfzoo.cli.main import app
from tfzoo.store.models import describe
from tfzoo.zoo.manifest import load_manifest

ARCHIVE = make_archive(seed=1, size=1_000_000)
BYTES = sum(map(len, ARCHIVE.files.values()))


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one model, put in by hand."""
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFZOO_MANIFEST", str(tmp_path / "mine.yaml"))
    own = {"references": {"me": {"title": "me"}}, "models": [ENTRY]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(own))
    (tmp_path / "mine.tar.gz").write_bytes(ARCHIVE.content)
    run("cache", "add", str(tmp_path / "mine.tar.gz"))
    return tmp_path / "cache"


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done


def test_fetch_prints_for_people_where_a_model_lies_and_for_programs_when_asked() -> None:
    (row,) = json.loads(run("fetch", "mine", "--json").stdout)
    assert row["id"] == "mine"
    first, second = run("fetch", "mine").stdout.splitlines()
    assert first == f"mine: {row['path']}"
    assert second == f"  vouched for by: {'; '.join(row['vouched_by'])}"


def test_the_list_sums_up_what_the_cache_holds(root: Path) -> None:
    for name, size in (("downloads", 2_000_000), ("prepared", 4_000_000)):
        (root / name / "mine").mkdir(parents=True)
        (root / name / "mine" / "file").write_bytes(bytes(size))
    (last,) = (line for line in run("cache", "list").stdout.splitlines() if str(root) in line)
    assert last == (
        f"1 models. {root} has {(BYTES + 6_000_000) / 1e6:.1f} MB, of it 4.0 MB prepared models "
        "and 2.0 MB of unfinished downloads."
    )


def test_what_a_shared_cache_holds_takes_no_room_of_ones_own(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.rename(tmp_path / "shared")
    monkeypatch.setenv("TFZOO_SHARED_CACHE", str(tmp_path / "shared"))
    listed = run("cache", "list").stdout
    assert "mine (shared)" in listed
    assert f"1 models. {root} has 0.0 MB" in listed


def test_verifying_is_asked_for_by_an_option_or_by_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    monkeypatch.setenv("TFZOO_VERIFY", "0")  # Put back after the option has changed it.
    monkeypatch.setenv("TFZOO_OFFLINE", "1")
    (weights,) = root.rglob("variables.data-*")
    status = weights.stat()
    weights.write_bytes(bytes(status.st_size))
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    spec = load_manifest().find("mine")
    assert describe(spec) is not None
    for command in ("detect x.png --model mine", "evaluate mine", "benchmark mine", "prepare mine"):
        os.environ["TFZOO_VERIFY"] = "0"
        done = CliRunner().invoke(app, [*command.split(), "--verify"])
        assert done.exit_code != 0
        assert os.environ["TFZOO_VERIFY"] == "1"
        assert describe(spec) is None
