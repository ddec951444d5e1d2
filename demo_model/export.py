"""Writes the trained network and the held-out scenes: ``python -m demo_model.export``."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from demo_model import IMAGE_SIZE, MODEL_ID, PACKAGED, SHIPPED, STRIDE
from demo_model.scenes import PERSON, draw_scene
from demo_model.things import CATEGORIES
from demo_model.train import HELD_OUT_SCENES, WEIGHTS
from tfzoo.detections.labels import KEYPOINTS, SKELETON

DETECTIONS = 100
_PER_CATEGORY, _JOINT_CANDIDATES = 32, 16
"""How many peaks of a map are looked at; OpenVINO's TopK takes time with each."""
_UNMATCHED_SCORE = 0.1
"""Score of a keypoint without a peak of its own, as in the zoo's models."""
_MIN_WORTH = 0.05
"""What a peak's score, times its nearness 0..1, must exceed for a keypoint to move there."""
_SEARCH_SHARE = 0.3
"""How far from where the centre expects a keypoint its peak may lie, in shares of the box."""
SCENE_COUNT = 60


def build_module(network: Any) -> Any:
    """Wrap the network into what the zoo exports: one uint8 image in, detections out.

    Args:
        network: the network as ``network.fold`` gives it.

    Returns:
        A ``tf.Module`` that can be called, and saved with ``signatures=module.__call__``.
    """
    import tensorflow as tf

    class DemoCenterNet(tf.Module):  # type: ignore[misc]
        """The exported model."""

        def __init__(self) -> None:
            super().__init__(name="DemoCenterNet")
            self._variables = list(network.trainable_variables)

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8, name="input_tensor")]
        )
        def __call__(self, input_tensor: Any) -> dict[str, Any]:
            square, window = _fit(input_tensor)
            maps = {name: value[0] for name, value in network(square, training=False).items()}
            return {name: value[None] for name, value in decode(maps, window).items()}

    return DemoCenterNet()


def _fit(images: Any) -> tuple[Any, Any]:
    """Resize keeping the aspect and pad at the bottom and right.

    Args:
        images: uint8 [1, H, W, 3].

    Returns:
        float32 [1, 256, 256, 3], and the part of it that is image: float32 [2], height and width
        in cells of the network's maps.
    """
    import tensorflow as tf

    size = tf.cast(tf.shape(images)[1:3], tf.float32)
    # Not size * (IMAGE_SIZE / longer): OpenVINO 2026.4 inverts a constant divided by a shape.
    fitted = tf.maximum(tf.round(size * IMAGE_SIZE / tf.reduce_max(size)), 1.0)
    whole = tf.cast(fitted, tf.int32)
    resized = tf.image.resize(tf.cast(images, tf.float32), whole)
    padding = [[0, 0], [0, IMAGE_SIZE - whole[0]], [0, IMAGE_SIZE - whole[1]], [0, 0]]
    square = tf.ensure_shape(tf.pad(resized, padding), (1, IMAGE_SIZE, IMAGE_SIZE, 3))
    return square, fitted / STRIDE


