"""The runtime is chosen by measurement, and only where it gives TensorFlow's detections."""

from dataclasses import replace

import numpy as np
import pytest

import tfzoo
from tests.helpers import one_stage
from tfzoo.detections.types import Detections
from tfzoo.errors import ImageError, ModelFormatError
from tfzoo.prepare import choose
from tfzoo.prepare.choose import compare, known_choice, measure
from tfzoo.store.models import get_model

SCENES = [np.full((40, 60, 3), value, dtype=np.uint8) for value in range(8)]


def detections(*rows: tuple[float, float, int]) -> Detections:
    """A detection for each (left edge in pixels, score, class)."""
    left = np.array([row[0] for row in rows], dtype=np.float32)
    boxes = np.stack([left, left * 0, left + 200, left * 0 + 100], axis=1)
    scores = np.array([row[1] for row in rows], dtype=np.float32)
    return Detections(boxes, scores, np.array([row[2] for row in rows], np.int32), (480, 640))


REFERENCE = [detections(*((10.0 * i, 0.9 - 0.1 * i, 1 + i) for i in range(6)))] * 2


@pytest.mark.parametrize(
    ("rows", "agrees"),
    [
        ({}, True),
        ({0: (0.9, 0.9, 1)}, True),  # IoU 0.991
        ({0: (1.2, 0.9, 1)}, False),  # IoU 0.988
        ({0: (0, 0.904, 1)}, True),
        ({0: (0, 0.906, 1)}, False),
        ({0: (0, 0.9, 2)}, False),
    ],
)
def test_a_twin_has_the_same_class_place_and_score(rows, agrees) -> None:
    same = {i: (10.0 * i, 0.9 - 0.1 * i, 1 + i) for i in range(6)}
    others = [detections(*(same | rows).values()), REFERENCE[1]]
    assert compare(REFERENCE, others)[0] is agrees


def test_a_missing_detection_does_not_agree_and_one_under_the_limit_does() -> None:
    kept = np.array([True] * 5 + [False])
    assert compare(REFERENCE, [found[~kept[::-1]] for found in REFERENCE])[0] is False
    weak = [detections(*((30.0 * i, 0.29, 1) for i in range(5))) for _ in REFERENCE]
    joined = REFERENCE + weak
    assert compare(joined, REFERENCE + [found[:0] for found in weak])[0] is True


def test_one_twin_does_not_serve_two() -> None:
    twice = [detections(*((0.0, 0.9, 1) for _ in range(12)))]
    once = [found[:11] for found in twice]
    assert compare(twice, twice)[0] is True
    assert compare(twice, once) == (False, "1 of TensorFlow's 12 detections have no twin")


def test_things_nearly_equal_are_each_their_own_twin() -> None:
    # The first would do for the second, which would leave the third without one.
    near = [detections(*((0.1 * i, 0.9 - 0.004 * i, 1) for i in range(12)))]
    assert compare(near, near)[0] is True
    assert compare(near, [near[0][1:]])[0] is False


def test_a_box_of_no_area_has_a_twin() -> None:
    flat = [replace(found, boxes=found.boxes * np.float32([1, 1, 1, 0])) for found in REFERENCE]
    assert compare(flat, flat)[0] is True
    moved = [replace(found, boxes=found.boxes + np.float32(1)) for found in flat]
    assert compare(flat, moved)[0] is False


def test_fewer_than_ten_detections_prove_nothing() -> None:
    few = [found[:4] for found in REFERENCE]
    agrees, reason = compare(few, few)
    assert not agrees
    assert reason.startswith("not proven: TensorFlow finds 8 things over 0.3")


class Stand:
    """Detects the same things in every picture, after some work."""

    def __init__(self, found: Detections, work: int) -> None:
        self.found, self.work = found, work

    def __call__(self, image: np.ndarray) -> Detections:
        for _ in range(self.work):
            np.linalg.inv(np.eye(60))
        return self.found


