"""Where TensorFlow runs a model, as far as a machine without a GPU can tell."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import one_stage
from tfzoo.errors import DeviceError, ModelFormatError
from tfzoo.runtimes import tensorflow as runtime


@pytest.fixture
def two_gpus(monkeypatch) -> list[str]:
    """TensorFlow as it answers on a machine with two GPUs; returns those told to grow."""
    import tensorflow as tf

    grown: list[str] = []
    monkeypatch.setattr(
        tf.config,
        "list_physical_devices",
        lambda kind: ["first", "second"] if kind == "GPU" else [],
    )
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda gpu, on: grown.append(gpu)
    )
    return grown


@pytest.mark.parametrize(
    ("asked", "used"), [("auto", "gpu:0"), ("gpu", "gpu:0"), ("gpu:1", "gpu:1"), ("cpu", "cpu")]
)
def test_the_device_asked_for_is_used(two_gpus, asked: str, used: str) -> None:
    assert runtime.choose_device(asked) == used
    # A GPU's memory is taken as needed, on every GPU or none: TensorFlow refuses a mixture.
    assert two_gpus == ([] if used == "cpu" else ["first", "second"])


def test_a_gpu_that_is_not_there_is_refused_with_what_to_do(two_gpus) -> None:
    with pytest.raises(DeviceError, match=r"TensorFlow sees 2 GPUs(.|\n)*--device cpu"):
        runtime.choose_device("gpu:2")


def test_a_word_that_is_no_device_is_refused() -> None:
    with pytest.raises(DeviceError, match="expected auto, cpu, gpu or gpu:N"):
        runtime.choose_device("tpu")


@pytest.mark.parametrize(("used", "placed"), [("cpu", "CPU:0"), ("gpu:1", "GPU:1")])
def test_the_model_is_loaded_and_run_under_its_device(
    tmp_path, monkeypatch, used: str, placed: str
) -> None:
    import tensorflow as tf

    folder = one_stage.save(tmp_path) / "saved_model"
    entered: list[str] = []
    real = tf.device

    def device(name: str):
        entered.append(name)
        return real("/CPU:0")

    monkeypatch.setattr(tf, "device", device)
    monkeypatch.setattr(runtime, "choose_device", lambda asked: used)
    opened = runtime.open_model(folder, used)
    opened.run(np.zeros((1, 30, 40, 3), np.uint8))
    assert opened.device == used
    assert entered == [f"/{placed}"] * 2


def test_weights_that_are_cut_are_an_error_of_ours(tmp_path: Path) -> None:
    """The library raises an IndexError."""
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(np.ones(500, np.float32))
    module.run = tf.function(lambda: {"sum": tf.reduce_sum(module.weights)}, input_signature=[])
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.run)
    for damage, told in ((-1000, "bytes"), (None, "")):
        cut = shutil.copytree(tmp_path / "model", tmp_path / f"cut {damage}")
        weights = cut / "variables" / "variables.data-00000-of-00001"
        weights.write_bytes(weights.read_bytes()[:damage])
        if damage is None:
            weights.unlink()
        with pytest.raises(ModelFormatError, match=rf"can't be opened as a SavedModel: .*{told}"):
            runtime.open_model(cut, "cpu")


def test_warnings_that_matter_to_training_alone_are_kept_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("absl")
    before = logger.level
    with runtime.quiet_absl():
        logger.warning("unsaved custom gradients")
        logger.error("something else")
    assert logger.level == before
    assert [record.message for record in caplog.records] == ["something else"]
