"""Trains the network from scratch on scenes drawn for it: ``python -m demo_model.train``."""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from demo_model import IMAGE_SIZE, STRIDE
from demo_model.scenes import PERSON, Scene, draw_scene
from demo_model.things import CATEGORIES
from tfzoo.detections.labels import KEYPOINTS

WEIGHTS = Path("build/demo_model/trained.weights.h5")
SEED = 20
TRAINING_SCENES, HELD_OUT_SCENES = 1, 2
"""First number of a scene's seed: the two sets never share one."""
SCENE_COUNT = 3000
STEPS = 3000
BATCH = 8
PEAK_LEARNING_RATE = 4e-3
MAX_THINGS = 16
MAX_PERSONS = 6
_MIRRORED = [
    KEYPOINTS.index(name.replace("left", "?").replace("right", "left").replace("?", "right"))
    for name in KEYPOINTS
]
_CLASS_OF = {category: index for index, category in enumerate(CATEGORIES)}


class Example(NamedTuple):
    """One training image, or a batch of them with a leading dimension.

    Attributes:
        image: uint8 [256, 256, 3], fitted into the square as the exported model does.
        boxes: float32 [MAX_THINGS, 4], y0, x0, y1, x1, pixels of the square; persons first.
        classes: int32 [MAX_THINGS], rank in ``CATEGORIES``; -1 for unused rows.
        keypoints: float32 [MAX_PERSONS, 17, 3], y, x, and 1 where labelled.
    """

    image: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int32]
    keypoints: npt.NDArray[np.float32]


def to_example(scene: Scene) -> Example:
    """Fit a scene into the network's square, top left, and put its persons first."""
    height, width = scene.image.shape[:2]
    ratio = IMAGE_SIZE / max(height, width)
    size = (round(width * ratio), round(height * ratio))
    image = np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    image[: size[1], : size[0]] = cv2.resize(scene.image, size, interpolation=cv2.INTER_LINEAR)
    order = np.argsort(scene.category_ids != PERSON, kind="stable")[:MAX_THINGS]
    boxes = np.zeros((MAX_THINGS, 4), np.float32)
    boxes[: len(order)] = scene.boxes[order][:, [1, 0, 3, 2]] * ratio
    classes = np.full(MAX_THINGS, -1, np.int32)
    classes[: len(order)] = [_CLASS_OF[int(scene.category_ids[row])] for row in order]
    keypoints = np.zeros((MAX_PERSONS, 17, 3), np.float32)
    rows = order[:MAX_PERSONS]
    keypoints[: len(rows), :, :2] = scene.keypoints[rows][:, :, [1, 0]] * ratio
    keypoints[: len(rows), :, 2] = scene.keypoints[rows][:, :, 2] > 0
    return Example(image, boxes, classes, keypoints)


def _draw_example(index: int) -> Example:
    cv2.setNumThreads(1)
    return to_example(draw_scene(TRAINING_SCENES, index))


def draw_examples(count: int) -> list[Example]:
    """Draw the training scenes, on all processors; always the same ones in the same order."""
    with multiprocessing.get_context("spawn").Pool() as pool:
        return pool.map(_draw_example, range(count), chunksize=25)


def augment(example: Example, random: np.random.Generator) -> Example:
    """Mirror, move, resize and relight an example, each by chance."""
    image, boxes, classes, keypoints = example
    matrix = np.eye(3)
    mirrored = random.random() < 0.5
    if mirrored:
        matrix = np.array([[-1.0, 0.0, IMAGE_SIZE], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    if random.random() < 0.7:
        scale = random.uniform(0.75, 1.3)
        shift = random.uniform(-0.12, 0.12, 2) * IMAGE_SIZE + (1 - scale) * IMAGE_SIZE / 2
        move = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]])
        matrix = move @ matrix
    # warpAffine counts from pixel centres, boxes from pixel corners.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    pixels = (np.linalg.inv(half) @ matrix @ half)[:2]
    size = (IMAGE_SIZE, IMAGE_SIZE)
    moved_image = cv2.warpAffine(image, pixels, size, flags=cv2.INTER_LINEAR)
    gain, lift = random.uniform(0.8, 1.2), random.uniform(-16, 16)
    tint = np.array([*gain * random.uniform(0.92, 1.08, 3), 1.0])
    lit = cv2.add(cv2.multiply(moved_image, tint), np.array([lift, lift, lift, 0.0]))

    def moved(ys: Any, xs: Any) -> Any:
        return ys * matrix[1, 1] + matrix[1, 2], xs * matrix[0, 0] + matrix[0, 2]

    y0, x0 = moved(boxes[:, 0], boxes[:, 1])
    y1, x1 = moved(boxes[:, 2], boxes[:, 3])
    whole = np.stack([y0, np.minimum(x0, x1), y1, np.maximum(x0, x1)], axis=1)
    inside = np.clip(whole, 0, IMAGE_SIZE)
    sides = inside[:, 2:] - inside[:, :2]
    share = sides.prod(axis=1) / np.maximum((whole[:, 2:] - whole[:, :2]).prod(axis=1), 1e-6)
    kept = (classes >= 0) & (share > 0.3) & (sides.min(axis=1) > 5)
    ys, xs = moved(keypoints[..., 0], keypoints[..., 1])
    labelled = (keypoints[..., 2] > 0) & (np.minimum(ys, xs) >= 0)
    labelled &= (np.maximum(ys, xs) < IMAGE_SIZE) & kept[:MAX_PERSONS, None]
    points = np.stack([ys, xs, labelled], axis=-1)
    if mirrored:
        points = points[:, _MIRRORED]
    return Example(
        np.asarray(lit, np.uint8),
        inside.astype(np.float32),
        np.where(kept, classes, -1).astype(np.int32),
        points.astype(np.float32),
    )


