"""Errors of tensorflow-hub's resolver as ours; test_trust.py has it download from a server."""

import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.store_faults import POLICY
from tfzoo.errors import DownloadError
from tfzoo.store import hub

HANDLE = "https://tfhub.dev/team/model/1"


def failing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensorflow-hub whose resolver fails."""

    def resolve(handle: str) -> str:
        raise error

    module = ModuleType("tensorflow_hub")
    module.__spec__ = ModuleSpec("tensorflow_hub", None)
    module.resolve = resolve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflow_hub", module)


@pytest.mark.parametrize(
    ("error", "told"), [(OSError("no route"), "no route"), (TimeoutError(), "TimeoutError")]
)
def test_a_failure_is_told_by_its_words_or_by_its_name_where_it_has_none(
    error: Exception, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(error, monkeypatch)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    with pytest.raises(DownloadError) as caught:
        hub.resolve(HANDLE, tmp_path, POLICY, 10**9)
    assert str(caught.value) == f"{HANDLE}: {told}"


@pytest.mark.parametrize("before", [None, "elsewhere"])
def test_a_failure_leaves_the_resolvers_own_cache_as_it_was_set(
    before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(OSError("no route"), monkeypatch)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    if before is None:
        monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    else:
        monkeypatch.setenv("TFHUB_CACHE_DIR", before)
    with pytest.raises(DownloadError):
        hub.resolve(HANDLE, tmp_path, POLICY, 10**9)
    assert os.environ.get("TFHUB_CACHE_DIR") == before
