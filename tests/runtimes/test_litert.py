"""LiteRT opens `.tflite` files of every kind, finds what is there, and refuses what it can't."""

from __future__ import annotations

import json
import logging
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfzoo
from tests.helpers import lite_models
from tests.helpers.standins import paint
from tests.helpers.store_faults import make_spec
from tfzoo.cli.models import runnable
from tfzoo.decode.frame import Frame
from tfzoo.decode.postprocessed import decode
from tfzoo.detector import Detector
from tfzoo.errors import (
    ArchiveError,
    DeviceError,
    ModelFormatError,
    RuntimeUnavailableError,
    UnknownModelError,
    UsageError,
)
from tfzoo.runtimes import runtime
from tfzoo.runtimes.lite_file import OUTPUTS, read_lite_file
from tfzoo.runtimes.runtime import Pixels, open_runtime
from tfzoo.store.archive import place_file
from tfzoo.store.fetch import add
from tfzoo.trials.kernels import compare_kernels
from tfzoo.trials.occasion import prepare_model, silent

pytest.importorskip("ai_edge_litert")

IMAGE = paint(120, 192, person=(20, 30, 60, 90), dog=(100, 10, 180, 50))
#: What is found in it, by class: box and score. The pixels are those of 96 by 96.
EXPECTED = {1: ([20, 30, 60, 90], 200 / 255), 18: ([100, 10, 180, 50], 190 / 255)}
SPECS: dict[str, tuple[Any, dict[str, Any]]] = {
    "ssd": (lite_models.ssd(), {}),
    "ssd of uint8": (lite_models.ssd(), {"quantise": "uint8"}),
    "centernet": (lite_models.centernet(), {}),
    "centernet of int8": (lite_models.centernet(), {"quantise": "int8", "span": (0, 255)}),
    "yolov5": (lite_models.yolov5, {}),
    "yolov5 of uint8": (lite_models.yolov5, {"quantise": "uint8", "span": (0, 1)}),
}


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Gives the `.tflite` file of a stand-in, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("lite")

    @cache
    def made(name: str) -> Path:
        infer, options = SPECS[name]
        return lite_models.convert(infer, folder / f"{name}.tflite", **options)

    return made


def check(detector: Detector, pixels: float = 1.0) -> None:
    """Holds what a detector finds against what is there; boxes may be off by so many pixels."""
    found = detector.detect(IMAGE)
    assert sorted(found.class_ids) == sorted(EXPECTED)
    for box, score, class_id in zip(found.boxes, found.scores, found.class_ids, strict=True):
        expected_box, expected_score = EXPECTED[class_id]
        np.testing.assert_allclose(box, expected_box, atol=pixels)
        assert score == pytest.approx(expected_score, abs=1 / 200)


@pytest.mark.parametrize(
    ("name", "kind", "pixels"),
    [
        ("ssd", "postprocessed_tflite", "-1..1 by guess, for its file does not say"),
        ("ssd of uint8", "postprocessed_tflite", "-1..1 by the range of its 8-bit integers"),
        ("centernet", "centernet_tflite", "0..255 as all of its kind"),
        ("centernet of int8", "centernet_tflite", "0..255 by the range of its 8-bit integers"),
        ("yolov5", "yolov5_tflite", "0..1 as all of its kind"),
        ("yolov5 of uint8", "yolov5_tflite", "0..1 by the range of its 8-bit integers"),
    ],
)
def test_each_kind_is_known_and_finds_what_is_there(
    lite: Any, name: str, kind: str, pixels: str
) -> None:
    detector = tfzoo.load(lite(name))
    assert (detector.runtime.name, detector.kind) == ("litert", kind)
    assert detector.pixels == pixels
    check(detector)


@pytest.mark.parametrize("name", ["ssd", "centernet"])
def test_outputs_in_any_order_are_told_apart(lite: Any, name: str, tmp_path: Path) -> None:
    for order in ((0, 1, 2, 3), (2, 0, 3, 1), (1, 3, 0, 2)):
        check(tfzoo.load(lite_models.with_outputs(lite(name), tmp_path / "model.tflite", order)))


