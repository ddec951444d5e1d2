"""Models by path, and the commands that fetch and look after the cache."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import tfzoo.cli.main
from tests.helpers.saved_files import index
from tests.helpers.store_faults import POLICY, Server, check_cache, make_archive, make_spec, serving
from tfzoo.errors import ArchiveError, TfzooError, UnknownModelError
from tfzoo.store import cache, upkeep
from tfzoo.store.derived import derived, lock_name
from tfzoo.store.fetch import fetch
from tfzoo.store.models import get_model
from tfzoo.store.progress import ProgressBar, Step

ARCHIVE = make_archive(seed=1, size=100_000)
OTHER = make_archive(seed=2, size=100_000)
MANIFEST = """
references:
  own: {{title: Own}}
models:
{models}
"""
MODEL = """
- id: {id}
  name: {name}
  family: ssd
  stages: 1
  anchors: true
  backbone: MobileNet
  input: {{resizer: fixed_shape, height: 300, width: 300, source: own}}
  outputs: [boxes]
  signature: standard
  archive: {id}.tar.gz
  sources:
  - {{kind: archive, url: "{url}"}}
  license: Apache-2.0
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TFZOO_CACHE", str(folder))
    return folder


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves own_one and own_two; own_three is missing. A manifest names all three."""
    with serving() as server:
        server.objects = {"/own_one.tar.gz": ARCHIVE.content, "/own_two.tar.gz": OTHER.content}
        models = "".join(
            MODEL.format(id=f"own_{n}", name=f"Own {n.title()}", url=f"{server.url}/own_{n}.tar.gz")
            for n in ("one", "two", "three")
        )
        (tmp_path / "own.yaml").write_text(MANIFEST.format(models=models))
        monkeypatch.setenv("TFZOO_MANIFEST", str(tmp_path / "own.yaml"))
        monkeypatch.setenv("TFZOO_ALLOW_UNVERIFIED", "1")
        yield server


@pytest.fixture
def run() -> Callable[..., Result]:
    """Runs the command line; errors of ours come back as the result's exception."""

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(tfzoo.cli.main.app, arguments)

    return call


def unpacked(folder: Path) -> Path:
    """A SavedModel folder with what a model has."""
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    (folder / "variables").mkdir()
    (folder / "variables" / "variables.index").write_bytes(index({}))
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    return folder


@pytest.mark.parametrize("place", ["", "saved_model", "stem", "stem/saved_model"])
def test_a_folder_is_a_model_wherever_in_it_the_model_lies(tmp_path: Path, place: str) -> None:
    given = tmp_path / "given"
    expected = unpacked(given / place)
    model = get_model(given)
    assert model.path == expected
    assert model.id == str(expected).removesuffix("/saved_model")
    assert model.spec is None
    assert get_model(str(given)).digest == model.digest


def test_a_folders_digest_depends_on_names_and_contents_alone(tmp_path: Path) -> None:
    one, two = unpacked(tmp_path / "one"), unpacked(tmp_path / "two")
    first = get_model(one).digest
    assert first == get_model(two).digest
    (two / "variables" / "variables.index").write_bytes(index({"w": (0, 0)}))
    assert get_model(two).digest != first
    (one / "variables" / "variables.index").rename(one / "variables" / "renamed")
    assert get_model(one).digest != first


def test_a_folders_digest_is_remembered_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unpacked(tmp_path / "one")
    first = get_model(folder).digest
    monkeypatch.setattr("tfzoo.store.local._digest", lambda path: "sha256:computed again")
    assert get_model(folder).digest == first
    os.utime(folder / "saved_model.pb", (1, 1))
    assert get_model(folder).digest == "sha256:computed again"


def test_digests_are_remembered_by_the_digest_of_their_path(tmp_path: Path, root: Path) -> None:
    folder = unpacked(tmp_path / "one")
    digest = get_model(folder).digest
    (memory,) = (root / "digests" / "paths").iterdir()
    assert memory.name == hashlib.sha256(os.fsencode(folder)).hexdigest()[:24] + ".json"
    kept = json.loads(memory.read_text())
    assert (kept["path"], kept["digest"]) == (str(folder), digest)


def test_a_folder_with_several_models_names_them(tmp_path: Path) -> None:
    unpacked(tmp_path / "both" / "one")
    unpacked(tmp_path / "both" / "two")
    with pytest.raises(ArchiveError, match=r"several models.*one.*two"):
        get_model(tmp_path / "both")


