"""What was measured of a model's runtimes is kept, and read for the images at hand."""

import pytest

import tfzoo
from tests.helpers import one_stage
from tfzoo.prepare import choice
from tfzoo.prepare.choice import Choice, Trial, forget, keep_choice, known_choice
from tfzoo.store.models import get_model


def trial(name: str, open_s: float, ms: float, agrees: bool = True, spread: float = 0.0) -> Trial:
    return Trial(name, "1", agrees, f"reason of {name}", open_s, ms, 2000 / ms, spread)


EXPORT = trial("tensorflow", 5.0, 40.0)
FAST = trial("openvino", 0.5, 12.0)
STEADY = trial("frozen", 4.0, 8.0)


def test_few_images_take_what_opens_fast_and_many_what_runs_fast() -> None:
    known = Choice((EXPORT, STEADY, FAST))
    assert [known.best(n).runtime for n in (1, 79, 1000)] == ["openvino"] * 3
    # 3.5 seconds more to open are made up for by 2 ms an image.
    assert known.best(100_000).runtime == "frozen"
    assert known.best().runtime == "openvino"
    assert FAST.seconds(1) == 0.5 + 0.012
    assert FAST.seconds(100) == 0.5 + 0.6
    assert known.reason(1) == "the least time for 1 image, 0.51 s; reason of openvino"
    assert known.reason(1000) == "the least time for 1000 images, 6.5 s; reason of openvino"


def test_within_the_spread_it_is_what_opens_faster() -> None:
    quick, slow = trial("onnx", 1.0, 10.0), trial("frozen", 4.0, 4.0)
    # 1 + 5 against 4 + 2 seconds; the second is a little faster from there on.
    assert Choice((EXPORT, slow, quick)).best(1040).runtime == "onnx"
    assert Choice((EXPORT, slow, quick)).best(1300).runtime == "frozen"
    shaky = trial("frozen", 4.0, 4.0, spread=0.5)
    assert Choice((EXPORT, shaky, quick)).best(1300).runtime == "onnx"
    shaky = trial("onnx", 1.0, 10.0, spread=0.5)
    assert Choice((EXPORT, slow, shaky)).best(1300).runtime == "onnx"
    # However shaky, what takes more than twice the time is not taken.
    shaky = trial("onnx", 1.0, 10.0, spread=9.0)
    assert Choice((EXPORT, slow, shaky)).best(10_000).runtime == "frozen"


def test_what_finds_other_things_or_did_not_run_is_never_taken() -> None:
    wrong = trial("openvino", 0.1, 1.0, agrees=False)
    known = Choice((EXPORT, wrong, Trial("onnx", "1", True, "did not run")))
    assert known.best(1) == EXPORT
    assert known.reason(1) == (
        "no other is offered (openvino: reason of openvino; onnx: did not run)"
    )
    nothing = Choice((Trial("tensorflow", "1", True, "the export as it is"), wrong))
    assert nothing.best().runtime == "tensorflow"
    assert Trial("onnx", "1", True, "").seconds(1) == float("inf")


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
    monkeypatch.setattr(choice, "installed", here.__contains__)
    monkeypatch.setattr(choice, "find_export", lambda model: "model.onnx" if export else None)
    assert choice.candidates(None, gpu) == names  # type: ignore[arg-type]


@pytest.mark.parametrize("driver", [False, True])
def test_a_gpu_is_told_by_its_driver_unless_it_is_asked_for(monkeypatch, driver: bool) -> None:
    monkeypatch.setattr(choice.Path, "exists", lambda path: driver)
    assert choice.on_gpu() is choice.on_gpu("auto") is driver
    assert choice.on_gpu("gpu") and choice.on_gpu("gpu:1")
    assert not choice.on_gpu("cpu")


@pytest.fixture
def auto(tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFZOO_RUNTIME", "auto")
    return one_stage.save(tmp_path / "model")


def test_auto_opens_the_export_until_something_was_measured_and_then_what_is_best(
    auto, monkeypatch
) -> None:
    model = get_model(auto)
    assert known_choice(model) is None
    assert tfzoo.load(auto).runtime.name == "tensorflow"
    known = Choice((EXPORT, STEADY, FAST), "2026-01-01T00:00:00+00:00", "somebody compiled")
    keep_choice(model, known)
    assert known_choice(model) == known
    assert tfzoo.load(auto).runtime.name == "openvino"
    assert tfzoo.load(auto, images=1_000_000).runtime.name == "frozen"
    # What is asked for comes first, whatever was measured.
    assert tfzoo.load(auto, runtime="tensorflow").runtime.name == "tensorflow"
    monkeypatch.setenv("TFZOO_RUNTIME", "openvino")
    assert tfzoo.load(auto, images=1_000_000).runtime.name == "openvino"
    # What holds for the processor need not hold on a GPU.
    assert known_choice(model, gpu=True) is None
    forget(model, gpu=True)
    later = Choice((EXPORT,))
    keep_choice(model, later)
    assert known_choice(model) == later
    forget(model)
    assert known_choice(model) is None
    forget(model)


def test_asking_for_a_runtime_that_is_not_proven_warns(auto, caplog) -> None:
    model = get_model(auto)
    assert tfzoo.load(auto, runtime="openvino").runtime.name == "openvino"
    assert "has not been compared with TensorFlow on this machine" in caplog.text
    caplog.clear()
    keep_choice(model, Choice((EXPORT, trial("openvino", 1, 1, agrees=False))))
    tfzoo.load(auto, runtime="openvino")
    assert "does not agree with TensorFlow: reason of openvino" in caplog.text
    caplog.clear()
    keep_choice(model, Choice((EXPORT, FAST)))
    tfzoo.load(auto, runtime="openvino")
    tfzoo.load(auto, runtime="tensorflow")
    assert not caplog.text
