"""Preprocessing in numpy is the exported graph's own."""

from dataclasses import replace

import numpy as np
import pytest

import tfzoo
from tests.helpers import one_stage
from tfzoo.errors import ImageError
from tfzoo.prepare.preprocess import (
    Preprocessing,
    Resizer,
    find_preprocessing,
    least_side,
    resize_bilinear,
)

ONES, ZEROS = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
IMAGENET = np.float32([123.675, 116.28, 103.53]), np.float32([58.395, 57.12, 57.375])


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("half_pixel", [False, True])
@pytest.mark.parametrize("size", [(300, 300), (64, 97), (1, 1), (640, 480)])
@pytest.mark.parametrize("source", [(480, 640), (1, 1), (33, 700), (1200, 801)])
def test_resizing_is_tensorflows(source, size, half_pixel: bool) -> None:
    import tensorflow as tf

    image = noise(*source)
    expected = tf.raw_ops.ResizeBilinear(
        images=image[None], size=size, half_pixel_centers=half_pixel
    )[0].numpy()
    got = resize_bilinear(image, size, half_pixel)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("size", [(100, 100), (100, 140)])
@pytest.mark.parametrize("least", [64, 100])
def test_what_an_image_fills_is_tensorflows(size: tuple[int, int], least: int) -> None:
    import tensorflow as tf

    resizer = Resizer(size, least)
    rng = np.random.default_rng(1)
    for _ in range(300):
        height, width = (int(side) for side in rng.integers(2, 900, 2))
        target = (size[0], least) if height >= width else (least, size[1])
        resized = tf.image.resize(tf.zeros([height, width, 1]), target, preserve_aspect_ratio=True)
        assert resizer.content_size((height, width)) == tuple(resized.shape[:2])


def graph_of(side, keep_aspect, half_pixel, normalise_first, kind="Bilinear", bgr=False):
    """Resizing as the exports' graphs do it, in TensorFlow."""
    import tensorflow as tf

    mean, deviation = IMAGENET

    def run(image):
        values = (image[:, :, ::-1] if bgr else image)[None].astype(np.float32)
        if normalise_first:
            values = (values - mean) / deviation
        content = Resizer((side, side), side if keep_aspect else None).content_size(image.shape[:2])
        resize = getattr(tf.raw_ops, f"Resize{kind}")
        values = resize(images=values, size=content, half_pixel_centers=half_pixel)
        padding = [[0, 0], [0, side - content[0]], [0, side - content[1]], [0, 0]]
        values = tf.pad(values, padding).numpy()[0]
        return values if normalise_first else (values - mean) / deviation

    return run


@pytest.mark.parametrize("keep_aspect", [False, True])
@pytest.mark.parametrize("half_pixel", [False, True])
@pytest.mark.parametrize("normalise_first", [False, True])
@pytest.mark.parametrize("bgr", [False, True])
def test_a_graphs_own_way_is_found(keep_aspect, half_pixel, normalise_first, bgr) -> None:
    graph = graph_of(90, keep_aspect, half_pixel, normalise_first, bgr=bgr)
    resizer = Resizer((90, 90), 90 if keep_aspect else None)
    found, note = find_preprocessing(resizer, graph)
    assert found is not None and note == "its images are resized outside"
    assert found.half_pixel is half_pixel
    assert found.order == ((2, 1, 0) if bgr else (0, 1, 2))
    for size in [(50, 400), (400, 50), (90, 90), (300, 301)]:
        np.testing.assert_allclose(found(noise(*size, 7)), graph(noise(*size, 7)), atol=1e-4)


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1), (0, 2, 1)])
def test_any_order_of_channels_is_found(order: tuple[int, int, int]) -> None:
    graph = Preprocessing(
        Resizer((40, 40), 40), True, order, (2.0, 1.0, 0.5), ONES, (5.0, 6.0, 7.0)
    )
    found, _ = find_preprocessing(graph.resizer, graph)
    assert found == graph


