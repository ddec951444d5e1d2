"""The settings of an evaluation."""

from __future__ import annotations

from tfzoo.accuracy.settings import EvaluateSettings


def test_settings_show_alike_whoever_is_told_of_progress() -> None:
    told = EvaluateSettings("name", on_progress=lambda done, total: None)
    assert repr(told) == repr(EvaluateSettings("name"))