@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".tar"])
def test_an_archive_is_unpacked_once_by_its_digest(tmp_path: Path, root: Path, suffix: str) -> None:
    archive = make_archive(seed=1, size=10_000, mode="w" if suffix == ".tar" else "w:gz")
    file = tmp_path / f"fine tuned{suffix}"
    file.write_bytes(archive.content)
    model = get_model(file)
    assert model.digest == f"sha256:{archive.sha256}"
    assert model.path.is_relative_to(root / "local" / "fine_tuned")
    content = archive.files["some_model/saved_model/saved_model.pb"]
    assert (model.path / "saved_model.pb").read_bytes() == content
    moment = (model.path / "saved_model.pb").stat().st_mtime_ns
    assert get_model(file).path == model.path
    assert (model.path / "saved_model.pb").stat().st_mtime_ns == moment
    file.write_bytes(OTHER.content)
    assert get_model(file).digest == f"sha256:{OTHER.sha256}"


def test_a_local_archive_never_becomes_a_model_of_the_manifest(
    tmp_path: Path, server: Server
) -> None:
    file = tmp_path / "own_one.tar.gz"
    file.write_bytes(OTHER.content)
    get_model(file)
    assert get_model("own one").digest == f"sha256:{ARCHIVE.sha256}"


def test_an_exact_name_comes_before_a_path_and_a_path_before_a_short_form(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    unpacked(tmp_path / "own_one")
    unpacked(tmp_path / "two")
    assert get_model("own_one").id == "own_one"
    assert get_model("./own_one").path == tmp_path / "own_one"
    assert get_model("two").id == str(tmp_path / "two")
    shutil.rmtree(tmp_path / "two")
    assert get_model("own two").id == "own_two"


def test_an_onnx_file_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "y.onnx").write_bytes(b"\x08\x07")
    model = get_model(tmp_path / "y.onnx")
    assert model.path == tmp_path / "y.onnx"
    assert model.digest.startswith("sha256:")


def test_other_files_and_names_of_nothing_are_errors(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(UnknownModelError, match=r"expected a folder with saved_model\.pb"):
        get_model(tmp_path / "notes.txt")
    with pytest.raises(UnknownModelError, match="no model is called"):
        get_model(tmp_path / "nothing")


def test_progress_is_told_in_steps(server: Server) -> None:
    steps: list[Step] = []
    get_model("own_one", report=steps.append)
    assert [step.stage for step in steps if step.stage != "downloading"] == ["unpacking", "done"]
    counts = [step.done_bytes for step in steps if step.stage == "downloading"]
    assert counts == sorted(counts) and counts[-1] == len(ARCHIVE.content)


def test_the_bar_stays_silent_at_first_and_then_shows_size_and_speed() -> None:
    from rich.console import Console

    quiet = Console(record=True, force_terminal=True, width=120, file=io.StringIO())
    with ProgressBar(quiet, delay_s=60) as bar:
        bar(Step("own_one", "downloading", 1_000_000, 3_000_000))
    assert quiet.export_text() == ""
    shown = Console(record=True, force_terminal=True, width=120, file=io.StringIO())
    with ProgressBar(shown, delay_s=0) as bar:
        bar(Step("own_one", "downloading", 1_000_000, 3_000_000))
        bar(Step("own_one", "downloading", 2_000_000, 3_000_000))
        time.sleep(0.2)
    assert "own_one" in (text := shown.export_text()) and "2.0/3.0 MB" in text


def test_fetch_gets_several_and_names_what_failed(
    server: Server, root: Path, run: Callable[..., Result]
) -> None:
    result = run("fetch", "own one", "own_two", "own_three", "--jobs", "2")
    assert result.exit_code == 1
    assert result.stderr.count("own_one: downloading 0.1 MB") == 1
    assert "own_one: " in result.output and "own_two: " in result.output
    assert "own_three.tar.gz: the server answered 404" in result.output
    assert len(check_cache(root, ARCHIVE, OTHER)) == 2
    assert run("fetch", "own_three").exit_code == 3


def test_fetch_by_family_and_json(
    server: Server, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Result]
) -> None:
    monkeypatch.setenv("TFZOO_OFFLINE", "1")
    rows = json.loads(run("fetch", "--family", "extremenet", "--json").stdout)
    assert [row["id"] for row in rows] == ["extremenet_20200711", "extremenet_20210507"]
    assert all("switched off" in row["error"] for row in rows)
    monkeypatch.setenv("TFZOO_OFFLINE", "0")
    (row,) = json.loads(run("fetch", "own_one", "--json").stdout)
    assert row["digest"] == f"sha256:{ARCHIVE.sha256}" and row["vouched_by"] == []


