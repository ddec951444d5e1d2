"""Results first: a model is prepared before its images only where so many repay it."""

import time

import numpy as np
import pytest

from tests.helpers import one_stage, standins
from tfzoo.errors import ImageError, UsageError
from tfzoo.prepare.choice import Choice, Trial, keep_choice
from tfzoo.store.models import get_model
from tfzoo.trials import measure, occasion, quiet
from tfzoo.trials.occasion import open_for, prepare_model, why_prepare


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFZOO_RUNTIME", "auto")
    return one_stage.save(tmp_path / "model")


FROZEN = Choice(
    (
        Trial("tensorflow", "1", True, "", 5.0, 40.0, 25.0, 0.0),
        Trial("frozen", "1", True, "", 3.0, 20.0, 50.0, 0.0),
    )
)


@pytest.fixture
def measured(monkeypatch):
    """Stands in for the measurement; counts how often it was asked for."""
    asked = []

    def prepared_choice(model, device, again=False, on_step=None):
        asked.append(again)
        return FROZEN

    monkeypatch.setattr(measure, "prepared_choice", prepared_choice)
    return asked


def test_few_images_are_detected_with_the_export_and_very_many_repay_preparing(
    model, measured
) -> None:
    assert open_for(model, images=1).runtime.name == "tensorflow"
    assert not measured
    steps = []
    opened = open_for(model, images=10_000_000, on_step=lambda *step: steps.append(step))
    assert opened.runtime.name == "frozen"
    assert measured == [False]
    assert steps[0] == (f"opening {model} with TensorFlow", 0, 0)


def test_nobody_is_made_to_wait_who_does_not_want_it(model, measured, monkeypatch) -> None:
    many = 10_000_000
    assert open_for(model, images=many, may_prepare=False).runtime.name == "tensorflow"
    monkeypatch.setenv("TFZOO_PREPARE", "0")
    assert open_for(model, images=many).runtime.name == "tensorflow"
    assert why_prepare(get_model(model), "auto", "auto") is None
    assert not measured


def test_what_is_asked_for_or_known_is_opened_and_nothing_is_measured(model, measured) -> None:
    many = 10_000_000
    assert open_for(model, images=many, runtime="tensorflow").runtime.name == "tensorflow"
    keep_choice(get_model(model), FROZEN)
    assert open_for(model, images=1).runtime.name == "frozen"
    assert not measured


@pytest.mark.parametrize(("images", "repays"), [(100, False), (700, True)])
def test_preparing_repays_where_half_the_images_time_is_more_than_three_openings(
    monkeypatch, images: int, repays: bool
) -> None:
    now = [10.0]
    monkeypatch.setattr(occasion.time, "perf_counter", lambda: now[0])

    class Export:
        calls = 0

        def detect(self, image: np.ndarray) -> None:
            # Opened within 2 seconds, the first call's one among them; 20 ms an image.
            now[0] += 0.02 if self.calls else 1.0
            self.calls += 1

    assert occasion._repays(Export(), images, began=9.0) is repays  # type: ignore[arg-type]


def test_an_export_that_fails_on_a_blank_image_is_not_prepared_on_the_way(monkeypatch) -> None:
    class Export:
        def detect(self, image: np.ndarray) -> None:
            raise ImageError("no")

    began = time.perf_counter()
    assert occasion._repays(Export(), 10**9, began) is False  # type: ignore[arg-type]


def test_afterwards_it_is_prepared_once_and_again_when_it_was_disturbed(model, monkeypatch) -> None:
    stored = get_model(model)
    assert why_prepare(stored, "auto", "auto") == "so that it opens fast the next time"
    # Whoever names a runtime does not want another.
    assert why_prepare(stored, "tensorflow", "auto") is None
    keep_choice(stored, FROZEN)
    assert why_prepare(stored, "auto", "auto") is None
    keep_choice(stored, Choice(FROZEN.trials, "", "somebody compiled"))
    monkeypatch.setattr(quiet, "is_quiet", lambda: False)
    assert why_prepare(stored, "auto", "auto") is None
    monkeypatch.setattr(quiet, "is_quiet", lambda: True)
    assert why_prepare(stored, "auto", "auto") == "again, since somebody compiled"


def test_an_onnx_file_opens_as_it_is(tmp_path) -> None:
    pytest.importorskip("onnxruntime")
    path = standins.save_yolov5(tmp_path / "model.onnx", side=64, rows=252)
    assert why_prepare(get_model(path), "auto", "auto") is None
    with pytest.raises(UsageError, match=r"is an \.onnx file, which opens as it is"):
        prepare_model(path)
