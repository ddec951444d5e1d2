"""Parameters and FLOPs: networks whose numbers are known by hand, and one that a paper tells of."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfzoo.errors import ModelFormatError
from tfzoo.store.models import get_model
from tfzoo.timing import graph_cost
from tfzoo.timing.graph_cost import GraphCost, cost_of, counted

IMAGE = np.zeros((60, 90, 3), np.uint8)


def saved(path: Path, network: Any, *weights: Any, variables: bool = True, size: int = 32) -> Path:
    """A network as the zoo exports them: a uint8 image of any size in, resized in the graph.

    Args:
        path: Where to.
        network: Called with images float32 [1, size, size, 3] and the weights.
        weights: Arrays.
        variables: Whether they are variables of the model, or constants of its graph.
        size: Of the images in the network, in pixels.
    """
    import tensorflow as tf

    module = tf.Module()
    make = tf.Variable if variables else tf.constant
    module.weights = [make(np.asarray(one, np.float32)) for one in weights]

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, "input_tensor")])
    def detect(input_tensor: Any) -> dict[str, Any]:
        images = tf.image.resize(tf.cast(input_tensor, tf.float32), (size, size))
        return {"out": network(images, *module.weights)}

    tf.saved_model.save(module, str(path), signatures=detect)
    return path


def every_kind(images: Any, *weights: Any) -> Any:
    """Each operation that counts: an image of 32x32 in."""
    import tensorflow as tf

    full, depthwise, up, dense = weights
    x = tf.nn.conv2d(images, full, 2, "SAME")  # 16x16x8
    x = tf.nn.depthwise_conv2d(x, depthwise, [1, 1, 1, 1], "SAME")  # 16x16x16
    x = tf.nn.conv2d_transpose(x, up, [1, 32, 32, 4], 2)  # 32x32x4
    rows = tf.reshape(x, [32, 128])
    squares = tf.linalg.matmul(rows[None], rows[None], transpose_a=True)  # 1x128x128
    return tf.matmul(rows, dense) + squares[0, :32, :10]  # 32x10


SHAPES = ((3, 3, 3, 8), (3, 3, 8, 2), (2, 2, 4, 16), (128, 10))
BY_HAND = (
    16 * 16 * 8 * 27  # a filter of 3x3x3 for each output
    + 16 * 16 * 16 * 9  # one of 3x3
    + 16 * 16 * 16 * 2 * 2 * 4  # each input to 2x2 outputs of 4 channels
    + 32 * 10 * 128
    + 128 * 128 * 32
)


@pytest.mark.parametrize("variables", [True, False], ids=["variables", "constants"])
def test_a_network_is_counted_as_by_hand(tmp_path: Path, variables: bool) -> None:
    weights = [np.ones(shape, np.float32) for shape in SHAPES]
    model = saved(tmp_path / "model", every_kind, *weights, variables=variables)
    found = counted(model, IMAGE)
    assert found.parameters == 216 + 144 + 256 + 1280
    assert found.gflops == pytest.approx(2 * BY_HAND / 1e9, rel=1e-3)


def test_what_a_loop_multiplies_is_not_guessed(tmp_path: Path) -> None:
    import tensorflow as tf

    def network(images: Any, square: Any) -> Any:
        rows = images[0, :, :, 0]
        count = tf.cast(images[0, 0, 0, 0], tf.int32)
        return tf.while_loop(
            lambda i, _: i < count, lambda i, x: (i + 1, tf.matmul(x, square)), (0, rows)
        )[1]

    model = saved(tmp_path / "model", network, np.eye(32))
    assert counted(model, IMAGE) == GraphCost(parameters=1024, gflops=None)


def test_what_multiplies_and_is_not_counted_leaves_the_figure_blank(tmp_path: Path) -> None:
    import tensorflow as tf

    def network(images: Any, square: Any) -> Any:
        return tf.einsum("bhwc,wv->bhvc", images, square)

    assert counted(saved(tmp_path / "model", network, np.eye(32)), IMAGE).gflops is None


def test_mobilenet_costs_what_its_paper_says(tmp_path: Path) -> None:
    # Howard et al. 2017, "MobileNets", table 4: 569 million multiply-adds, 4.2 million parameters.
    import keras
    import tensorflow as tf

    network = keras.applications.MobileNet(weights=None)
    module = tf.Module()
    module.variables_of_it = network.variables
    images = tf.TensorSpec([1, 224, 224, 3], tf.float32, "images")
    detect = tf.function(lambda images: {"out": network(images)}, input_signature=[images])
    tf.saved_model.save(module, str(tmp_path), signatures=detect.get_concrete_function())
    found = counted(tmp_path, IMAGE)
    assert found.gflops == pytest.approx(2 * 0.569, abs=0.001)
    assert found.parameters == network.count_params() == 4_253_864


def test_onnx_is_counted_by_its_shapes(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    make, floats = onnx.helper, onnx.TensorProto.FLOAT

    def weights(name: str, *sizes: int) -> Any:
        return onnx.numpy_helper.from_array(np.ones(sizes, np.float32), name)

    graph = make.make_graph(
        [
            make.make_node("Conv", ["images", "filter", "bias"], ["x"], strides=[2, 2]),
            make.make_node("ConvTranspose", ["x", "up"], ["y"]),
            make.make_node("GlobalAveragePool", ["y"], ["pooled"]),
            make.make_node("Flatten", ["pooled"], ["flat"]),
            make.make_node("Gemm", ["flat", "dense"], ["out"]),
        ],
        "network",
        [make.make_tensor_value_info("images", floats, [1, 3, "height", "width"])],
        [make.make_tensor_value_info("out", floats, [1, 10])],
        [
            *(weights("filter", 8, 3, 2, 2), weights("bias", 8)),
            *(weights("up", 8, 4, 2, 2), weights("dense", 4, 10)),
        ],
    )
    onnx.save(make.make_model(graph), tmp_path / "model.onnx")
    by_hand = 30 * 45 * 8 * 12 + 30 * 45 * 8 * 4 * 4 + 40
    found = counted(tmp_path / "model.onnx", IMAGE)
    assert found.parameters == 96 + 8 + 128 + 40
    assert found.gflops == pytest.approx(2 * by_hand / 1e9, rel=1e-3)


def test_a_model_is_counted_once_and_one_that_can_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "model", lambda images, dense: images[0, 0] @ dense, np.ones((3, 5)))
    first = cost_of(get_model(path), IMAGE)
    assert first == GraphCost(15, 9.6e-07)
    monkeypatch.setattr(graph_cost, "counted", None)
    assert cost_of(get_model(path), IMAGE) == first
    (tmp_path / "damaged.onnx").write_bytes(b"no model")
    with pytest.raises(ModelFormatError, match=r"damaged\.onnx can't be counted"):
        counted(tmp_path / "damaged.onnx", IMAGE)
