"""The settings of an evaluation."""

from __future__ import annotations

from typing import Any

import pytest

from tfzoo.accuracy.settings import EvaluateSettings, PredictionSettings
from tfzoo.errors import UsageError


def test_settings_show_alike_whoever_is_told_of_progress() -> None:
    told = EvaluateSettings("name", on_progress=lambda done, total: None)
    assert repr(told) == repr(EvaluateSettings("name"))


@pytest.mark.parametrize("senseless", [-1, 2.5, "200", None])
def test_resamples_without_sense_are_refused(senseless: Any) -> None:
    for settings in (EvaluateSettings, PredictionSettings):
        with pytest.raises(UsageError, match=r"resamples is .*expected.* 0 or more"):
            settings("name", annotations="truth.json", resamples=senseless)
    assert EvaluateSettings("name", resamples=0).resamples == 0