@pytest.mark.parametrize(
    ("other", "chosen"),
    [
        (Stand(REFERENCE[0], 1), "openvino"),
        (Stand(REFERENCE[0], 400), "tensorflow"),
        (Stand(REFERENCE[0][:5], 1), "tensorflow"),
    ],
)
def test_the_fastest_that_agrees_is_chosen(other: Stand, chosen: str) -> None:
    stands = {"tensorflow": Stand(REFERENCE[0], 40), "openvino": other}
    choice = measure(list(stands), stands.__getitem__, SCENES)
    assert choice.runtime == chosen
    assert [trial.runtime for trial in choice.trials] == ["tensorflow", "openvino"]
    assert all(trial.latency_ms is not None for trial in choice.trials)


def test_a_runtime_that_can_t_open_the_model_is_not_chosen_and_says_why() -> None:
    def open_detector(name: str) -> Stand:
        if name == "openvino":
            raise ModelFormatError("it has an operation that nobody knows")
        return Stand(REFERENCE[0], 1)

    choice = measure(["tensorflow", "openvino"], open_detector, SCENES)
    assert choice.runtime == "tensorflow"
    assert "an operation that nobody knows" in choice.reason
    assert choice.trials[1].latency_ms is None


def test_a_runtime_that_fails_on_an_empty_picture_is_not_chosen() -> None:
    def fails(image: np.ndarray) -> Detections:
        if len(np.unique(image)) == 1 and image.flat[0] == 128:
            raise ImageError("nothing to concatenate")
        return REFERENCE[0]

    stands = {"tensorflow": Stand(REFERENCE[0], 400), "openvino": fails}
    choice = measure(list(stands), stands.__getitem__, SCENES)
    assert choice.runtime == "tensorflow"
    assert "nothing to concatenate" in choice.trials[1].reason


@pytest.fixture
def auto(tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFZOO_RUNTIME", "auto")
    return one_stage.save(tmp_path / "model")


def test_a_model_is_measured_once_and_opened_by_what_was_chosen(auto, monkeypatch) -> None:
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (50, 70, 3), dtype=np.uint8) for _ in range(8)]
    monkeypatch.setattr(choose, "load_scenes", lambda: pictures)
    assert known_choice(get_model(auto)) is None
    first = tfzoo.load(auto)
    known = known_choice(get_model(auto))
    assert known is not None and all(trial.agrees for trial in known.trials)
    assert first.runtime.name == known.runtime
    monkeypatch.setattr(choose, "measure", None)
    assert tfzoo.load(auto).runtime.name == known.runtime
    # What is asked for comes first, whatever was measured.
    assert tfzoo.load(auto, runtime="tensorflow").runtime.name == "tensorflow"
    monkeypatch.setenv("TFZOO_RUNTIME", "openvino")
    assert tfzoo.load(auto).runtime.name == "openvino"


def test_asking_for_a_runtime_that_finds_other_things_warns(auto, monkeypatch, caplog) -> None:
    trial = choose.Trial("openvino", "1", 1.0, False, "3 of 20 detections have no twin")
    monkeypatch.setattr(
        choose, "known_choice", lambda model, gpu: choose.Choice("tensorflow", "", (trial,))
    )
    assert tfzoo.load(auto, runtime="openvino").runtime.name == "openvino"
    assert "does not agree with TensorFlow: 3 of 20 detections" in caplog.text
    caplog.clear()
    assert tfzoo.load(auto, runtime="tensorflow").runtime.name == "tensorflow"
    assert not caplog.text


def test_without_pictures_tensorflow_is_kept(auto, monkeypatch) -> None:
    monkeypatch.setattr(choose, "load_scenes", list)
    assert tfzoo.load(auto).runtime.name == "tensorflow"


def test_a_cache_that_can_t_be_written_keeps_tensorflow(auto, monkeypatch, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "file" / "cache"))
    assert tfzoo.load(auto).runtime.name == "tensorflow"