def test_fetch_without_a_name_says_what_it_needs(run: Callable[..., Result]) -> None:
    result = run("fetch")
    assert isinstance(result.exception, TfzooError)
    assert result.exception.exit_code == 2


def test_offline_option(
    server: Server, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Result]
) -> None:
    monkeypatch.setenv("TFZOO_OFFLINE", "0")  # Put back after the option has changed it.
    assert "switched off" in run("fetch", "own_one", "--offline").output
    assert server.requests == []


@pytest.mark.parametrize("names", [["own_one"], ["own_one", "own_two"]])
def test_an_interrupt_ends_the_command_and_the_next_goes_on(
    server: Server, root: Path, names: list[str]
) -> None:
    server.objects = {path: content * 30 for path, content in server.objects.items()}
    server.always = lambda request, answer: replace(answer, bytes_per_s=1e6)
    command = [sys.executable, "-m", "tfzoo", "fetch", *names]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list((root / "downloads").rglob("*.part")) or server.sent < 1_500_000:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait() != 0
    assert "Traceback" not in (process.stderr.read() if process.stderr else "")
    assert sum(part.stat().st_size for part in root.rglob("*.part")) >= 1_000_000
    assert check_cache(root) == []


def test_cache_commands_from_fetch_to_remove(
    server: Server, root: Path, run: Callable[..., Result]
) -> None:
    assert run("cache", "path").stdout.strip() == str(root)
    run("fetch", "own_one", "own_two")
    path = Path(run("cache", "path", "own one").stdout.strip())
    assert (path / "saved_model.pb").is_file()
    listed = json.loads(run("cache", "list", "--json").stdout)
    assert [model["id"] for model in listed["models"]] == ["own_one", "own_two"]
    assert listed["models"][0]["bytes"] == sum(map(len, ARCHIVE.files.values()))
    assert "own_two" in run("cache", "list").stdout
    assert run("cache", "verify").exit_code == 0

    derived("own_one", f"sha256:{ARCHIVE.sha256}", "cut", lambda folder: (folder / "x").touch())
    assert run("cache", "remove", "own one").exit_code == 0
    assert len(check_cache(root, OTHER)) == 1
    assert not (root / "prepared" / "own_one").exists()
    run("cache", "remove", "--all")
    assert check_cache(root) == []
    assert run("cache", "remove").exception.exit_code == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_verify_finds_every_damage(server: Server, run: Callable[..., Result], damage: str) -> None:
    run("fetch", "own_one", "own_two")
    path = get_model("own_one").path
    weights = path / "variables" / "variables.index"
    if damage == "changed":
        weights.write_bytes(bytes(len(weights.read_bytes())))
    elif damage == "missing":
        weights.unlink()
    else:
        (path / "added.pb").touch()
    result = run("cache", "verify", "--json")
    assert result.exit_code == 1
    one, two = json.loads(result.stdout)
    assert len(one["damages"]) == 1 and two["damages"] == []
    assert "own_one: damaged" in run("cache", "verify", "own_one").stdout