def batches(examples: list[Example], count: int) -> Iterator[Example]:
    """Yield ``count`` augmented batches, going over the examples in new orders."""
    random = np.random.default_rng(SEED)
    order: list[int] = []
    for _ in range(count):
        while len(order) < BATCH:
            order += random.permutation(len(examples)).tolist()
        chosen, order = order[:BATCH], order[BATCH:]
        made = [augment(examples[index], random) for index in chosen]
        yield Example(*(np.stack(field) for field in zip(*made, strict=True)))


def compute_loss(maps: dict[str, Any], batch: Example) -> Any:
    """The loss of a batch.

    Heat maps: the penalty-reduced focal loss of CenterNet (equation 1, alpha 2, beta 4). Boxes:
    generalized IoU (Rezatofighi et al., arXiv 1902.09630) weighted by a Gaussian about the
    centre (Training-Time-Friendly Network, section 3). Keypoints from the centre: L1 in shares
    of the box's size, at the same cells. Offsets of keypoints in their cells: L1.

    Args:
        maps: what the network gives, see ``network.HEADS``.
        batch: tensors as in ``Example`` with a leading batch dimension.

    Returns:
        A scalar tensor.
    """
    import tensorflow as tf

    from demo_model.network import GRID

    boxes = tf.cast(batch.boxes, tf.float32) / STRIDE
    used = tf.cast(batch.classes >= 0, tf.float32)  # [B, M]
    batch_size, class_count = tf.shape(boxes)[0], len(CATEGORIES)
    centres = tf.floor((boxes[..., :2] + boxes[..., 2:]) / 2)
    sizes = boxes[..., 2:] - boxes[..., :2]
    spots = _spots(centres, sizes * 0.09) * used[..., None, None]  # [B, M, G, G]
    plane = tf.where(
        batch.classes >= 0, tf.range(batch_size)[:, None] * class_count + batch.classes, -1
    )
    heat = tf.math.unsorted_segment_max(
        tf.reshape(spots, (-1, GRID, GRID)), tf.reshape(plane, (-1,)), batch_size * class_count
    )
    heat = tf.reshape(tf.maximum(heat, 0.0), (-1, class_count, GRID, GRID))
    loss = _focal_loss(maps["centres"], tf.transpose(heat, (0, 2, 3, 1)))

    # The nine cells about each centre learn its box and its keypoints.
    near = tf.stack(tf.meshgrid(*[tf.range(-1.0, 2.0)] * 2, indexing="ij"), axis=-1)
    near = tf.reshape(near, (9, 2))
    cells = tf.clip_by_value(centres[:, :, None] + near, 0, GRID - 1)  # [B, M, 9, 2]
    at = tf.cast(cells, tf.int32)
    weight = tf.reduce_sum(tf.square(near / tf.maximum(sizes[:, :, None] / 6, 0.3)), axis=-1)
    weight = tf.exp(-0.5 * weight) * used[..., None]  # [B, M, 9]
    sides = tf.gather_nd(maps["boxes"], at, batch_dims=1)
    predicted = tf.concat([cells + 0.5 - sides[..., :2], cells + 0.5 + sides[..., 2:]], axis=-1)
    overlap = _generalized_iou(predicted, boxes[:, :, None])
    loss += 4.0 * tf.reduce_sum((1 - overlap) * weight) / (tf.reduce_sum(weight) + 1.0)

    points = batch.keypoints / (STRIDE, STRIDE, 1.0)  # [B, P, 17, 3]
    labelled = points[..., 2]
    joints = tf.reduce_sum(labelled) + 1.0
    offsets = tf.gather_nd(maps["joints"], at[:, :MAX_PERSONS], batch_dims=1)
    offsets = tf.reshape(offsets, (-1, MAX_PERSONS, 9, 17, 2))
    error = cells[:, :MAX_PERSONS, :, None] + 0.5 + offsets - points[:, :, None, :, :2]
    reach = tf.sqrt(tf.reduce_prod(sizes[:, :MAX_PERSONS], axis=-1)) + 1e-3
    weight = weight[:, :MAX_PERSONS] / reach[..., None]
    weight = weight[..., None] * labelled[:, :, None]  # [B, P, 9, 17]
    loss += tf.reduce_sum(tf.reduce_sum(tf.abs(error), axis=-1) * weight) / joints

    joint_cells = tf.floor(points[..., :2])
    spread = tf.clip_by_value(reach * 0.03, 0.5, 1.0)[..., None, None] * tf.ones_like(joint_cells)
    joint_heat = tf.reduce_max(_spots(joint_cells, spread) * labelled[..., None, None], axis=1)
    loss += 2.0 * _focal_loss(maps["joint_centres"], tf.transpose(joint_heat, (0, 2, 3, 1)))
    at = tf.cast(tf.clip_by_value(joint_cells, 0, GRID - 1), tf.int32)
    found = tf.gather_nd(maps["joint_offsets"], at, batch_dims=1)
    error = tf.reduce_sum(tf.abs(found - (points[..., :2] - joint_cells)), axis=-1)
    return loss + 0.5 * tf.reduce_sum(error * labelled) / joints


