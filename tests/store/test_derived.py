"""How folders of derived data are named: the cache's format, which a later version reads too."""

import hashlib
from pathlib import Path

import pytest

from tfzoo.store.derived import derived

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def place(root: Path, model_id: str, key: str, version: str = "") -> tuple[str, str]:
    """The names of the folder of a model and of the one in it."""
    folder = derived(model_id, DIGEST, key, lambda folder: None, version)
    prepared, model, form = folder.relative_to(root).parts
    assert prepared == "prepared"
    return model, form


def marked(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def test_a_form_is_named_by_its_models_digest_its_key_and_its_version(root: Path) -> None:
    assert place(root, "own_one", "cut") == ("own_one", "0123456789ab-cut")
    version = hashlib.sha256(b"a longer text").hexdigest()[:12]
    expected = ("own_one", f"0123456789ab-cut-{version}")
    assert place(root, "own_one", "cut", "a longer text") == expected


def test_a_hundred_characters_are_a_name_and_of_more_the_end_and_a_digest(root: Path) -> None:
    assert place(root, "m" * 100, "cut")[0] == "m" * 100
    long = "start" + "m" * 90 + "/the_end"
    assert place(root, long, "cut")[0] == f"{'m' * 72}_the_end-{marked(long)}"
    assert place(root, "a" * 101, "cut")[0] == f"{'a' * 80}-{marked('a' * 101)}"


def test_what_no_file_may_be_called_is_replaced_and_told_apart_by_a_digest(root: Path) -> None:
    assert place(root, "/my models/one", "cut")[0] == f"my_models_one-{marked('/my models/one')}"
    assert place(root, "/my/models/one", "cut")[0] == f"my_models_one-{marked('/my/models/one')}"
