"""Digests as `sha256sum` prints them, and how long those are that name folders."""

import hashlib
from pathlib import Path

from tfzoo.store.digests import file_digest, short, tree_digest
from tfzoo.store.provenance import FileRecord


def test_twelve_characters_name_a_folder_so_that_older_caches_are_found_again() -> None:
    assert short("sha256:" + "0123456789abcdef" * 4) == "0123456789ab"
    assert short("0123456789abcdef" * 4) == "0123456789ab"


def test_a_files_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_digest(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


def test_a_folders_digest_is_that_of_what_sha256sum_prints() -> None:
    one, two = "1" * 64, "2" * 64
    printed = f"{two}  a/b\n{one}  c\n"
    files = {"c": FileRecord(3, one), "a/b": FileRecord(4, two)}
    assert tree_digest(files) == hashlib.sha256(printed.encode()).hexdigest()