def test_the_part_that_an_image_fills_is_told_with_its_channels() -> None:
    graph = Preprocessing(Resizer((64, 64), 64), False, (0, 1, 2), ONES, ZEROS, ZEROS)
    assert graph.true_shape(noise(50, 100)).tolist() == [32, 64, 3]
    assert graph.true_shape(noise(100, 50)).tolist() == [64, 32, 3]
    assert graph.true_shape(noise(100, 50)).dtype == np.int32


def test_another_way_is_left_to_the_graph() -> None:
    found, note = find_preprocessing(
        Resizer((90, 90)), graph_of(90, False, False, True, kind="Bicubic")
    )
    assert found is None and note == "it resizes its images in a way of its own"
    found, note = find_preprocessing(Resizer((80, 90)), graph_of(90, False, False, True))
    assert found is None and note == "its network takes [90, 90, 3], not 80x90 pixels"


@pytest.mark.parametrize("channel", range(3))
@pytest.mark.parametrize("change", [-1, 1])
def test_each_channel_has_its_own_scale_offset_and_padding(channel: int, change: int) -> None:
    image, plain = noise(4, 8), Preprocessing(Resizer((8, 8), 8), False, (2, 0, 1), *[ONES] * 3)
    plain = replace(plain, offset=ZEROS, padding=ZEROS)
    shown = image[:, :, [2, 0, 1]].astype(np.float32)
    assert np.array_equal(plain(image)[:4], shown) and not plain(image)[4:].any()
    changed = np.zeros(3, np.float32)
    changed[channel] = change
    scaled = replace(plain, scale=tuple(1 + changed))(image)
    assert np.array_equal(scaled[:4], shown * (1 + changed))
    moved = replace(plain, offset=tuple(changed), padding=tuple(2 * changed))(image)
    assert np.array_equal(moved[:4], shown + changed)
    assert (moved[4:] == 2 * changed).all()


def test_an_image_that_nothing_is_left_of_is_refused(tmp_path) -> None:
    resizer = Resizer((64, 64), 64)
    with pytest.raises(ValueError, match="output dimensions must be positive"):
        Preprocessing(resizer, False, (0, 1, 2), ONES, ZEROS, ZEROS)(noise(1, 2000))
    pytest.importorskip("openvino")
    detector = tfzoo.load(one_stage.save(tmp_path), runtime="openvino")
    assert detector.cut.before is not None
    with pytest.raises(ImageError, match="2000x1 pixels: output dimensions must be positive"):
        detector.detect(noise(1, 2000))


def test_without_padding_the_input_goes_with_the_image() -> None:
    resizer = Resizer((90, 90), 60, pad=False)
    assert resizer.input_size == (None, None) and Resizer((90, 80)).input_size == (90, 80)

    def graph(image):
        size = resizer.content_size(image.shape[:2])
        return resize_bilinear(image, size, half_pixel=False) / np.float32(255)

    found, _ = find_preprocessing(resizer, graph, min_side=33)
    assert found is not None and found.min_side == 33 and not found.half_pixel
    assert found(np.zeros((120, 120, 3), np.uint8)).shape == (60, 60, 3)
    assert found(np.zeros((66, 180, 3), np.uint8)).shape == (33, 90, 3)
    with pytest.raises(ValueError, match="it is 90x32 pixels when resized"):
        found(np.zeros((64, 180, 3), np.uint8))
    # Padded, it is always large enough.
    padded = replace(found, resizer=replace(resizer, pad=True))
    assert padded(np.zeros((64, 180, 3), np.uint8)).shape == (90, 90, 3)


def test_a_network_says_what_it_asserts_of_its_input(tmp_path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x12\x00image of any size")
    assert least_side(tmp_path) == 0
    words = b"\x12\x08image size must be >= %d in both height and width.\x00"
    (tmp_path / "saved_model.pb").write_bytes(words % 33 + words % 129)
    assert least_side(tmp_path) == 129
