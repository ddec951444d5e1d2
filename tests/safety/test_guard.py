"""A model that nothing vouches for is looked through before it is opened, once."""

from __future__ import annotations

from pathlib import Path

import pytest

import tfzoo
from tests.helpers import standins
from tests.safety.test_looking import added
from tfzoo.errors import UntrustedModelError
from tfzoo.safety import guard
from tfzoo.safety.findings import Audit
from tfzoo.safety.looking import audit_files
from tfzoo.store.models import get_model


def test_what_is_dangerous_is_not_opened_but_where_it_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = added(tmp_path / "model", "ReadFile")
    for _ in range(2):
        with pytest.raises(UntrustedModelError, match=r"ReadFile reads files \(node x of"):
            tfzoo.load(model)
    monkeypatch.setenv("TFZOO_TRUST", "1")
    guard.refuse_dangerous(get_model(model))


def test_what_is_harmless_is_looked_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = get_model(standins.save("yolov5", tmp_path / "model.onnx"))
    looked: list[Path] = []

    def noted(path: Path) -> Audit:
        looked.append(path)
        return audit_files(path)

    monkeypatch.setattr(guard, "audit_files", noted)
    for _ in range(2):
        guard.refuse_dangerous(model)
    assert looked == [model.path]


def test_what_is_vouched_for_is_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "audit_files", lambda path: pytest.fail("looked through"))
    guard.refuse_dangerous(get_model(tfzoo.DEFAULT_MODEL))


def test_a_cache_that_can_not_be_written_makes_nobody_careless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = get_model(added(tmp_path / "model", "WriteFile"))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(UntrustedModelError, match="WriteFile"):
        guard.refuse_dangerous(model)
