"""Counts what a model's network computes for an image: the `operations` of zoo_manifest.yaml.

    python -m benchmarks.count_operations CONFIG --size 640x640
    python -m benchmarks.count_operations --yolov5

The graph is the one that the Object Detection API builds from a training config (a file of
`object_detection/configs/tf2`), at the input size. It needs the API on the path, its protos
compiled, with the libraries of its time (TensorFlow 2.5 or so; later ones with
`TF_USE_LEGACY_KERAS=1` and the modules that it takes from `tensorflow.python.keras` put in their
place). Convolutions and products of matrices count; a multiply-add counts once. Of EfficientDet D0
it finds 2.495 G, where the paper prints 2.5 (Tan et al. 2020, arXiv 1911.09070, table 2).

Models of one config at two sizes that the strides divide scale with the pixels, and are counted
once; a deeper ResNet adds to an SSD what it adds to a Faster R-CNN of the same size. YOLOv5 is
counted by its model files, layer by layer, and needs nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from math import ceil, prod
from pathlib import Path
from typing import Any

#: Depth and width of YOLOv5's sizes, as `models/yolov5*.yaml` of release v7.0 give them.
YOLOV5 = {"s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}


#: TensorFlow's operations that count.
CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput")
PRODUCTS = ("MatMul", "BatchMatMulV2")

#: Gives the shape of a tensor.
Shape = Callable[[Any], Sequence[int]]


def count(operations: Iterable[Any], shape: Shape = lambda port: port.shape) -> tuple[int, int]:
    """Multiply-adds of operations of a TensorFlow graph, and the numbers they put out."""
    multiply_adds = outputs = 0
    for op in operations:
        if op.type not in (*CONVOLUTIONS, *PRODUCTS):
            continue
        first, second, out = shape(op.inputs[0]), shape(op.inputs[1]), shape(op.outputs[0])
        if op.type == "Conv2D":
            multiply_adds += prod(out) * prod(second[:3])
        elif op.type == "DepthwiseConv2dNative":
            multiply_adds += prod(out) * prod(second[:2])
        elif op.type == "Conv2DBackpropInput":
            multiply_adds += prod(shape(op.inputs[2])) * prod(second[:3])
        else:
            turned = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
            multiply_adds += prod(out) * first[-2 if turned else -1]
        outputs += prod(out)
    return multiply_adds, outputs


def count_model(path: Path) -> tuple[int, int]:
    """The same of a SavedModel, by the shapes that its tensors have for an image of 600x600."""
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = tf.saved_model.load(str(path))
    frozen = convert_variables_to_constants_v2(model.signatures["serving_default"])
    operations = [
        op for op in frozen.graph.get_operations() if op.type in (*CONVOLUTIONS, *PRODUCTS)
    ]
    ports = {one.name: one for op in operations for one in (*op.inputs, *op.outputs)}
    run = frozen.prune(frozen.inputs, list(ports.values()))
    found = run(tf.constant(np.zeros((1, 600, 600, 3), np.uint8)))
    known = dict(zip(ports, (value.shape.as_list() for value in found), strict=True))
    return count(operations, lambda port: known[port.name])


def count_config(path: str, height: int, width: int) -> tuple[int, int]:
    """The same of the graph that the API builds from a training config."""
    import tensorflow as tf
    from object_detection.builders import model_builder
    from object_detection.utils import config_util

    config = config_util.get_configs_from_pipeline_file(path)["model"]
    model = model_builder.build(config, is_training=False)

    @tf.function(input_signature=[tf.TensorSpec([1, height, width, 3], tf.float32)])
    def predict(image: Any) -> Any:
        found = model.predict(image, tf.constant([[height, width, 3]], tf.int32))
        return {name: one for name, one in found.items() if isinstance(one, tf.Tensor | list)}

    return count(predict.get_concrete_function().graph.get_operations())


class YOLOv5:
    """Counts the layers of a YOLOv5 at 640x640 and 80 classes."""

    def __init__(self, depth: float, width: float) -> None:
        self.depth, self.width = depth, width
        self.multiply_adds = self.outputs = 0
        sides = [640 // 2**level for level in range(6)]
        x = self.convolve(3, self.wide(64), 6, sides[1])
        x = self.c3(self.convolve(x, self.wide(128), 3, sides[2]), 128, 3, sides[2])
        level3 = x = self.c3(self.convolve(x, self.wide(256), 3, sides[3]), 256, 6, sides[3])
        level4 = x = self.c3(self.convolve(x, self.wide(512), 3, sides[4]), 512, 9, sides[4])
        x = self.c3(self.convolve(x, self.wide(1024), 3, sides[5]), 1024, 3, sides[5])
        # Pooled three times over, and all four laid together (SPPF).
        x = self.convolve(4 * self.convolve(x, x // 2, 1, sides[5]), self.wide(1024), 1, sides[5])
        up5 = self.convolve(x, self.wide(512), 1, sides[5])
        up4 = self.convolve(self.c3(up5 + level4, 512, 3, sides[4]), self.wide(256), 1, sides[4])
        out3 = self.c3(up4 + level3, 256, 3, sides[3])
        out4 = self.c3(self.convolve(out3, out3, 3, sides[4]) + up4, 512, 3, sides[4])
        out5 = self.c3(self.convolve(out4, out4, 3, sides[5]) + up5, 1024, 3, sides[5])
        for out, side in zip((out3, out4, out5), sides[3:], strict=True):
            self.convolve(out, 3 * (5 + 80), 1, side)

    def wide(self, channels: int) -> int:
        """The channels of a layer at this model's width."""
        return ceil(channels * self.width / 8) * 8

    def convolve(self, channels: int, out: int, kernel: int, side: int) -> int:
        """A convolution; gives its channels."""
        self.multiply_adds += side * side * channels * out * kernel * kernel
        self.outputs += side * side * out
        return out

    def c3(self, channels: int, out: int, repeats: int, side: int) -> int:
        """Three convolutions around bottlenecks; gives its channels."""
        out = self.wide(out)
        half = out // 2
        self.convolve(channels, half, 1, side)
        self.convolve(channels, half, 1, side)
        for _ in range(max(round(repeats * self.depth), 1)):
            self.convolve(self.convolve(half, half, 1, side), half, 3, side)
        return self.convolve(2 * half, out, 1, side)


def main() -> None:
    """Prints what was counted as the manifest has it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", nargs="?", help="a training config of the API")
    parser.add_argument("--size", default="640x640", help="height and width of the input")
    parser.add_argument("--yolov5", action="store_true", help="count YOLOv5's four sizes instead")
    given = parser.parse_args()
    if given.yolov5:
        models = {f"yolov5{size}": YOLOv5(*scale) for size, scale in YOLOV5.items()}
        counted = {name: (one.multiply_adds, one.outputs) for name, one in models.items()}
    else:
        height, _, width = given.size.partition("x")
        counted = {given.config: count_config(given.config, int(height), int(width))}
    for name, (multiply_adds, outputs) in counted.items():
        print(f"{name}: {{gmacs: {multiply_adds / 1e9:.4g}, macts: {outputs / 1e6:.4g}}}")


if __name__ == "__main__":
    main()