def test_prune_removes_what_no_fetch_needs_and_nothing_else(
    server: Server, root: Path, run: Callable[..., Result]
) -> None:
    run("fetch", "own_one", "own_two")
    for digest in (ARCHIVE.sha256, "ab" * 32):
        derived("own_one", f"sha256:{digest}", "cut", lambda folder: (folder / "x").touch())
    (root / "downloads" / "own_three").mkdir(parents=True)
    (root / "downloads" / "own_three" / "x.part").write_bytes(bytes(2_000_000))
    left = [
        root / "models" / "own_one" / ".unpacked.tmp",
        root / "models" / ".removed.tmp" / ARCHIVE.sha256[:12],
        root / "prepared" / "own_one" / ".built-long-ago.tmp",
        root / "prepared" / "own_one" / ".being-built.tmp",
    ]
    for folder in left:
        folder.mkdir(parents=True)
    os.utime(left[2], (1, 1))
    # What was half removed is out of sight, not a model that is damaged.
    shutil.copy(next((root / "models").glob("own_one/*/provenance.json")), left[1])
    assert len(json.loads(run("cache", "list", "--json").stdout)["models"]) == 2
    assert "2.0 MB removed" in run("cache", "prune").stdout
    assert [folder.exists() for folder in left] == [False, False, False, True]
    left[3].rmdir()
    assert not list((root / "downloads").rglob("*.part"))
    kept = [path.name for path in (root / "prepared" / "own_one").iterdir()]
    assert kept == [f"{ARCHIVE.sha256[:12]}-cut"]
    assert len(check_cache(root, ARCHIVE, OTHER)) == 2

    long_ago = time.time() - 40 * 86_400
    (entry,) = (entry for entry in cache.all_entries() if entry.provenance.id == "own_one")
    os.utime(entry.folder / "provenance.json", (long_ago, long_ago))
    run("cache", "prune", "--unused-days", "30")
    assert len(check_cache(root, OTHER)) == 1
    assert not (root / "prepared" / "own_one").exists()


def test_prune_keeps_the_forms_of_models_that_are_still_there_by_path(
    tmp_path: Path, root: Path, run: Callable[..., Result]
) -> None:
    folder = unpacked(tmp_path / "mine")
    (tmp_path / "mine.onnx").write_bytes(b"\x08\x07")
    (tmp_path / "mine.tar.gz").write_bytes(ARCHIVE.content)
    paths = [folder, tmp_path / "mine.onnx", tmp_path / "mine.tar.gz"]
    forms = {}
    for path in paths:
        model = get_model(path)
        forms[path] = derived(model.id, model.digest, "cut", lambda made: (made / "x").touch())

    def kept() -> list[Path]:
        assert run("cache", "prune", "--unused-days", "30").exit_code == 0
        return [path for path in paths if forms[path].exists()]

    assert kept() == paths
    # Of an archive, too, that is unpacked no more.
    (entry,) = cache.all_entries()
    os.utime(entry.folder / "provenance.json", (1, 1))
    assert kept() == paths
    assert cache.all_entries() == []
    (folder / "saved_model.pb").write_bytes(b"\x08\x01\x08\x01")  # Trained anew.
    assert kept() == paths[1:]
    (tmp_path / "mine.onnx").unlink()
    assert kept() == paths[2:]
    (tmp_path / "mine.tar.gz").unlink()
    assert kept() == []
    assert not list((root / "prepared").iterdir())


def test_prune_leaves_a_form_alone_that_is_being_built(root: Path) -> None:
    form = derived("gone", "sha256:" + "ab" * 32, "cut", lambda folder: (folder / "x").touch())
    with cache.lock(lock_name(form)):
        upkeep.prune()
    assert form.exists()
    upkeep.prune()
    assert not form.exists()