def _spots(centres: Any, spreads: Any) -> Any:
    """Gaussian spots: [..., 2] y, x and standard deviations, in cells, to [..., GRID, GRID]."""
    import tensorflow as tf

    from demo_model.network import GRID

    distance = tf.range(GRID, dtype=tf.float32) - centres[..., None]  # [..., 2, G]
    height = tf.exp(-0.5 * tf.square(distance / tf.maximum(spreads[..., None], 0.3)))
    return height[..., 0, :, None] * height[..., 1, None, :]


def _focal_loss(logits: Any, heat: Any) -> Any:
    """Equation 1 of CenterNet, per peak; both [B, G, G, C]."""
    import tensorflow as tf

    probability = tf.sigmoid(logits)
    peak = tf.cast(heat > 0.999, tf.float32)
    missed = tf.square(1 - probability) * tf.math.log_sigmoid(logits) * peak
    invented = (1 - heat) ** 4 * tf.square(probability) * tf.math.log_sigmoid(-logits)
    return -tf.reduce_sum(missed + invented * (1 - peak)) / (tf.reduce_sum(peak) + 1.0)


def _generalized_iou(first: Any, second: Any) -> Any:
    """Generalized IoU of boxes [..., 4] (y0, x0, y1, x1), -1..1."""
    import tensorflow as tf

    def area(low: Any, high: Any) -> Any:
        return tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)

    low = tf.maximum(first[..., :2], second[..., :2])
    high = tf.minimum(first[..., 2:], second[..., 2:])
    common = area(low, high)
    union = area(first[..., :2], first[..., 2:]) + area(second[..., :2], second[..., 2:]) - common
    hull = area(
        tf.minimum(first[..., :2], second[..., :2]), tf.maximum(first[..., 2:], second[..., 2:])
    )
    return common / (union + 1e-6) - (hull - union) / (hull + 1e-6)


def train(steps: int = STEPS, scene_count: int = SCENE_COUNT) -> tuple[Any, list[float]]:
    """Train from scratch, from the seed.

    Args:
        steps: optimizer steps; the learning rate falls to nothing over them.
        scene_count: how many different scenes to train on.

    Returns:
        The trained network and the loss of every step.
    """
    import keras
    import tensorflow as tf

    from demo_model import network

    examples = draw_examples(scene_count)
    keras.utils.set_random_seed(SEED)
    model = network.build()
    rate = keras.optimizers.schedules.CosineDecay(
        PEAK_LEARNING_RATE / 20,
        steps,
        warmup_target=PEAK_LEARNING_RATE,
        warmup_steps=max(1, steps // 20),
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-3, global_clipnorm=10.0)

    @tf.function  # type: ignore[untyped-decorator]
    def step(*fields: Any) -> Any:
        batch = Example(*fields)
        with tf.GradientTape() as tape:
            maps = model(tf.cast(batch.image, tf.float32), training=True)
            loss = compute_loss(maps, batch)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    signature = tuple(tf.TensorSpec((None, *field.shape), field.dtype) for field in examples[0])
    data = tf.data.Dataset.from_generator(
        lambda: (tuple(batch) for batch in batches(examples, steps)), output_signature=signature
    )
    losses: list[float] = []
    started = time.monotonic()
    for fields in data.prefetch(4):
        losses.append(float(step(*fields)))
        if len(losses) % 50 == 0:
            recent = sum(losses[-50:]) / len(losses[-50:])
            seconds = time.monotonic() - started
            print(f"step {len(losses)}/{steps}  loss {recent:.3f}  {seconds:.0f} s", flush=True)
    return model, losses


def main() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--scenes", type=int, default=SCENE_COUNT)
    arguments = parser.parse_args()
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    model, _ = train(arguments.steps, arguments.scenes)
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    model.save_weights(WEIGHTS)
    seconds = time.process_time()
    print(f"wrote {WEIGHTS} after {seconds:.0f} processor seconds, drawing not counted")


if __name__ == "__main__":
    main()
