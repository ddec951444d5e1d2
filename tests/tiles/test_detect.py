"""Images in tiles through real models: what is found, what comes along, where one suffices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tfzoo
from tests.helpers import standins
from tests.helpers.folders import everything, rows, save, stop_after
from tfzoo.batch.folder import detect_folder
from tfzoo.detecting import DetectOptions, TileOptions
from tfzoo.detector import Detector
from tfzoo.errors import ImageError, UsageError
from tfzoo.tiles.detect import LONGEST_WHOLE, in_tiles


@pytest.fixture(scope="session")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Detector]:
    folder = tmp_path_factory.mktemp("tiled")
    kinds = ("standard", "mask_rcnn", "centernet_keypoints")
    return {
        kind: tfzoo.load(standins.save(kind, folder / kind), runtime="tensorflow", device="cpu")
        for kind in kinds
    }


def crowd(height: int = 200, width: int = 300) -> NDArray[np.uint8]:
    """Two persons, of which a stand-in that sees the whole image makes one."""
    image = standins.paint(height, width, person=(10, 20, 40, 60))
    other = standins.paint(height, width, person=(230, 120, 260, 170), brightness=(220, 190, 180))
    return np.maximum(image, other)


TILES = TileOptions(tile=128, overlap=0.5, whole_image=False)


@pytest.mark.parametrize("kind", ["standard", "mask_rcnn", "centernet_keypoints"])
def test_what_lies_in_different_tiles_is_found_apart_with_all_that_belongs_to_it(
    detectors: dict[str, Detector], kind: str
) -> None:
    found = detectors[kind].detect(crowd(), 0.1, TILES)
    expected = [[230, 120, 260, 170], [10, 20, 40, 60]]
    assert len(detectors[kind].detect(crowd(), 0.1)) == 1
    assert found.image_size == (200, 300)
    assert np.allclose(found.boxes, expected, atol=1e-3)
    assert np.allclose(found.scores, [220 / 255, 200 / 255])
    if kind == "mask_rcnn":
        for i, (x0, y0, x1, y1) in enumerate(expected):
            mask = found.mask(i)
            assert mask[y0 + 1 : y1 - 1, x0 + 1 : (x0 + x1) // 2 - 2].all()
            assert not mask[:, (x0 + x1) // 2 + 2 :].any() and not mask[:, : x0 - 1].any()
    if kind == "centernet_keypoints":
        assert found.keypoints is not None
        for points, (x0, y0, x1, y1) in zip(found.keypoints, expected, strict=True):
            along = np.arange(17)[:, None] / 16
            assert np.allclose(points, [x0, y0] + along * [x1 - x0, y1 - y0], atol=1e-3)
    assert found.draw(crowd()).shape == (200, 300, 3)


def test_an_object_without_keypoints_still_has_none(detectors: dict[str, Detector]) -> None:
    image = standins.paint(200, 300, dog=(230, 120, 260, 170))
    found = detectors["centernet_keypoints"].detect(image, 0.1, TILES)
    assert found.keypoints is not None and found.keypoint_scores is not None
    assert np.isnan(found.keypoint_scores).all() and not found.keypoints.any()
    assert found[0].keypoints is None


def test_what_no_tile_holds_is_found_in_the_whole_image(detectors: dict[str, Detector]) -> None:
    side = 2 * LONGEST_WHOLE
    image = standins.paint(300, side, person=(40, 20, side - 40, 280))
    found = detectors["standard"].detect(image, 0.1, TileOptions(tile=(300, 1024)))
    assert found.boxes[-1] == pytest.approx([40, 20, side - 40, 280], abs=4)
    assert found.boxes[:, 2].max() > side - 50


@pytest.mark.parametrize("kind", ["standard", "mask_rcnn", "centernet_keypoints"])
def test_where_one_tile_suffices_all_is_as_without(
    detectors: dict[str, Detector], kind: str
) -> None:
    image = crowd()
    detector = detectors[kind]
    assert not in_tiles((200, 300), TileOptions(tile=(200, 300)))
    assert in_tiles((200, 300), TileOptions(tile=(200, 299)))
    assert detector.detect(image, 0.1, TileOptions(tile=300)) == detector.detect(image, 0.1)
    options = DetectOptions(tile=300, min_score=0.1)
    assert list(detector.stream([image], options=options)) == [detector.detect(image, 0.1)]


def test_a_tile_that_fails_fails_its_image_and_is_named(
    detectors: dict[str, Detector], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = detectors["standard"]
    run = detector.runtime.run

    def fail(*given: Any) -> Any:
        if given[0].max() > 210:
            raise RuntimeError("no memory")
        return run(*given)

    monkeypatch.setattr(detector.runtime, "run", fail)
    with pytest.raises(ImageError, match=r"the tile of 128x128 pixels at 1.*: .*no memory"):
        detector.detect(crowd(), 0.1, TILES)


def test_a_run_in_tiles_says_what_a_stream_finds_and_is_gone_on_with_alike(
    detectors: dict[str, Detector], tmp_path: Path
) -> None:
    for i in range(3):
        save(tmp_path / f"photos/{i}.png", crowd(200 + i))
    (tmp_path / "photos/3.png").write_bytes(b"no image")
    detector = detectors["standard"]
    tiles: dict[str, Any] = {"tile": "128", "overlap": 0.5, "whole_image": False}
    told: list[tuple[str, int, int]] = []
    options = {**tiles, "tile": 32, "overlap": 0.3}
    detect_folder(
        tmp_path / "photos/0.png",
        detector,
        tmp_path / "many",
        **options,
        on_step=lambda *a: told.append(a),
    )
    assert told[-1][1] == told[-1][2] > 100 and "in tiles" in told[-1][0]
    summary = detect_folder(tmp_path / "photos", detector, tmp_path / "out", **tiles, crops=True)
    assert (summary.images, summary.failed, summary.detections) == (4, 1, 6)
    assert len(list((tmp_path / "out/crops").rglob("*.jpg"))) == 6
    paths = [tmp_path / f"photos/{i}.png" for i in range(3)]
    streamed = list(detector.stream(paths, options=DetectOptions(**tiles)))
    boxes = [row["bbox"] for row in rows(tmp_path / "out")]
    for box, (x0, y0, x1, y1) in zip(boxes, np.vstack([f.boxes for f in streamed]), strict=True):
        assert box == pytest.approx([x0, y0, x1 - x0, y1 - y0], abs=0.01)
    with pytest.raises(KeyboardInterrupt):
        detect_folder(
            tmp_path / "photos",
            detector,
            tmp_path / "two",
            **tiles,
            crops=True,
            on_progress=stop_after(1),
        )
    with pytest.raises(UsageError, match=r"tile: was \[128, 128\], now null"):
        detect_folder(
            tmp_path / "photos",
            detector,
            tmp_path / "two",
            resume=True,
            crops=True,
            overlap=0.5,
            whole_image=False,
        )
    detect_folder(tmp_path / "photos", detector, tmp_path / "two", **tiles, resume=True, crops=True)
    assert everything(tmp_path / "two")[2:3] == everything(tmp_path / "out")[2:3]


@pytest.mark.parametrize(
    "given",
    [
        {"tile": "0"},
        {"tile": "big"},
        {"tile": "5x5x5"},
        {"tile": 31},
        {"overlap": 0.95},
        {"overlap": -1},
        {"merge": "wbf"},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(given))} is .*expected"):
        DetectOptions(**given)


def test_a_tile_is_height_and_width() -> None:
    assert TileOptions(tile="512x384").tile == (512, 384)
    assert TileOptions(tile=np.int64(64)).tile == TileOptions(tile="64").tile == (64, 64)  # type: ignore[arg-type]
