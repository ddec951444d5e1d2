"""The frozen form: TensorFlow's own results, opened fast, cut where it may be, in batches."""

import os
from pathlib import Path

import numpy as np
import pytest

import tfzoo
from tests.helpers import one_stage, peaks, standins
from tfzoo.detections.agreement import compare
from tfzoo.detector import Detector
from tfzoo.errors import RuntimeUnavailableError, UsageError
from tfzoo.prepare import prepared
from tfzoo.prepare.cut import WHOLE
from tfzoo.store.models import get_model


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return one_stage.save(tmp_path_factory.mktemp("one_stage"))


@pytest.fixture(scope="module")
def tensorflow(model) -> Detector:
    return tfzoo.load(model, runtime="tensorflow")


def pictures(count: int) -> list[np.ndarray]:
    """Random pictures of many shapes, uint8 [H, W, 3]."""
    rng = np.random.default_rng(3)
    sizes = rng.integers(20, 200, (count, 2))
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def assert_same(got, expected) -> None:
    assert len(got) == len(expected)
    np.testing.assert_array_equal(got.class_ids, expected.class_ids)
    np.testing.assert_allclose(got.scores, expected.scores, atol=1e-5)
    np.testing.assert_allclose(got.boxes, expected.boxes, rtol=1e-4, atol=0.01)


@pytest.mark.parametrize("runtime", ["frozen", "xla"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_cut_network_gives_the_exports_detections(model, tensorflow, runtime, batch_size) -> None:
    cut = tfzoo.load(model, runtime=runtime)
    assert cut.runtime.name == runtime
    assert cut.cut.before is not None and cut.cut.after is not None
    assert cut.takes_batches
    total = 0
    many = pictures(10)
    for picture, found in zip(many, cut.stream(many, 0.05, batch_size), strict=True):
        expected = tensorflow.detect(picture).above(0.05)
        assert_same(found, expected)
        assert found.image_size == picture.shape[:2]
        total += len(expected)
    assert total > 200


def test_xla_warns_of_a_graph_that_resizes_and_traces_none_anew(tmp_path, caplog, capfd) -> None:
    folder = standins.save("centernet", tmp_path / "model")
    compiled, whole = (tfzoo.load(folder, runtime=name) for name in ("xla", "tensorflow"))
    assert "XLA compiles it anew for every size of image" in caplog.text
    for picture in pictures(7):
        assert_same(compiled.detect(picture), whole.detect(picture))
    err = capfd.readouterr().err
    assert "retracing" not in err + caplog.text
    assert "XLA service" not in err and "Compiled cluster" not in err


def test_each_image_of_a_batch_comes_out_as_it_does_alone(model) -> None:
    cut = tfzoo.load(model, runtime="frozen")
    many = pictures(7)
    calls = []
    run = cut.runtime.run
    cut.runtime.run = lambda images: calls.append(len(images)) or run(images)
    for picture, found in zip(
        many, cut.detect_prepared([cut.prepare(image) for image in many], 0.2), strict=True
    ):
        assert_same(found, cut.detect(picture, 0.2))
    assert calls == [7] + [1] * 7


def test_a_network_that_looks_at_one_image_alone_takes_no_batch(tmp_path) -> None:
    folder = one_stage.save(tmp_path, first_image_only=True)
    alone = tfzoo.load(folder, runtime="frozen")
    assert alone.cut.before is not None and not alone.takes_batches
    assert prepared.prepare(get_model(folder), "frozen").note.endswith("takes one image a call")
    whole = tfzoo.load(folder, runtime="tensorflow")
    many = pictures(5)
    # The stream still takes a batch size: as many calls are in flight.
    for picture, found in zip(many, alone.stream(many, 0.1, batch_size=4), strict=True):
        assert_same(found, whole.detect(picture, 0.1))
    with pytest.raises(UsageError, match="a batch of 1, got 2"):
        alone.runtime.run(np.zeros((2, 64, 64, 3), np.float32))


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"two_stage": True}, "its NMS works on other tensors than its raw outputs"),
        ({}, "the parameters of its post-processing are not known"),
    ],
)
def test_a_graph_that_can_t_be_cut_is_frozen_whole(tmp_path, change, note) -> None:
    folder = one_stage.save(tmp_path, **change)
    if not change:
        (folder / "pipeline.config").unlink()
    frozen = tfzoo.load(folder, runtime="frozen")
    assert frozen.cut == WHOLE
    assert prepared.prepare(get_model(folder), "frozen").note.startswith(note)
    whole = tfzoo.load(folder, runtime="tensorflow")
    for picture in pictures(3):
        assert_same(frozen.detect(picture), whole.detect(picture))
    with pytest.raises(RuntimeUnavailableError, match=r"XLA can't compile .*NonMaxSuppressionV5"):
        tfzoo.load(folder, runtime="xla")


