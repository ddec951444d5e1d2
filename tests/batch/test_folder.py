"""A folder in, files out: every row, in order, once, whatever happens on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tests.helpers import standins
from tests.helpers.folders import fill, rows, save
from tfzoo.batch import folder
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.job import open_detector
from tfzoo.batch.settings import RunSettings
from tfzoo.detector import Detector
from tfzoo.errors import ModelFormatError, UsageError
from tfzoo.zoo.manifest import DEFAULT_MODEL, find_model


def test_thresholds_classes_and_limits_choose_what_is_kept(
    standard: Detector, tmp_path: Path
) -> None:
    picture = standins.paint(
        90, 120, person=(0, 0, 30, 40), dog=(40, 10, 60, 50), toothbrush=(70, 60, 110, 80),
        brightness=(250, 200, 155),
    )  # fmt: skip
    image = save(tmp_path / "photo.png", picture)

    def found(**settings: Any) -> list[int]:
        out = tmp_path / "out"
        detect_folder(image, standard, out, overwrite=True, pictures=False, **settings)
        return [row["category_id"] for row in rows(out)]

    assert found() == [1, 18, 90]
    assert found(min_score=0.7) == [1, 18]
    assert found(max_detections=1) == [1]
    assert found(exclude=["dog"]) == [1, 90]
    assert found(classes=["dog", 90], exclude=["Toothbrush"]) == [18]
    assert found(min_score={"person": 0.99, "default": 0.5}) == [18, 90]
    assert found(min_score={"toothbrush": 0.7}) == [1, 18]
    assert found(classes=["Dog", 90]) == [18, 90]
    assert found(classes=["90", "person"], max_detections=1) == [1]
    with pytest.raises(UsageError, match=r"'doog'. Closest: dog"):
        found(classes=["doog"])
    with pytest.raises(UsageError, match=r"'gnu'. Closest: "):
        found(min_score={"gnu": 0.5})


def test_a_run_of_bad_images_alone_could_not_run(standard: Detector, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    assert detect_folder(tmp_path / "bad.png", standard, tmp_path / "out").exit_code == 3


def test_a_model_that_fails_on_everything_is_told_of_at_once(
    watched: Detector, tmp_path: Path
) -> None:
    def fail() -> None:
        raise RuntimeError("no kernel image")

    watched.runtime.before = fail
    with pytest.raises(ModelFormatError, match="blank image"):
        detect_folder(fill(tmp_path / "photos", 2), watched, tmp_path / "out")


@pytest.mark.parametrize(
    ("engine", "opened"),
    [("local", [("gpu:0", "auto"), ("gpu:1", "tensorflow")]), ("ray", [("cpu", "auto")])],
)
def test_here_each_device_has_a_detector_of_one_runtime_and_for_ray_the_cpu_tells_all(
    standard: Detector, monkeypatch: pytest.MonkeyPatch, engine: Any, opened: list[tuple[str, str]]
) -> None:
    asked = []

    def note(settings: RunSettings, device: str, images: int = 0) -> Detector:
        asked.append((device, settings.runtime))
        # What is chosen for so many images is chosen once.
        assert images == (77 if settings.runtime == "auto" else 0)
        return standard

    monkeypatch.setattr(folder, "open_detector", note)
    settings = RunSettings("photos", "model", device="gpu:0, gpu:1", engine=engine)
    assert standard.runtime.name == "tensorflow"
    assert len(folder._open(settings, 77)) == len(opened)
    assert asked == opened


def test_a_model_is_opened_by_its_path_or_by_its_entrys_id(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "tfzoo.batch.job.open_for",
        lambda model, **how: Mock(suppressing=lambda settings: model),
    )
    spec = find_model(DEFAULT_MODEL)
    for given, opened in ((tmp_path, str(tmp_path)), ("name", "name"), (spec, spec.id)):
        assert open_detector(RunSettings("photos", given), "cpu") == opened