def decode(maps: dict[str, Any], window: Any) -> dict[str, Any]:
    """Turn the network's maps into detections, as "Objects as Points" does (sections 4 and 5).

    Args:
        maps: the maps of one image, float32 [GRID, GRID, channels] each, see ``network.HEADS``.
        window: float32 [2], height and width of the image's part of the maps, cells.

    Returns:
        The zoo's CenterNet outputs without the batch dimension, all float32.
    """
    import tensorflow as tf

    grid = maps["centres"].shape[0]
    scores, cells = _peaks(maps["centres"], _PER_CATEGORY)  # [C, K], [C, K, 2]
    scores, best = tf.math.top_k(tf.reshape(scores, (-1,)), DETECTIONS)
    categories = tf.gather(tf.constant(list(CATEGORIES), tf.float32), best // _PER_CATEGORY)
    cells = tf.gather(tf.reshape(cells, (-1, 2)), best)
    at = tf.cast(cells[:, 0] * grid + cells[:, 1], tf.int32)

    def read(name: str) -> Any:
        return tf.gather(tf.reshape(maps[name], (grid * grid, -1)), at)

    middles, sides = cells + 0.5, read("boxes")
    low = tf.clip_by_value(middles - sides[:, :2], 0.0, window)
    high = tf.clip_by_value(middles + sides[:, 2:], 0.0, window)
    boxes = tf.concat([low, high], axis=1)
    expected = middles[:, None] + tf.reshape(read("joints"), (DETECTIONS, -1, 2))
    joints, joint_scores = _snap(expected, boxes, maps)
    is_person = tf.cast(tf.equal(categories, float(PERSON)), tf.float32)
    joints = tf.clip_by_value(joints / window, 0.0, 1.0)
    return {
        "detection_boxes": boxes / tf.tile(window, (2,)),
        "detection_scores": scores,
        "detection_classes": categories,
        "num_detections": tf.reduce_sum(tf.cast(scores > 0, tf.float32)),
        "detection_boxes_strided": boxes,
        "detection_keypoints": joints * is_person[:, None, None],
        "detection_keypoint_scores": joint_scores * is_person[:, None],
    }


def _peaks(logits: Any, count: int) -> tuple[Any, Any]:
    """The highest peaks of each channel.

    Args:
        logits: float32 [GRID, GRID, C].
        count: how many.

    Returns:
        Scores 0..1, float32 [C, count], descending; their cells (y, x), float32 [C, count, 2].
    """
    import tensorflow as tf

    heat = tf.sigmoid(logits)
    highest = tf.nn.max_pool2d(heat[None], 3, 1, "SAME")[0]
    heat = heat * tf.cast(tf.equal(heat, highest), tf.float32)
    grid, channels = heat.shape[0], heat.shape[2]
    planes = tf.transpose(tf.reshape(heat, (grid * grid, channels)))
    scores, at = tf.math.top_k(planes, count)
    return scores, tf.cast(tf.stack([at // grid, at % grid], axis=-1), tf.float32)


def _snap(expected: Any, boxes: Any, maps: dict[str, Any]) -> tuple[Any, Any]:
    """Move each expected keypoint to the best peak of its kind near it.

    Args:
        expected: float32 [N, 17, 2], cells.
        boxes: float32 [N, 4], cells.
        maps: as in ``decode``.

    Returns:
        Keypoints float32 [N, 17, 2], cells, and their scores [N, 17].
    """
    import tensorflow as tf

    grid = maps["joint_centres"].shape[0]
    scores, cells = _peaks(maps["joint_centres"], _JOINT_CANDIDATES)  # [17, K], [17, K, 2]
    at = tf.cast(cells[..., 0] * grid + cells[..., 1], tf.int32)
    places = cells + tf.gather(tf.reshape(maps["joint_offsets"], (-1, 2)), at)
    distances = tf.norm(expected[:, :, None] - places, axis=-1)  # [N, 17, K]
    sizes = boxes[:, 2:] - boxes[:, :2]
    reach = _SEARCH_SHARE * tf.reduce_max(sizes, axis=1) + 1.0
    worth = scores * tf.maximum(1.0 - distances / reach[:, None, None], 0.0)  # [N, 17, K]
    best = tf.argmax(worth, axis=2, output_type=tf.int32)  # [N, 17]
    found = tf.reduce_max(worth, axis=2) > _MIN_WORTH
    rank = tf.range(len(KEYPOINTS)) * _JOINT_CANDIDATES + best
    snapped = tf.gather(tf.reshape(places, (-1, 2)), rank)
    snapped_scores = tf.gather(tf.reshape(scores, (-1,)), rank)
    return (
        tf.where(found[..., None], snapped, expected),
        tf.where(found, snapped_scores, _UNMATCHED_SCORE),
    )


def save_model(network: Any, folder: Path) -> None:
    """Write ``folder/saved_model`` from a folded network."""
    import tensorflow as tf

    module = build_module(network)
    tf.saved_model.save(
        module,
        str(folder / "saved_model"),
        signatures={"serving_default": module.__call__},
        options=tf.saved_model.SaveOptions(save_debug_info=False),
    )


def pack(folder: Path, archive: Path) -> None:
    """Pack a model folder as the zoo does; the same files give the same bytes."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in [folder, *sorted(folder.rglob("*"))]:
            member = tarfile.TarInfo(path.relative_to(folder.parent).as_posix())
            if path.is_dir():
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
            else:
                member.size, member.mode = path.stat().st_size, 0o644
                with path.open("rb") as content:
                    tar.addfile(member, content)


def write_held_out_scenes(folder: Path, count: int = SCENE_COUNT) -> None:
    """Write the held-out scenes as JPEG, and ``annotations.json`` in COCO's format.

    One file serves both evaluations: every annotation has its box, persons have keypoints too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.jpg"):
        old.unlink()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(count):
        scene = draw_scene(HELD_OUT_SCENES, index)
        height, width = scene.image.shape[:2]
        name = f"scene_{index:03d}.jpg"
        cv2.imwrite(
            str(folder / name),
            scene.image[..., ::-1],
            [cv2.IMWRITE_JPEG_QUALITY, 75, cv2.IMWRITE_JPEG_OPTIMIZE, 1],
        )
        images.append({"id": index + 1, "file_name": name, "height": height, "width": width})
        for box, category, area, points in zip(
            scene.boxes, scene.category_ids, scene.areas, scene.keypoints, strict=True
        ):
            x0, y0, x1, y1 = box.tolist()
            annotation: dict[str, Any] = {
                "id": len(annotations) + 1,
                "image_id": index + 1,
                "category_id": int(category),
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": float(area),
                "iscrowd": 0,
            }
            if category == PERSON:
                annotation["num_keypoints"] = int(np.count_nonzero(points[:, 2]))
                flat = points.astype(float).round(1).reshape(-1).tolist()
                annotation["keypoints"] = [int(v) if v == int(v) else v for v in flat]
            annotations.append(annotation)
    categories: list[dict[str, Any]] = [
        {"id": number, "name": name} for number, name in CATEGORIES.items()
    ]
    categories[0] |= {
        "keypoints": list(KEYPOINTS),
        "skeleton": [[a + 1, b + 1] for a, b in SKELETON],
    }
    text = json.dumps(
        {
            "info": {"description": "Synthetic scenes drawn by demo_model, held out of training"},
            "images": images,
            "annotations": annotations,
            "categories": categories,
        },
        separators=(",", ":"),
    )
    (folder / "annotations.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write the archive and the scenes, and say what they are."""
    from demo_model.evaluate import describe, evaluate_archive
    from demo_model.network import build, fold

    trained = build()
    trained.load_weights(WEIGHTS)
    archive = PACKAGED / f"{MODEL_ID}.tar.gz"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / MODEL_ID
        save_model(fold(trained), folder)
        (folder / "saved_model" / "fingerprint.pb").unlink(missing_ok=True)
        shutil.rmtree(folder / "saved_model" / "assets", ignore_errors=True)
        pack(folder, archive)
    scenes = PACKAGED / "scenes"
    write_held_out_scenes(scenes)
    shipped = describe(archive, scenes) | {"metrics": evaluate_archive(archive, scenes)}
    text = json.dumps(shipped, indent=2)
    SHIPPED.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
