"""The runtime is chosen by measurement, and only where it gives TensorFlow's detections."""

from dataclasses import replace

import numpy as np
import pytest

import tfzoo
from tests.helpers import one_stage
from tfzoo.detections.types import Detections
from tfzoo.errors import ImageError, ModelFormatError
from tfzoo.images.reading import read_image
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


def test_each_picture_is_timed_five_times_unless_that_takes_long(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(choose.time, "perf_counter", lambda: now[0])
    # Three pictures, whose best times are 2, 1 and 4 seconds a thousandth of which is told.
    seconds = {1: [9, 8, 7, 2, 5], 2: [3, 1, 3, 3, 3], 3: [4, 4, 4, 4, 6]}
    timed = []

    def detect(picture: np.ndarray) -> Detections:
        timed.append(int(picture[0, 0, 0]))
        now[0] += seconds[timed[-1]][timed.count(timed[-1]) - 1] * scale
        return REFERENCE[0]

    scale = 0.001
    pictures = [np.full((2, 2, 3), value, np.uint8) for value in seconds]
    assert choose._latency_ms(detect, pictures) == 2.0
    assert timed == [1, 2, 3] * 5
    # The second round ends past the fifth second, and is the last.
    timed.clear()
    scale, now[0] = 0.2, 100.0
    assert choose._latency_ms(detect, pictures) == 800.0
    assert timed == [1, 2, 3] * 2
    assert choose._latency_ms(detect, []) is None


def test_the_first_eight_of_the_packaged_pictures_are_looked_at() -> None:
    paths = sorted(choose.SCENES.glob("*.jpg"))
    assert len(paths) > 8
    scenes = choose.load_scenes()
    assert len(scenes) == 8
    assert np.array_equal(scenes[-1], read_image(paths[7]))


@pytest.mark.parametrize(
    ("here", "export", "gpu", "names"),
    [
        ({"openvino", "onnx"}, True, False, ["tensorflow", "frozen", "openvino", "onnx"]),
        ({"openvino", "onnx"}, True, True, ["tensorflow", "frozen", "onnx"]),
        ({"openvino", "onnx"}, False, False, ["tensorflow", "frozen", "openvino"]),
        ({"onnx"}, True, False, ["tensorflow", "frozen", "onnx"]),
        (set(), True, False, ["tensorflow", "frozen"]),
    ],
)
def test_what_is_installed_and_fits_the_device_is_tried(
    monkeypatch, here, export, gpu, names
) -> None:
    monkeypatch.setattr(choose, "installed", here.__contains__)
    monkeypatch.setattr(choose, "find_export", lambda model: "model.onnx" if export else None)
    assert choose.candidates(None, gpu) == names  # type: ignore[arg-type]


@pytest.mark.parametrize("driver", [False, True])
def test_a_gpu_is_told_by_its_driver_unless_it_is_asked_for(monkeypatch, driver: bool) -> None:
    monkeypatch.setattr(choose.Path, "exists", lambda path: driver)
    assert choose.on_gpu() is choose.on_gpu("auto") is driver
    assert choose.on_gpu("gpu") and choose.on_gpu("gpu:1")
    assert not choose.on_gpu("cpu")


def test_of_equals_the_earlier_runtime_is_kept_and_one_that_differs_never() -> None:
    def trial(name: str, ms: float | None, agrees: bool = True) -> choose.Trial:
        return choose.Trial(name, "1", ms, agrees, f"reason of {name}")

    def fastest(*trials: choose.Trial) -> choose.Choice:
        choice = choose._fastest(list(trials))
        assert choice.trials == trials
        return choice

    tensorflow = trial("tensorflow", 3.0)
    quick = fastest(tensorflow, trial("frozen", 2.0), trial("onnx", 1.0))
    assert (quick.runtime, quick.reason) == ("onnx", "the fastest that reason of onnx")
    assert fastest(tensorflow, trial("frozen", 3.0)).runtime == "tensorflow"
    alone = fastest(tensorflow, trial("frozen", 1.0, False), trial("onnx", None, False))
    assert alone.runtime == "tensorflow"
    assert alone.reason == "TensorFlow kept: frozen: reason of frozen; onnx: reason of onnx"
    assert fastest(tensorflow, trial("frozen", 1.0, False), trial("onnx", 2.0)).runtime == "onnx"


def test_tensorflow_that_fails_is_no_choice_but_an_error() -> None:
    def open_detector(name: str) -> Stand:
        raise ModelFormatError("no model at all")

    with pytest.raises(ModelFormatError, match="no model at all"):
        measure(["tensorflow", "openvino"], open_detector, SCENES)


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
    # What holds for the processor need not hold on a GPU.
    assert known_choice(get_model(auto), gpu=True) is None
    choose.forget(get_model(auto), gpu=True)
    assert known_choice(get_model(auto)) == known
    choose.forget(get_model(auto))
    assert known_choice(get_model(auto)) is None
    choose.forget(get_model(auto))


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
