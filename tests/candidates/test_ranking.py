"""Models are tried on images without labels: stand-ins that see all, most, or something else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest

from tests.helpers import standins
from tfzoo.candidates import ranking
from tfzoo.candidates.page import CAUTION, about, write_page
from tfzoo.candidates.ranking import Ranking, rank_models
from tfzoo.errors import OutputError, TfzooError, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures; in the last one a dog is so dark that only one model sees it."""
    path = tmp_path_factory.mktemp("images")
    for i in range(6):
        brightness = (230, 160 if i == 5 else 230, 230)
        picture = standins.paint(
            64, 64, person=(0, 0, 30, 40), dog=(35, 10, 60, 50), brightness=brightness
        )
        assert cv2.imwrite(str(path / f"{i}.png"), picture[:, :, ::-1])
    (path / "bad.png").write_bytes(b"no picture")
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("models")
    return [str(standins.save_yolov5(path / f"{i}.onnx", side=64, rows=252)) for i in range(3)]


@pytest.fixture
def tried(models: list[str], folder: Path) -> Ranking:
    return rank_models(folder, models, against="consensus")


def test_models_that_see_the_same_agree_whole(tried: Ranking, models: list[str]) -> None:
    assert (tried.images, tried.unreadable, tried.strongest) == (6, 1, None)
    assert {one.name for one in tried.candidates} == set(models)
    for one in tried.candidates:
        assert (one.agreement, one.disputed, one.error) == (1.0, 0, None)
        assert one.objects == 12
        assert one.latency_ms is not None and one.latency_ms > 0
        assert one.runtime is not None and one.runtime.startswith("onnx") and one.digest
    assert tried.disputes == ()


def test_a_higher_score_leaves_less_to_see(models: list[str], folder: Path) -> None:
    tried = rank_models(folder, models, against="consensus", true_score=0.8)
    assert [one.objects for one in tried.candidates] == [11] * 3
    tried = rank_models(folder, models, against="consensus", true_score=0.95, limit=4)
    assert tried.images + tried.unreadable == 4
    assert [(one.objects, one.agreement) for one in tried.candidates] == [(0, None)] * 3


def test_what_one_alone_sees_is_in_dispute(
    models: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded = ranking.load

    def load(name: str, **more: object) -> object:
        detector = loaded(name, **more)  # type: ignore[arg-type]
        if name == models[0]:
            whole = detector.detect
            monkeypatch.setattr(detector, "detect", lambda image: whole(image).of("person"))
        return detector

    monkeypatch.setattr(ranking, "load", load)
    tried = rank_models(folder, models, against="consensus")
    last = tried.candidates[-1]
    assert last.name == models[0] and last.disputed == 6
    assert last.agreement is not None and last.agreement < 0.6
    assert [one.disputed for one in tried.candidates[:-1]] == [0, 0]
    assert len(tried.disputes) == 6 and tried.disputes[0].objects == 1
    page = write_page(tried, tmp_path / "report").read_text()
    assert page.count("<img") == 18 and "0.png" in page and CAUTION[:30] in page
    assert about(tried) in page and "://" not in page
    write_page(tried, tmp_path / "report")
    (tmp_path / "report" / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="not replaced"):
        write_page(tried, tmp_path / "report")


def test_all_are_held_against_the_strongest_by_its_reported_map(
    models: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = dict(zip(models, (30, 40, None), strict=True))
    manifest = SimpleNamespace(find=lambda name: SimpleNamespace(box_map=maps[name]))
    monkeypatch.setattr(ranking, "load_manifest", lambda: manifest)
    tried = rank_models(folder, models)
    assert tried.strongest == models[1]
    first, *others = tried.candidates
    assert (first.name, first.agreement, first.disputed) == (models[1], None, None)
    assert [(one.agreement, one.disputed) for one in others] == [(1.0, 0)] * 2


def test_one_that_fails_is_told_of_and_the_others_go_on(
    models: list[str], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"x")
    tried = rank_models(folder, [*models, str(tmp_path / "broken.onnx")], against="consensus")
    assert [one.error is None for one in tried.candidates] == [True] * 3 + [False]
    assert "broken.onnx" in str(tried.candidates[-1].error)
    assert tried.to_json()["candidates"][-1]["agreement"] is None


def test_what_can_not_be_compared_is_refused(
    models: list[str], folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="name two or more"):
        rank_models(folder, models[:1])
    with pytest.raises(UsageError, match="name three or more"):
        rank_models(folder, models[:2], against="consensus")
    with pytest.raises(UsageError, match="--against consensus"):
        rank_models(folder, models)
    with pytest.raises(UsageError, match="expected strongest or consensus"):
        rank_models(folder, models, against="all")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no image found"):
        rank_models(tmp_path, models, against="consensus")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="none of the 1 images"):
        rank_models(tmp_path, models, against="consensus")
    with pytest.raises(TfzooError, match=r"a\.onnx"):
        names = [str(tmp_path / f"{name}.onnx") for name in "abc"]
        for name in names:
            Path(name).write_bytes(b"x")
        rank_models(folder, names, against="consensus")