@pytest.mark.parametrize("persons", [False, True], ids=["vectorised", "one after the other"])
@pytest.mark.parametrize("runtime", ["frozen", "xla"])
def test_a_centernet_takes_batches_with_the_images_true_shapes(tmp_path, persons, runtime) -> None:
    folder = peaks.save(tmp_path, persons)
    whole = tfzoo.load(folder, runtime="tensorflow")
    if runtime == "xla" and persons:
        with pytest.raises(RuntimeUnavailableError, match=r"XLA can't compile .*: Where is in its"):
            tfzoo.load(folder, runtime="xla")
        return
    split = tfzoo.load(folder, runtime=runtime)
    assert split.cut.before is not None and split.cut.after is None
    assert split.cut.before.order == (2, 1, 0) and split.cut.true_shapes
    assert split.kind == whole.kind == "centernet" and split.takes_batches
    many = pictures(9)
    for picture, found in zip(many, split.stream(many, batch_size=4), strict=True):
        expected = whole.detect(picture)
        assert len(expected) == peaks.PEAKS
        assert_same(found, expected)
        assert_same(split.detect(picture), expected)


@pytest.mark.parametrize("kind", ["mask_rcnn", "centernet", "tflite_boxes"])
def test_every_family_can_be_frozen(tmp_path, kind) -> None:
    folder = standins.save(kind, tmp_path / kind)
    # As the zoo's have one: what it says of resizing must not lead where there is none.
    (folder / "pipeline.config").write_text(peaks.CONFIG.replace("64", "512"))
    frozen, whole = (tfzoo.load(folder, runtime=name) for name in ("frozen", "tensorflow"))
    assert frozen.kind == whole.kind
    for picture in pictures(2):
        got, expected = frozen.detect(picture), whole.detect(picture)
        assert_same(got, expected)
        if expected.keypoints is not None:
            np.testing.assert_allclose(got.keypoints, expected.keypoints, atol=1e-3)
        if expected.masks is not None:
            np.testing.assert_array_equal(got.masks, expected.masks)


def test_a_damaged_frozen_form_is_made_anew(model, tensorflow) -> None:
    folder = prepared.prepare(get_model(model), "frozen").folder
    (folder / "saved_model.pb").write_bytes(b"damaged")
    picture = pictures(1)[0]
    assert_same(tfzoo.load(model, runtime="frozen").detect(picture), tensorflow.detect(picture))


@pytest.mark.skipif(not os.environ.get("TFZOO_TEST_DATA"), reason="TFZOO_TEST_DATA is not set")
def test_real_weights_on_real_images_give_the_exports_detections() -> None:
    data = Path(os.environ["TFZOO_TEST_DATA"])
    archive = next((data / "zoo").glob("ssd_*.tar.gz"))
    whole, cut = (tfzoo.load(archive, runtime=name) for name in ("tensorflow", "frozen"))
    assert cut.takes_batches
    images = sorted((data / "coco_val_mini" / "images").iterdir())[:24]
    wanted = list(whole.stream(images, 0.3))
    found = list(cut.stream(images, 0.3, batch_size=8))
    assert compare(wanted, found)[0] and compare(found, wanted)[0]
