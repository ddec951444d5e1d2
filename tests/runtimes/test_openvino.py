"""OpenVINO: reads a SavedModel without TensorFlow, cuts it where it may, changes no detection."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tfzoo
from tests.helpers import free_sizes, one_stage, peaks
from tfzoo.detections.agreement import compare
from tfzoo.detector import Detector
from tfzoo.errors import DeviceError, ImageError, ModelFormatError, UsageError
from tfzoo.prepare import prepared
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.postprocess import postprocess
from tfzoo.runtimes.runtime import open_runtime
from tfzoo.store.models import get_model

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return one_stage.save(tmp_path_factory.mktemp("one_stage"))


@pytest.fixture(scope="module")
def tensorflow(model) -> Detector:
    return tfzoo.load(model, runtime="tensorflow")


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pictures(count: int) -> list[np.ndarray]:
    """Smooth random pictures of many shapes, uint8 [H, W, 3]."""
    import cv2

    rng = np.random.default_rng(3)
    found = []
    for _ in range(count):
        height, width = rng.integers(20, 400, 2)
        coarse = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        found.append(cv2.resize(coarse, (int(width), int(height)), interpolation=cv2.INTER_CUBIC))
    return found


def assert_same(got, expected) -> None:
    assert len(got) == len(expected)
    np.testing.assert_array_equal(got.class_ids, expected.class_ids)
    np.testing.assert_allclose(got.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(got.boxes, expected.boxes, rtol=1e-4, atol=0.05)


def test_the_cut_graph_gives_the_whole_graph_s_detections(model, tensorflow) -> None:
    cut = tfzoo.load(model, runtime="openvino")
    assert cut.cut.before is not None and cut.cut.after is not None
    assert {info.name for info in cut.runtime.signature.outputs} == {
        "raw_detection_boxes",
        "raw_detection_scores",
    }
    total = 0
    for picture in pictures(40):
        expected = tensorflow.detect(picture).above(0.05)
        assert_same(cut.detect(picture, 0.05), expected)
        total += len(expected)
    assert total > 400


def test_a_graph_whose_nms_works_on_other_boxes_is_left_whole(tmp_path) -> None:
    folder = one_stage.save(tmp_path, two_stage=True)
    whole = tfzoo.load(folder, runtime="openvino")
    assert whole.cut == Cut()
    assert prepared.prepare(get_model(folder), "openvino").note == (
        "its NMS works on other tensors than its raw outputs; "
        "its network takes [32, 64, 3], not 64x64 pixels"
    )
    reference = tfzoo.load(folder, runtime="tensorflow")
    for picture in pictures(3):
        assert_same(whole.detect(picture), reference.detect(picture))


def copy_with(config: str, model: Path, folder: Path) -> Path:
    """The same model beside another `pipeline.config`."""
    folder.mkdir()
    (folder / "saved_model").symlink_to(model / "saved_model")
    (folder / "pipeline.config").write_text(config)
    return folder / "saved_model"


def test_a_config_of_another_family_leaves_a_graph_whole(model, tmp_path) -> None:
    config = one_stage.CONFIG.replace("ssd {", "faster_rcnn {")
    # The model's files are the same, and so is its digest: the config is part of the key.
    made = prepared.prepare(get_model(copy_with(config, model, tmp_path / "copy")), "openvino")
    assert made.cut.after is None
    assert made.note.startswith("the parameters of its post-processing are not known")


@pytest.mark.parametrize(
    "wrong",
    [
        ("iou_threshold: 0.5", "iou_threshold: 0.6"),
        ("num_classes: 4", "num_classes: 5"),
        ("max_total_detections: 30", "max_total_detections: 5 change_coordinate_frame: false"),
        ("max_detections_per_class: 20", "max_detections_per_class: 2"),
        ("score_threshold: 1e-08", "score_threshold: 0.6"),
        ("min_dimension: 64", "min_dimension: 32"),
        ("keep_aspect_ratio_resizer", "fixed_shape_resizer { height: 64 width: 64 } #"),
        ("iou_threshold: 0.5", "iou_threshold: 0.5 soft_nms_sigma: 0.5"),
    ],
    ids=lambda wrong: wrong[1],
)
def test_what_a_config_says_wrongly_changes_no_detection(
    model, tensorflow, tmp_path, wrong
) -> None:
    config = one_stage.CONFIG.replace(*wrong)
    if "fixed" in wrong[1]:
        config = re.sub(r"#[^}]*}", "", config)
    opened = tfzoo.load(copy_with(config, model, tmp_path / "copy"), runtime="openvino")
    if "dimension" not in wrong[1] and "fixed" not in wrong[1] and "soft" not in wrong[1]:
        limits = opened.cut.after
        assert limits is not None
        assert (limits.max_per_class, limits.max_total, limits.num_classes) == (20, 30, 4)
    for picture in pictures(4):
        assert_same(opened.detect(picture), tensorflow.detect(picture))


@pytest.mark.parametrize("free_batch", [True, False], ids=["float batch", "uint8"])
def test_a_network_of_the_image_s_own_size_is_cut_and_refuses_the_same(
    tmp_path, free_batch
) -> None:
    folder = free_sizes.save(tmp_path, free_batch)
    whole = tfzoo.load(folder, runtime="tensorflow")
    runtimes = ["openvino"] if free_batch else ["openvino", "frozen"]
    for cut in (tfzoo.load(folder, runtime=runtime) for runtime in runtimes):
        assert cut.cut.before is not None and cut.cut.after is not None
        assert cut.cut.before.min_side == free_sizes.LEAST
        found = 0
        for picture in pictures(12):
            try:
                expected = whole.detect(picture)
            except ImageError:
                with pytest.raises(ImageError, match="the network takes 33 or more"):
                    cut.detect(picture)
            else:
                found += len(expected)
                assert_same(cut.detect(picture), expected)
        assert found > 100


def test_a_centernet_is_split_at_its_network_with_the_images_true_shapes(tmp_path) -> None:
    folder = peaks.save(tmp_path)
    whole, split = (tfzoo.load(folder, runtime=name) for name in ("tensorflow", "openvino"))
    assert split.cut.before is not None and split.cut.after is None and split.cut.true_shapes
    for picture in pictures(6):
        assert_same(split.detect(picture), whole.detect(picture))


def test_tensorflow_is_never_imported(model, own_cache) -> None:
    program = (
        "import sys, numpy, tfzoo\n"
        f"found = tfzoo.load({str(model)!r}, runtime='openvino')(numpy.zeros((9, 9, 3), 'uint8'))\n"
        "heavy = {'tensorflow', 'pandas', 'supervision', 'cv2', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for _ in ("converted", "prepared"):
        subprocess.run([sys.executable, "-c", program], check=True, env=os.environ.copy())


def test_a_second_opening_converts_nothing(model, own_cache, monkeypatch) -> None:
    first = prepared.prepare(get_model(model), "openvino")
    written = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    monkeypatch.setattr("tfzoo.prepare.openvino_graph.write_prepared", None)
    assert prepared.prepare(get_model(model), "openvino") == first
    assert written == {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    assert {path.name for path in written} == {
        "model.xml",
        "model.bin",
        "model.blob",
        "prepared.json",
    }


@pytest.mark.parametrize("damage", ["cut off", "flip a bit", "remove a file", "garble the record"])
def test_a_damaged_prepared_model_is_made_anew(model, own_cache, tensorflow, damage) -> None:
    folder = prepared.prepare(get_model(model), "openvino").folder
    blob = folder / "model.blob"
    if damage == "cut off":
        blob.write_bytes(blob.read_bytes()[:-100])
    elif damage == "flip a bit":
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.write_bytes(data)
    elif damage == "remove a file":
        blob.unlink()
    else:
        (folder / "prepared.json").write_text("{")
    picture = pictures(1)[0]
    opened = tfzoo.load(model, runtime="openvino")
    assert_same(opened.detect(picture), tensorflow.detect(picture))
    assert prepared.read_record(folder) is not None


def test_another_version_or_processor_means_another_folder(model, own_cache, monkeypatch) -> None:
    first = prepared.prepare(get_model(model), "openvino").folder
    monkeypatch.setattr(prepared, "machine", lambda: "another processor")
    second = prepared.prepare(get_model(model), "openvino").folder
    monkeypatch.setattr(prepared, "FORMAT", prepared.FORMAT + 1)
    third = prepared.prepare(get_model(model), "openvino").folder
    assert len({first, second, third}) == 3


def test_many_threads_give_each_image_its_own_result(model) -> None:
    detector = tfzoo.load(model, runtime="openvino", throughput=True)
    assert detector.workers >= 2
    many = pictures(60)
    for picture, found in zip(many, detector.stream(iter(many), min_score=0.3), strict=True):
        assert found.image_size == picture.shape[:2]
        expected = detector.detect(picture, 0.3)
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.fixture
def picky(tmp_path):
    """Opens a graph that fails, at run time, on images of more or fewer than 64 pixels."""
    import openvino as ov
    from openvino import opset11 as ops

    image = ops.parameter([1, -1, -1, 3], np.uint8, name="image")
    square = ops.reshape(image, ops.constant(np.array([1, 8, 8, 3])), False)
    square.output(0).set_names({"square"})
    ov.save_model(ov.Model([square.output(0)], [image]), str(tmp_path / "picky.xml"))
    return open_runtime("openvino", tmp_path / "picky.xml", throughput=True)


def test_a_compiled_model_that_failed_is_not_used_again(picky) -> None:
    good, bad = np.ones((1, 4, 16, 3), np.uint8), np.ones((1, 4, 4, 3), np.uint8)
    first = picky._compiled
    assert picky.run(good)["square"].sum() == 192 and picky._compiled is first
    used = []
    first.infer = lambda inputs, infer=first.infer: used.append(inputs) or infer(inputs)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            picky.run(bad)
    assert picky.run(good)["square"].sum() == 192
    assert picky._compiled is not first and not picky._compiled.failed and len(used) == 1


def test_images_beside_one_that_fails_get_their_own_results(picky) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def run(i: int) -> int | None:
        try:
            rows = 4 if i % 10 else 3
            return int(picky.run(np.full((1, rows, 16, 3), i, np.uint8))["square"][0, 0, 0, 0])
        except RuntimeError:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(40))) == [i if i % 10 else None for i in range(40)]


def test_an_image_that_ran_while_another_failed_is_run_again(picky) -> None:
    first = picky._compiled

    def spoiled(inputs):
        first.failed = True  # By another thread, meanwhile.
        return [np.zeros((1, 8, 8, 3), np.uint8)]

    first.infer = spoiled
    assert picky.run(np.ones((1, 4, 16, 3), np.uint8))["square"].sum() == 192


def test_weights_and_arithmetic_stay_in_single_precision(model) -> None:
    runtime = tfzoo.load(model, runtime="openvino").runtime
    precision = runtime._compiled.model.get_property("INFERENCE_PRECISION_HINT")
    assert precision.to_string() == "f32"


def test_a_batch_of_two_and_a_missing_gpu_are_refused(model) -> None:
    runtime = tfzoo.load(model, runtime="openvino").runtime
    with pytest.raises(UsageError, match="a batch of 1, got 2"):
        runtime.run(np.zeros((2, 9, 9, 3), np.uint8))
    with pytest.raises(DeviceError, match="--device cpu"):
        open_runtime("openvino", model / "saved_model", "gpu:7")


def test_a_folder_that_is_no_model_is_named(tmp_path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"nothing")
    with pytest.raises(ModelFormatError, match=r"can't be opened by OpenVINO"):
        open_runtime("openvino", tmp_path)


@pytest.mark.skipif(not os.environ.get("TFZOO_TEST_DATA"), reason="TFZOO_TEST_DATA is not set")
def test_real_weights_on_real_images_give_the_graph_s_own_result(tmp_path) -> None:
    data = Path(os.environ["TFZOO_TEST_DATA"])
    archive = next((data / "zoo").glob("ssd_*.tar.gz"))
    whole = tfzoo.load(archive, runtime="tensorflow")
    cut = tfzoo.load(archive, runtime="openvino")
    assert cut.cut.before is not None and cut.cut.after is not None
    images = sorted((data / "coco_val_mini" / "images").iterdir())
    from_cut, from_whole = [], []
    for path, found in zip(images, cut.stream(images, min_score=0.3), strict=True):
        image = tfzoo.read_image(path)
        raw = whole.runtime.run(image[None])
        # From the same raw outputs: bit for bit.
        got = postprocess(
            raw["raw_detection_boxes"][0],
            raw["raw_detection_scores"][0],
            image.shape[:2],
            cut.cut.after,
        )
        count = int(raw["num_detections"][0])
        for name in ("detection_boxes", "detection_scores", "detection_classes"):
            np.testing.assert_array_equal(got[name][0], raw[name][0][:count])
        from_cut.append(found)
        from_whole.append(whole.detect(image, 0.3))
    # From OpenVINO's own: the same things, near ties in either order.
    assert compare(from_whole, from_cut)[0] and compare(from_cut, from_whole)[0]
