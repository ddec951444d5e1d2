"""A download that survives anything: each fault ends in a whole model or a clear error.

Each test tries its fault TRIALS times (5, or as the environment says) with other random moments,
and holds after every trial that the cache shows nothing but whole, verified models.
"""

import email.utils
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from tests.helpers.store_faults import (
    POLICY,
    Answer,
    FetchProcess,
    Request,
    Server,
    check_cache,
    cut,
    hold_lock_forever,
    make_archive,
    make_spec,
    serving,
    snapshot,
    status,
    trials,
)
from tfzoo.errors import DownloadError, StoreError, VerificationError
from tfzoo.store import upkeep
from tfzoo.store.derived import derived
from tfzoo.store.fetch import fetch
from tfzoo.store.retry import Policy

ARCHIVE = make_archive(seed=1)
OTHER = make_archive(seed=2)
SIZE = len(ARCHIVE.content)
NAME = "/some_model.tar.gz"


@pytest.fixture(autouse=True, scope="module")
def few_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing here is https; reading all of the machine's authorities takes a tenth of a second."""
    bundle = tmp_path_factory.mktemp("ca") / "bundle.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(bundle))
        yield


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a test; `fresh` gives a further one."""
    return fresh(tmp_path, monkeypatch)


def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / f"cache {len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    monkeypatch.setenv("TFZOO_CACHE", str(folder))
    return folder


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(ARCHIVE) as server:
        yield server


def test_connection_cut_at_random_positions(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    for chance in trials("connection cut"):
        root = fresh(tmp_path, monkeypatch)
        server.requests.clear()
        server.faults = [cut(chance.randrange(SIZE)) for _ in range(4)]
        fetch(spec, policy=POLICY)
        assert len(check_cache(root, ARCHIVE)) == 1
        # What has arrived is never fetched again.
        assert server.sent == SIZE
        assert not any((root / "downloads").iterdir())


def test_a_connection_that_never_brings_a_byte_is_given_up_and_keeps_what_came(
    server: Server, root: Path
) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    server.faults = [cut(SIZE // 2)] + [cut(0)] * 4
    with pytest.raises(DownloadError, match=f"after 0 of {SIZE // 2}|gave up after 5"):
        fetch(spec, policy=POLICY)
    assert len(server.requests) == 5
    assert check_cache(root) == []
    fetch(spec, policy=POLICY)
    assert server.sent == SIZE
    assert len(check_cache(root, ARCHIVE)) == 1


def test_killed_while_downloading_then_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(seed=3, size=6_000_000)
    size = len(archive.content)
    refetched = []
    for chance in trials("SIGKILL while downloading"):
        root = fresh(tmp_path, monkeypatch)
        with serving(archive) as server:
            server.always = lambda request, answer: replace(answer, bytes_per_s=20e6)
            spec = make_spec(server.url + NAME, sha256=archive.sha256)
            kills = 3
            for _ in range(kills):
                doomed = FetchProcess(spec)
                if chance.random() < 0.8:
                    doomed.wait_for("downloading")
                time.sleep(chance.uniform(0, 0.2))
                doomed.kill()
                check_cache(root, archive)
            server.always = lambda request, answer: answer
            fetch(spec, policy=POLICY)
            assert len(check_cache(root, archive)) == 1
            refetched.append(server.sent - size)
            # Lost is at most a block in memory and what the line held, at each kill.
            assert server.sent - size <= kills * (2 << 20)
    print(f"bytes fetched again: {refetched} of {size}")


def test_killed_while_unpacking_then_published_without_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(seed=4, size=12_000_000)
    for chance in trials("SIGKILL while unpacking"):
        root = fresh(tmp_path, monkeypatch)
        with serving(archive) as server:
            spec = make_spec(server.url + NAME, sha256=archive.sha256)
            for _ in range(2):
                doomed = FetchProcess(spec)
                doomed.wait_for("unpacking")
                time.sleep(chance.uniform(0, 0.15))
                doomed.kill()
                check_cache(root, archive)
            fetch(spec, policy=POLICY)
            assert len(check_cache(root, archive)) == 1
            assert server.sent == len(archive.content)
            assert list((root / "models" / spec.id).glob(".*")) == []


def test_wrong_bytes_of_the_right_length(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    for chance in trials("wrong bytes of the right length"):
        root = fresh(tmp_path, monkeypatch)
        position = chance.randrange(SIZE)
        wrong = bytearray(ARCHIVE.content)
        wrong[position] ^= 1 << chance.randrange(8)
        server.objects[NAME] = bytes(wrong)
        with pytest.raises(VerificationError, match=ARCHIVE.sha256):
            fetch(spec, policy=POLICY)
        assert check_cache(root) == []
        server.objects[NAME] = ARCHIVE.content
        fetch(spec, policy=POLICY)
        assert len(check_cache(root, ARCHIVE)) == 1


def test_wrong_bytes_leave_a_good_older_version_alone(server: Server, root: Path) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    fetch(spec, policy=POLICY)
    before = snapshot(root)
    newer = replace(spec, sha256=OTHER.sha256)
    with pytest.raises(VerificationError, match="manifest says"):
        fetch(newer, policy=POLICY)
    assert snapshot(root) == before
    assert fetch(spec, policy=POLICY).is_complete()


def test_right_prefix_then_another_object(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object changes between the pieces, and the server says so by its ETag."""
    spec = make_spec(server.url + NAME, sha256=OTHER.sha256)
    for chance in trials("right prefix, then another object"):
        root = fresh(tmp_path, monkeypatch)
        server.objects[NAME] = ARCHIVE.content

        def cut_and_change(
            request: Request, answer: Answer, after: int = chance.randrange(SIZE)
        ) -> Answer:
            server.objects[NAME] = OTHER.content
            return replace(answer, cut_after=after)

        server.faults = [cut_and_change]
        fetch(spec, policy=POLICY)
        assert len(check_cache(root, OTHER)) == 1


