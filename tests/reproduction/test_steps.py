"""Both steps of a row, in real processes, on the embedded model."""

from dataclasses import replace
from pathlib import Path

import pytest

from tfzoo.errors import MeasurementError
from tfzoo.reproduction.settings import ReproduceSettings
from tfzoo.reproduction.steps import evaluated, timed
from tfzoo.zoo.manifest import DEFAULT_MODEL, packaged_scenes


@pytest.fixture
def settings(tmp_path: Path) -> ReproduceSettings:
    return ReproduceSettings(
        [DEFAULT_MODEL], limit=3, resamples=0, min_images=2, min_seconds=0, results=tmp_path
    )


def test_a_model_is_evaluated_and_told_of_as_it_goes(
    settings: ReproduceSettings, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    rows, warnings = evaluated(
        DEFAULT_MODEL, "tensorflow", settings, lambda done, of: told.append((done, of))
    )
    assert told[-1] == (3, 3)
    assert [row["kind"] for row in rows] == ["box", "keypoints"]
    assert all(row["model"] == DEFAULT_MODEL and row["images"] == 3 for row in rows)
    assert isinstance(warnings, list)
    # Only whoever keeps the journal adds it to the table.
    assert not (tmp_path / "accuracy.csv").exists()


def test_a_model_is_timed(settings: ReproduceSettings, tmp_path: Path) -> None:
    row = timed(DEFAULT_MODEL, "tensorflow", settings)
    assert row["model"] == DEFAULT_MODEL and row["mean_ms"] > 0 and row["images"] >= 2
    assert not (tmp_path / "timing.csv").exists()


def test_what_fails_says_why(settings: ReproduceSettings, tmp_path: Path) -> None:
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no graph")
    scenes = packaged_scenes()
    given = replace(settings, images=scenes, annotations=scenes / "annotations.json")
    with pytest.raises(MeasurementError, match=r"model\.onnx"):
        evaluated(str(broken), "onnx", given, lambda done, of: None)
    with pytest.raises(MeasurementError, match="timing failed"):
        timed(str(broken), "onnx", settings)
