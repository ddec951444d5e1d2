"""What vouches for a download, digest by digest; test_trust.py has it over the network."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.store_faults import known_file, make_spec
from tfzoo.errors import VerificationError
from tfzoo.store import verify
from tfzoo.store.provenance import FileRecord, origins_of
from tfzoo.store.verify import Recorded, check_digest, check_known_files

ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
FIRST = Recorded(ONE, "archive", "2026-01-02T03:04:05+00:00", "https://example.org/m.tar.gz")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_manifests_digest_decides_alone() -> None:
    verify.record("some_model", FIRST)
    spec = make_spec(sha256="2" * 64)
    assert check_digest(spec, OTHER, "archive") == ["sha256 in the manifest"]
    with pytest.raises(VerificationError, match=f"is {ONE}, the manifest says {OTHER}"):
        check_digest(spec, ONE, "archive")


def test_the_manifests_digest_is_the_archives_and_not_a_hub_modules() -> None:
    spec = make_spec(sha256="2" * 64)
    assert check_digest(spec, ONE, "tfhub") == []
    verify.record("some_model", Recorded(ONE, "tfhub", "2026-05-06", "hub"))
    assert check_digest(spec, ONE, "tfhub") == ["digest recorded on 2026-05-06"]
    with pytest.raises(VerificationError, match="differs from the some_model"):
        check_digest(spec, OTHER, "tfhub")


def test_nothing_vouches_for_what_this_machine_never_had() -> None:
    assert check_digest(make_spec(), ONE, "archive") == []


def test_a_digest_that_is_known_keeps_its_date_and_another_takes_its_place() -> None:
    verify.record("some_model", FIRST)
    assert verify._record_file("some_model", "archive").read_text().startswith('{\n  "digest"')
    verify.record("some_model", Recorded(ONE, "archive", "2027-01-01", "elsewhere"))
    assert verify.recorded("some_model", "archive") == FIRST
    later = Recorded(OTHER, "archive", "2027-01-01", "elsewhere")
    verify.record("some_model", later)
    assert verify.recorded("some_model", "archive") == later


def test_what_nothing_vouched_for_vouches_for_nothing_until_something_does() -> None:
    old = Recorded(ONE, "archive", "2026-01-01", "http://example.org/m.tar.gz")
    for known in (old, replace(old, vouched=False)):
        verify.record("some_model", known)
        assert check_digest(make_spec(), ONE, "archive") == []
        with pytest.raises(VerificationError, match="differs from the some_model"):
            check_digest(make_spec(), OTHER, "archive")
    verify.record("some_model", replace(old, date="2027-01-01", vouched=True))
    assert check_digest(make_spec(), ONE, "archive") == ["digest recorded on 2026-01-01"]
    verify.record("some_model", replace(old, date="2028-01-01", vouched=False))
    assert check_digest(make_spec(), ONE, "archive") == ["digest recorded on 2026-01-01"]


def test_what_was_recorded_of_another_models_origin_is_of_no_concern() -> None:
    mine, other = make_spec("https://a.invalid/m"), make_spec("https://b.invalid/m")
    verify.record("some_model", replace(FIRST, origins=origins_of(mine)))
    assert check_digest(mine, ONE, "archive") == [f"digest recorded on {FIRST.date}"]
    assert check_digest(other, OTHER, "archive") == []
    verify.record("some_model", replace(FIRST, digest=OTHER, origins=origins_of(other)))
    for spec, digest in ((mine, ONE), (other, OTHER)):
        assert check_digest(spec, digest, "archive") == [f"digest recorded on {FIRST.date}"]
    moved = make_spec("https://new.invalid/m", "https://b.invalid/m")
    assert check_digest(moved, OTHER, "archive") == [f"digest recorded on {FIRST.date}"]


def test_both_digests_are_forgotten_and_none_need_be_there(cache: Path) -> None:
    verify.forget("some_model")
    for of in ("archive", "tfhub"):
        verify.record("some_model", Recorded(ONE, of, "2026-01-01", "somewhere"))
    verify.record("another", FIRST)
    verify.forget("some_model")
    assert [path.name for path in cache.rglob("*.json")] == ["another.json"]
    assert list(cache.rglob("*.tmp")) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": "a"}'])
def test_a_damaged_record_is_none(cache: Path, text: str) -> None:
    verify.record("some_model", FIRST)
    (record,) = cache.rglob("some_model.json")
    record.write_text(text)
    assert verify.recorded("some_model", "archive") is None
    verify.record("some_model", FIRST)
    assert verify.recorded("some_model", "archive") == FIRST


def unpacked(model: Path, files: dict[str, bytes]) -> dict[Path, FileRecord]:
    """Files written below a model's parent folder, and their records."""
    found = {}
    for name, content in files.items():
        path = model.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        found[path] = FileRecord(len(content), hashlib.sha256(content).hexdigest())
    return found


@pytest.mark.parametrize("kind", ["sha256", "git_blob_sha1"])
def test_files_that_agree_are_counted_and_each_other_one_is_a_warning(
    tmp_path: Path, kind: str
) -> None:
    # More than one block that is read at once.
    contents = {"saved_model/saved_model.pb": b"graph" * 300_000, "pipeline.config": b"model {}"}
    model = tmp_path / "m" / "saved_model"
    files = unpacked(model, contents)
    known = [known_file(name, content, kind) for name, content in contents.items()]
    assert check_known_files(make_spec(), model, files) is None
    said = check_known_files(make_spec(known_files=tuple(known)), model, files)
    assert said == "2 of 2 files agree with public repositories"
    missing = known_file("checkpoint/ckpt-0.index", b"index", kind)
    differs = known_file("pipeline.config", b"other", kind)
    spec = make_spec(known_files=(known[0], missing, differs))
    with pytest.warns(UserWarning) as warned:
        said = check_known_files(spec, model, files)
    assert said == "1 of 3 files agree with public repositories"
    missed, differed = (str(warning.message) for warning in warned)
    assert f"ckpt-0.index has {kind} (no such file), but {missing.digest}" in missed
    assert f"pipeline.config has {kind} {known[1].digest}, but {differs.digest}" in differed


def test_a_warning_of_files_points_at_who_asked(tmp_path: Path) -> None:
    spec = make_spec(known_files=(known_file("saved_model/saved_model.pb", b"graph"),))
    with pytest.warns(UserWarning) as warned:
        assert check_known_files(spec, tmp_path / "m" / "saved_model", {}) is None
    assert warned[0].filename == __file__


def test_a_hub_modules_files_lie_at_its_root(tmp_path: Path) -> None:
    model = tmp_path / "module"
    files = unpacked(model, {"module/saved_model.pb": b"graph"})
    spec = make_spec(known_files=(known_file("saved_model/saved_model.pb", b"graph"),))
    assert check_known_files(spec, model, files) == "1 of 1 files agree with public repositories"
