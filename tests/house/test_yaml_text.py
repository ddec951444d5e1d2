"""YAML of users: what it holds, its slips by their lines, and bounds of time and depth."""

from pathlib import Path

import pytest
import yaml

from tests.helpers.limits import no_longer_than
from tfzoo.detecting import read_min_score
from tfzoo.detections.label_files import read_labels
from tfzoo.errors import ManifestError, UsageError
from tfzoo.yaml_text import read_yaml
from tfzoo.zoo.manifest import load_manifest

DEEP = {
    "lists": "[" * 100_000,
    "lists that end": "[" * 600 + "]" * 600,
    "mappings": "{" * 100_000,
    "mappings in lists": "[a: " * 30_000,
    "blocks": "- " * 30_000,
    "keys": "? " * 30_000,
    "lines": "[\n" * 30_000,
}


def test_values_are_texts_or_what_they_mean() -> None:
    text = "no: [1.0, off, 007]"
    assert read_yaml(text, as_texts=True) == {"no": ["1.0", "off", "007"]}
    assert read_yaml(text, as_texts=False) == {False: [1.0, False, 7]}
    assert read_yaml(b"\xef\xbb\xbfa: b", as_texts=True) == {"a": "b"}
    assert read_yaml("a: b".encode("utf-16"), as_texts=True) == {"a": "b"}


@pytest.mark.parametrize("as_texts", [True, False])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: [", "line 3, column 1: "),
        ("a: 1\n'a': 2", "line 2, column 1: 'a' stands twice"),
        ("b: {c: 1, d: 2, c: 3}", "line 1, column 17: 'c' stands twice"),
        ("a: *b", "line 1, column 4: "),
        ("!!python/object/apply:os.getcwd []", "constructor|line 1"),
        ("\0", "special characters are not allowed|control characters"),
        ("\ud800: 1", "surrogates"),
    ],
)
def test_slips_are_told_by_their_place(text: str, words: str, as_texts: bool) -> None:
    if "!!python" in text and as_texts:
        assert read_yaml(text, as_texts=True) == []
        return
    with pytest.raises(ValueError, match=words):
        read_yaml(text, as_texts=as_texts)


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_lies_too_deep_is_refused_at_once_wherever_yaml_is_read(
    text: str, tmp_path: Path
) -> None:
    file = tmp_path / "deep.yaml"
    file.write_text(text)
    # Measured at 0.1 s at most; PyYAML's own reader takes 2 s, and 10 while coverage is counted.
    with no_longer_than(60):
        with pytest.raises(ValueError, match="too deep"):
            read_yaml(text, as_texts=True)
        with pytest.raises(UsageError, match="deep"):
            read_labels(file)
        with pytest.raises(UsageError, match="min_score"):
            read_min_score(str(file))
        with pytest.raises(ManifestError, match=r"is not YAML|at its top"):
            load_manifest([file])


def test_a_pyyaml_without_libyaml_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    from tfzoo import yaml_text

    monkeypatch.delattr(yaml, "CBaseLoader")
    monkeypatch.delattr(yaml, "CSafeLoader")
    yaml_text._loader.cache_clear()
    try:
        assert read_yaml("a: [1]", as_texts=False) == {"a": [1]}
        with pytest.raises(ValueError, match="too deep"):
            read_yaml("[" * 5000, as_texts=True)
    finally:
        yaml_text._loader.cache_clear()