def test_prune_looks_for_the_model_again_before_it_removes_a_form(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = derived("mine", "sha256:" + "ab" * 32, "cut", lambda folder: (folder / "x").touch())
    seen = iter([set(), {"ab" * 6}])  # It comes back between the first look and the lock.
    monkeypatch.setattr(upkeep, "_digests_there", lambda: next(seen))
    upkeep.prune()
    assert form.exists()


def test_what_others_keep_under_the_caches_names_is_left_alone(
    server: Server, root: Path, run: Callable[..., Result]
) -> None:
    kinds = ("models", "local", "downloads", "prepared")
    mine = [root / kind / name for kind in kinds for name in ("a/b/c.txt", "own/d.txt")]
    mine += [root / kind / "own_one" / "mine.txt" for kind in ("models", "prepared")]
    for path in mine:
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    run("fetch", "own_one", "own_two")
    (root / "downloads" / "own_three").mkdir()
    (root / "downloads" / "own_three" / "0123456789ab.part.json").touch()
    derived("own_one", f"sha256:{ARCHIVE.sha256}", "cut", lambda folder: None)
    for command in ("prune", "--unused-days 1"), ("remove", "--all"):
        assert run("cache", *" ".join(command).split()).exit_code == 0
        assert [path for path in mine if not path.exists()] == []
    assert cache.all_entries() == []
    left = {path for kind in kinds for path in (root / kind).rglob("*") if path.is_file()}
    assert left == set(mine)
    assert not (root / "downloads" / "own_three").exists()


def test_removing_a_model_twice_at_once_is_no_error(server: Server, root: Path) -> None:
    for _ in range(int(os.environ.get("TRIALS", "5"))):
        get_model("own_one")
        derived("own_one", f"sha256:{ARCHIVE.sha256}", "cut", lambda folder: None)
        with ThreadPoolExecutor() as pool:
            freed = list(pool.map(upkeep.remove, ["own_one"] * 3))
        assert sum(freed) >= sum(map(len, ARCHIVE.files.values()))
        assert check_cache(root) == []
        assert not (root / "prepared" / "own_one").exists()


def test_prune_leaves_a_running_download_alone(server: Server, root: Path) -> None:
    part = root / "downloads" / "own_one" / "x.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"on its way")
    with cache.lock("own_one"):
        program = "from tfzoo.store import upkeep; upkeep.prune()"
        subprocess.run([sys.executable, "-c", program], check=True)
    assert part.exists()
    upkeep.prune()
    assert not part.exists()


def test_who_waits_for_a_lock_is_told_so_once() -> None:
    held, told, calls = threading.Event(), threading.Event(), []

    def hold() -> None:
        with cache.lock("own_one"):
            held.set()
            told.wait(60)

    def waiting() -> None:
        calls.append(holder.is_alive())
        told.set()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    with cache.lock("own_one", waiting):
        assert calls == [True]
    holder.join()
    with cache.lock("own_one", waiting):
        assert calls == [True]


def test_a_lock_is_waited_for_without_telling_anyone() -> None:
    held = threading.Event()

    def hold() -> None:
        with cache.lock("own_one"):
            held.set()
            time.sleep(0.6)  # A little longer than it takes until somebody would be told.

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    with cache.lock("own_one"):
        pass
    holder.join()


def test_a_lock_that_is_not_had_in_time_is_an_error() -> None:
    with cache.lock("own_one"):
        for timeout_s in (0, 0.1):
            began = time.monotonic()
            with pytest.raises(TimeoutError), cache.lock("own_one", timeout_s=timeout_s):
                raise AssertionError("two have it")
            assert time.monotonic() - began < 10


def test_opening_counts_as_use(server: Server) -> None:
    get_model("own_one")
    (entry,) = cache.all_entries()
    os.utime(entry.folder / "provenance.json", (1, 1))
    get_model("own_one")
    (entry,) = cache.all_entries()
    assert entry.last_used > "2020"


def test_add_puts_an_archive_in_by_hand(
    server: Server, tmp_path: Path, root: Path, run: Callable[..., Result]
) -> None:
    file = tmp_path / "own_one.tar.gz"
    file.write_bytes(ARCHIVE.content)
    assert "added by hand" in run("cache", "add", str(file)).stdout
    (tmp_path / "other.tar.gz").write_bytes(OTHER.content)
    refused = run("cache", "add", str(tmp_path / "other.tar.gz"))
    assert "--as NAME" in str(refused.exception)
    run("cache", "add", str(tmp_path / "other.tar.gz"), "--as", "own two")
    assert server.requests == []
    assert len(check_cache(root, ARCHIVE, OTHER)) == 2


def test_two_versions_of_a_model_lie_side_by_side(root: Path) -> None:
    with serving(ARCHIVE, OTHER) as server:
        one = make_spec(server.url + "/some_model.tar.gz", sha256=ARCHIVE.sha256)
        two = make_spec(server.url + "/1", sha256=OTHER.sha256)
        assert fetch(one, policy=POLICY).path != fetch(two, policy=POLICY).path
        assert get_model(one).digest == f"sha256:{ARCHIVE.sha256}"
        assert get_model(two).digest == f"sha256:{OTHER.sha256}"
        assert len(check_cache(root, ARCHIVE, OTHER)) == 2


def test_a_shared_cache_serves_derived_data_too(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(folder: Path) -> None:
        (folder / "x").touch()

    first = derived("m", "sha256:" + "ab" * 32, "cut", build)
    root.rename(tmp_path / "shared")
    monkeypatch.setenv("TFZOO_SHARED_CACHE", str(tmp_path / "shared"))
    second = derived("m", "sha256:" + "ab" * 32, "cut", build)
    assert second == tmp_path / "shared" / first.relative_to(root)
    third: Any = derived("m", "sha256:" + "cd" * 32, "cut", build)
    assert third.is_relative_to(root)
