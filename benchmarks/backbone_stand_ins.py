"""Makes stand-ins of three zoo models: the true backbone with random weights, the true signature.

    python benchmarks/backbone_stand_ins.py /tmp/stand-ins
    tfzoo benchmark /tmp/stand-ins/*

Where the zoo's archives can't be had, these tell what a model of their kind costs. They detect
nothing of sense, and their times are those of the backbone, two convolutions as a head, and a
class-wise non-maximum suppression like the export's: never the zoo's own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

#: Zoo model, its backbone in Keras, input side in pixels, range of the input.
BACKBONES: dict[str, tuple[str, int, Callable[[Any], Any]]] = {
    "stand_in_ssd_mobilenet_v2_320x320": ("MobileNetV2", 320, lambda x: x / 127.5 - 1),
    "stand_in_ssd_resnet50_640x640": ("ResNet50", 640, lambda x: x - 127.5),
    "stand_in_efficientdet_d0_512x512": ("EfficientNetB0", 512, lambda x: x),
}
CLASSES, ANCHORS_A_CELL, DETECTIONS = 90, 3, 100


class StandIn(tf.Module):
    """uint8 [1, H, W, 3] in, the standard outputs of the zoo's exports out."""

    def __init__(self, backbone: str, side: int, scale: Callable[[Any], Any]) -> None:
        super().__init__()
        tf.keras.utils.set_random_seed(0)
        keras = tf.keras
        base = getattr(keras.applications, backbone)(
            include_top=False, weights=None, input_shape=(side, side, 3)
        )
        features = keras.layers.Conv2D(256, 3, padding="same", activation="relu")(base.output)
        depth = ANCHORS_A_CELL * (4 + CLASSES)
        self.network = keras.Model(
            base.input, keras.layers.Conv2D(depth, 3, padding="same")(features)
        )
        self.side, self.scale = side, scale

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")])
    def serve(self, input_tensor: Any) -> dict[str, Any]:
        """Detects one image."""
        image = tf.image.resize(tf.cast(input_tensor, tf.float32), (self.side, self.side))
        raw = tf.reshape(self.network(self.scale(image), training=False), [-1, 4 + CLASSES])
        centre, size = tf.sigmoid(raw[:, :2]), 0.1 + 0.4 * tf.sigmoid(raw[:, 2:4])
        raw_boxes = tf.concat([centre - size / 2, centre + size / 2], axis=1)[tf.newaxis]
        raw_scores = tf.sigmoid(raw[:, 4:])[tf.newaxis]
        boxes, scores, classes, count = tf.image.combined_non_max_suppression(
            raw_boxes[:, :, tf.newaxis], raw_scores, DETECTIONS, DETECTIONS, 0.6, 1e-8
        )
        return {
            "detection_boxes": boxes,
            "detection_scores": scores,
            "detection_classes": classes + 1,
            "num_detections": tf.cast(count, tf.float32),
            "raw_detection_boxes": raw_boxes,
            "raw_detection_scores": raw_scores,
        }


def main() -> None:
    """Saves every stand-in under the folder named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where to put them, outside of this repository")
    folder = parser.parse_args().folder
    for name, (backbone, side, scale) in BACKBONES.items():
        model = StandIn(backbone, side, scale)
        tf.saved_model.save(model, str(folder / name), signatures={"serving_default": model.serve})
        print(folder / name)


if __name__ == "__main__":
    main()