def test_right_prefix_then_another_object_under_the_same_etag(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the digest can tell; one clean download then settles it."""
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    same = {"ETag": '"same"'}
    for chance in trials("another object under the same ETag"):
        root = fresh(tmp_path, monkeypatch)
        after = chance.randrange(1, SIZE)

        def prefix_of_another(request: Request, answer: Answer, after: int = after) -> Answer:
            content = OTHER.content.ljust(SIZE, b"x")[:SIZE]
            return Answer(200, content, same, cut_after=after)

        def rest(request: Request, answer: Answer) -> Answer:
            start = request.range_start
            assert start is not None and request.headers["if-range"] == '"same"'
            span = {"Content-Range": f"bytes {start}-{SIZE - 1}/{SIZE}"}
            return Answer(206, ARCHIVE.content[start:], same | span)

        server.faults = [prefix_of_another, rest]
        fetch(spec, policy=POLICY)
        assert server.requests[-1].range_start is None
        assert len(check_cache(root, ARCHIVE)) == 1


def test_no_range(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers 200 with the whole to every request: a clean restart."""
    server.always = lambda request, answer: Answer(200, ARCHIVE.content)
    for chance in trials("no Range"):
        root = fresh(tmp_path, monkeypatch)
        server.faults = [cut(chance.randrange(SIZE)) for _ in range(2)]
        fetch(make_spec(server.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
        assert len(check_cache(root, ARCHIVE)) == 1


@pytest.mark.parametrize("lie", ["shifted", "shifted in secret", "416", "other total"])
def test_range_answered_wrongly(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    for chance in trials(f"Range answered wrongly ({lie})"):
        root = fresh(tmp_path, monkeypatch)
        shift = chance.choice([-3, -1, 1, 2, 100])

        def wrong(request: Request, answer: Answer, shift: int = shift) -> Answer:
            start = request.range_start
            assert start is not None
            if lie == "416":
                return Answer(416, b"", {"Content-Range": f"bytes */{SIZE // 3}"})
            if lie == "other total":
                span = f"bytes {start}-{SIZE - 2}/{SIZE - 1}"
                return Answer(206, ARCHIVE.content[start:-1], {"Content-Range": span})
            told = start if lie == "shifted in secret" else start + shift
            body = ARCHIVE.content[start + shift :]
            span = f"bytes {told}-{SIZE - 1}/{SIZE}"
            return Answer(206, body, {**answer.headers, "Content-Range": span})

        server.faults = [cut(chance.randrange(1000, SIZE - 1000)), wrong]
        fetch(spec, policy=POLICY)
        assert len(check_cache(root, ARCHIVE)) == 1


def test_missing_on_the_first_source_and_good_on_the_second(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for chance in trials("404 or 403 on the first source"):
        root = fresh(tmp_path, monkeypatch)
        server.requests.clear()
        server.faults = [status(chance.choice([403, 404, 410]))]
        spec = make_spec(server.url + "/gone", server.url + NAME, sha256=ARCHIVE.sha256)
        entry = fetch(spec, policy=POLICY)
        assert [request.path for request in server.requests] == ["/gone", NAME]
        assert entry.provenance.source == server.url + NAME
        assert len(check_cache(root, ARCHIVE)) == 1


def test_every_source_fails_and_each_is_named(server: Server, root: Path) -> None:
    spec = make_spec(server.url + "/gone", "http://127.0.0.1:9/x", sha256=ARCHIVE.sha256)
    with pytest.raises(DownloadError) as caught:
        fetch(spec, policy=replace(POLICY, attempts=2))
    assert "/gone: the server answered 404" in str(caught.value)
    assert "127.0.0.1:9/x" in str(caught.value)
    assert check_cache(root) == []


def test_a_busy_server_is_asked_again_when_it_says(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    for chance in trials("429 or 503 with Retry-After"):
        root = fresh(tmp_path, monkeypatch)
        server.requests.clear()
        date = int(time.time()) + 2
        in_seconds = chance.random() < 0.5
        after = "1" if in_seconds else email.utils.formatdate(date, usegmt=True)
        server.faults = [status(chance.choice([429, 503]), Retry_After=after)]
        due = time.monotonic() + date - time.time()
        fetch(spec, policy=POLICY)
        first, second = server.requests
        # A date is a moment, however late the first request was.
        assert second.time >= (first.time + 1 if in_seconds else due) - 0.01
        assert len(check_cache(root, ARCHIVE)) == 1


def test_a_server_that_asks_for_a_long_wait_is_left(server: Server, root: Path) -> None:
    server.always = status(429, Retry_After="3600")
    with pytest.raises(DownloadError, match="come back in 3600 s"):
        fetch(make_spec(server.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
    assert len(server.requests) == 1


def test_errors_of_the_server_are_retried_with_growing_waits(server: Server, root: Path) -> None:
    server.faults = [status(500), status(502), status(503), status(504)]
    fetch(make_spec(server.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
    assert [request.status for request in server.requests] == [500, 502, 503, 504, 200]
    policy = Policy(backoff_s=1.0)
    for failures, longest_s in ((1, 1.0), (2, 2.0), (3, 4.0), (20, 30.0)):
        waits = [policy.wait_s(failures) for _ in range(50)]
        assert longest_s / 2 <= min(waits) < max(waits) <= longest_s


def test_stall(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    for chance in trials("stall"):
        root = fresh(tmp_path, monkeypatch)
        server.requests.clear()
        after = chance.randrange(SIZE)
        server.faults = [lambda request, answer, after=after: replace(answer, stall_after=after)]
        fetch(spec, policy=replace(POLICY, timeout_s=0.3))
        assert len(server.requests) >= 2
        assert len(check_cache(root, ARCHIVE)) == 1


def test_a_trickle_counts_as_a_stall(server: Server, root: Path) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    server.faults = [lambda request, answer: replace(answer, bytes_per_s=200_000)]
    fetch(spec, policy=replace(POLICY, timeout_s=0.5, slow_bytes_per_s=1e6))
    first, *others = [request.status for request in server.requests]
    assert first == 200 and set(others) == {206}
    assert len(check_cache(root, ARCHIVE)) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB that can be made bigger."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk can't be mounted here: " + mounted.stderr.decode().strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_disk_full(server: Server, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server keeps the size to itself, so that the disk fills up on the way."""
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    server.always = lambda request, answer: replace(answer, no_length=True)
    for chance in trials("disk full"):
        root = small_disk / "cache"
        monkeypatch.setenv("TFZOO_CACHE", str(root))
        ballast = small_disk / "ballast"
        # From too little for the download to just too little for the unpacked model.
        ballast.write_bytes(bytes(chance.randrange(0, 2_900_000)))
        with pytest.raises(StoreError, match="is full"):
            fetch(spec, policy=POLICY)
        assert check_cache(root) == []
        subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
        fetch(spec, policy=POLICY)
        assert len(check_cache(root, ARCHIVE)) == 1
        subprocess.run(["rm", "-r", str(root), str(ballast)], check=True)
        subprocess.run(["mount", "-o", "remount,size=3m", str(small_disk)], check=True)


def test_too_little_room_is_said_before_the_first_byte(
    server: Server, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFZOO_CACHE", str(small_disk / "cache"))
    with pytest.raises(StoreError, match=r"3 MB free; this download of 2 MB needs 4 MB"):
        fetch(make_spec(server.url + NAME, sha256=ARCHIVE.sha256), policy=POLICY)
    assert not list((small_disk / "cache" / "downloads").rglob("*.part"))


def test_ten_processes_at_once_cause_one_download(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    server.always = lambda request, answer: replace(answer, bytes_per_s=20e6)
    for _ in trials("10 processes at once"):
        root = fresh(tmp_path, monkeypatch)
        server.requests.clear()
        racing = [FetchProcess(spec) for _ in range(10)]
        results = [process.result() for process in racing]
        assert [result.error for result in results] == [""] * 10
        assert len({result.path for result in results}) == 1
        assert [request.status for request in server.requests] == [200]
        assert len(check_cache(root, ARCHIVE)) == 1


def test_a_killed_downloader_among_waiting_processes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of the dead one is free at once, and the next goes on with its bytes."""
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    server.always = lambda request, answer: replace(answer, bytes_per_s=20e6)
    for chance in trials("downloader killed, others wait"):
        root = fresh(tmp_path, monkeypatch)
        doomed = FetchProcess(spec)
        doomed.wait_for("downloading")
        waiting = [FetchProcess(spec) for _ in range(3)]
        time.sleep(chance.uniform(0, 0.1))
        doomed.kill()
        assert [process.result().error for process in waiting] == [""] * 3
        assert len(check_cache(root, ARCHIVE)) == 1


def test_a_stale_lock_of_a_dead_process(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    for chance in trials("stale lock of a dead process"):
        root = fresh(tmp_path, monkeypatch)
        holder = hold_lock_forever(spec.id, str(root))
        blocked = FetchProcess(spec)
        blocked.wait_for("waiting")
        assert not (root / "models").exists()
        holder.kill()
        assert blocked.result().error == ""
        (root / "locks" / f"{spec.id}.lock").write_bytes(chance.randbytes(20))
        fetch(spec, policy=POLICY)
        assert len(check_cache(root, ARCHIVE)) == 1


def test_a_cache_that_may_only_be_read(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another user, whose denial is asserted first: only what is there can be had."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a process as another user")
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    other = make_spec(server.url + NAME, sha256=ARCHIVE.sha256, id="other_model", name="Other")
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.stat().st_uid == os.geteuid() and "pytest" in str(parent):
            parent.chmod(0o755)
    for _ in trials("read-only cache"):
        root = fresh(tmp_path, monkeypatch)
        fetch(spec, policy=POLICY)
        before = snapshot(root)
        assert FetchProcess(spec, uid=65534).result().error == ""
        refused = FetchProcess(other, uid=65534).result()
        assert refused.error == "StoreError"
        assert "can't be written" in refused.message and "TFZOO_CACHE" in refused.message
        assert snapshot(root) == before


def test_names_of_the_cache_folder(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    for chance in trials("non-ASCII and spaces in the cache's path"):
        letters = chance.sample(["zoo", " ", "模型", "ä", "'", '"', "$(x)", "🦒", "%20"], 5)
        root = tmp_path / "".join(("n", *letters, "n"))
        monkeypatch.setenv("TFZOO_CACHE", str(root))
        server.faults = [cut(SIZE // 3)]
        assert fetch(spec, policy=POLICY).path.is_relative_to(root)
        assert len(check_cache(root, ARCHIVE)) == 1
        upkeep.remove("some_model")
        assert check_cache(root) == []


def test_a_damaged_model_is_fetched_again(server: Server, root: Path) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)
    entry = fetch(spec, policy=POLICY)
    (entry.path / "variables" / "variables.index").unlink()
    assert not entry.is_complete()
    again = fetch(spec, policy=POLICY)
    assert again.path == entry.path
    assert len(check_cache(root, ARCHIVE)) == 1
    (again.folder / "provenance.json").write_text("{")
    fetch(spec, policy=POLICY)
    assert len(check_cache(root, ARCHIVE)) == 1


def test_derived_data_is_built_once_whoever_asks(root: Path) -> None:
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "part").write_text("one")
        time.sleep(0.05)
        (folder / "rest").write_text("two")

    def ask() -> None:
        folder = derived("some_model", "sha256:" + "ab" * 32, "frozen-1", build)
        assert {path.name for path in folder.iterdir()} == {"part", "rest"}

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_a_failed_build_of_derived_data_leaves_nothing(root: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "part").write_text("one")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        derived("some_model", "sha256:" + "ab" * 32, "frozen-1", fail)
    assert [path for path in (root / "prepared").rglob("*") if path.is_file()] == []


def test_an_interrupted_command_keeps_its_download(server: Server, root: Path) -> None:
    spec = make_spec(server.url + NAME, sha256=ARCHIVE.sha256)

    def interrupt(step: object) -> None:
        if getattr(step, "done_bytes", 0) > SIZE // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(spec, policy=POLICY, report=interrupt)
    assert check_cache(root) == []
    fetch(spec, policy=POLICY)
    assert [request.status for request in server.requests] == [200, 206]
    assert len(check_cache(root, ARCHIVE)) == 1


def test_the_store_alone_is_imported_to_fetch() -> None:
    """A process that fetches needs none of the heavy libraries."""
    heavy = "{'tensorflow', 'cv2', 'pandas', 'numpy', 'pyarrow'}"
    program = f"import sys, tfzoo.store.fetch; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