def test_a_guess_is_told(lite: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        tfzoo.load(lite("ssd"))
    assert "takes pixels as -1..1 by guess" in caplog.text


def test_metadata_decide_over_the_guess(lite: Any, tmp_path: Path) -> None:
    labels = "somebody\n" + "???\n" * 16 + "hound\n"
    model = lite_models.with_metadata(lite("ssd"), tmp_path / "model.tflite", [0.0], [1.0], labels)
    told = read_lite_file(model)
    assert told.pixels == Pixels((0.0,), (1.0,))
    assert set(told.outputs.values()) == set(OUTPUTS)
    detector = tfzoo.load(model)
    assert detector.labels == {1: "somebody", 18: "hound"}
    assert detector.pixels == "0..255 by its metadata"
    # Pixels as they are look far too bright to a network of -1..1: it sees one thing everywhere.
    np.testing.assert_allclose(detector.detect(IMAGE).boxes[0], [20, 30, 60, 90], atol=1)
    assert detector.detect(IMAGE).scores[0] > 10
    same = lite_models.with_metadata(lite("ssd"), tmp_path / "same.tflite", [127.5], [127.5])
    check(tfzoo.load(same))
    assert tfzoo.load(same, labels={1: "mine"}).labels == {1: "mine"}


def test_a_list_that_begins_with_the_background_counts_as_the_ids_do(
    lite: Any, tmp_path: Path
) -> None:
    model = lite_models.with_metadata(
        lite("ssd"), tmp_path / "model.tflite", labels="???\nperson\nbicycle"
    )
    assert tfzoo.load(model).labels == {1: "person", 2: "bicycle"}


def test_many_interpreters_find_what_one_finds(lite: Any) -> None:
    one, many = tfzoo.load(lite("ssd")), tfzoo.load(lite("ssd"), throughput=True)
    images = [np.roll(IMAGE, shift, axis=1) for shift in range(0, 60, 3)]
    for image, found in zip(images, many.detect_many(images), strict=True):
        np.testing.assert_array_equal(found.boxes, one.detect(image).boxes)
        np.testing.assert_array_equal(found.scores, one.detect(image).scores)


def test_rows_beyond_the_number_are_left_out() -> None:
    raw = {
        OUTPUTS[0]: np.array([[[0, 0, 1, 1], [np.nan] * 4]], np.float32),
        OUTPUTS[1]: np.array([[0, 1e30]], np.float32),
        OUTPUTS[2]: np.array([[0.5, 7]], np.float32),
        OUTPUTS[3]: np.array([1], np.float32),
    }
    found = decode(raw, Frame.stretched((10, 20), (4, 4)), {}, 0.0)
    assert (found.class_ids.tolist(), found.scores.tolist()) == ([1], [0.5])
    with pytest.raises(ModelFormatError, match=r"returned .*expected boxes"):
        decode(raw | {OUTPUTS[2]: np.zeros((1, 3))}, Frame.whole((10, 20)), {}, 0.0)


def test_the_name_of_a_manifest_and_an_archive_lead_to_it(lite: Any, tmp_path: Path) -> None:
    packed = tmp_path / "phone.zip"
    with zipfile.ZipFile(packed, "w") as file:
        file.write(lite("ssd"), "detect.tflite")
        file.writestr("labelmap.txt", "person")
    check(tfzoo.load(packed))
    spec = make_spec("https://zoo.invalid/m.tflite", archive="m.tflite", id="lite", name="Lite")
    add(spec, lite("ssd"))
    assert runnable(spec)
    check(tfzoo.load(spec))
    other = tmp_path / "other.tflite"
    other.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(ArchiveError, match="no TensorFlow Lite model"):
        place_file(other, tmp_path / "place" / "other.tflite", "sha256:1")


def test_both_sets_of_kernels_are_compared(lite: Any) -> None:
    from tfzoo.store.models import get_model

    choice = compare_kernels(get_model(lite("ssd")), silent)
    (trial,) = choice.trials
    assert trial.runtime == "litert" and trial.latency_ms and trial.images_per_s
    assert "its own kernels" in trial.reason and choice.reason() == trial.reason
    with pytest.raises(UsageError, match=r"is an \.tflite file"):
        prepare_model(lite("ssd"), precision="int8", calibrate="images")


def test_info_says_what_is_assumed(lite: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from tfzoo.cli.models import _show_own
    from tfzoo.store.models import get_model

    _show_own(get_model(lite("ssd")), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == "postprocessed_tflite"
    assert told["pixels"].startswith("-1..1 by guess")


def test_what_it_cant_run_is_refused_with_the_reason(lite: Any, tmp_path: Path) -> None:
    def flex(whole: Any) -> None:
        whole.operatorCodes[-1].customCode = b"FlexNonMaxSuppressionV5"
        whole.operatorCodes[-1].builtinCode = whole.operatorCodes[-1].deprecatedBuiltinCode = 32

    damaged = lite_models.edited(lite("centernet"), tmp_path / "flex.tflite", flex)
    with pytest.raises(ModelFormatError, match=r"operations of TensorFlow's own.*SELECT_TF_OPS"):
        open_runtime("litert", damaged, "cpu")
    with pytest.raises(ModelFormatError, match="is a folder"):
        open_runtime("litert", tmp_path, "cpu")
    with pytest.raises(DeviceError, match="--device cpu"):
        open_runtime("litert", lite("ssd"), "gpu")
    with pytest.raises(DeviceError, match="expected auto"):
        open_runtime("litert", lite("ssd"), "tpu")


@pytest.mark.parametrize("keep", [0, 6, 30, 700, 2000])
def test_broken_files_are_refused_by_name(lite: Any, tmp_path: Path, keep: int) -> None:
    model = tmp_path / "cut.tflite"
    model.write_bytes(lite("ssd").read_bytes()[:keep])
    with pytest.raises(ModelFormatError, match=r"cut\.tflite"):
        tfzoo.load(model)


def test_other_files_are_told(tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(b"no such model, but text")
    with pytest.raises(ModelFormatError, match="expected TFL3"):
        tfzoo.load(other)
    with pytest.raises(UnknownModelError, match=r"rename it to other\.tflite"):
        tfzoo.load(other.rename(tmp_path / "other.TFLITE"))


def test_a_missing_library_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runtime.NEEDS, "litert", "no_such_module")
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'tfzoo\[litert\]'"):
        open_runtime("litert", Path("model.tflite"), "cpu")
