"""A SavedModel to serve: a numbered version, the exporter's names, any number of images a call."""

import numpy as np
import pytest

import tfzoo
from tests.exports.conftest import same
from tfzoo.errors import RuntimeUnavailableError

NAMES = ("detection_boxes", "detection_scores", "detection_classes")


def test_tensorflow_finds_the_same_in_a_batch_in_plain_code(made, image, expected) -> None:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(made("saved_model").path / "1"))
    detect = loaded.signatures["serving_default"]
    batch = np.stack([image[::-1], image])
    found = {name: value.numpy() for name, value in detect(tf.constant(batch)).items()}
    count = len(expected[1])
    assert found["num_detections"][1] == count
    same([found[name][1] for name in NAMES], expected)
    assert not found["detection_scores"][1, count:].any()
    alone = detect(input_tensor=tf.constant(batch[:1]))
    for name in NAMES:
        np.testing.assert_allclose(found[name][:1], alone[name].numpy(), atol=1e-5)


def test_xla_refuses_it_before_an_image_is_seen(made) -> None:
    with pytest.raises(RuntimeUnavailableError, match="CombinedNonMaxSuppression is in its graph"):
        tfzoo.load(made("saved_model").path / "1", runtime="xla")
