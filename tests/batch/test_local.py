"""The engine of one machine: in order, bounded, on several devices; a bad image stops no other."""

from __future__ import annotations

import json
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import tfzoo
from tests.helpers import one_stage
from tests.helpers.folders import everything, fill, rows, save, scene
from tests.helpers.slow_servers import SLOW, speaking
from tests.helpers.store_faults import trials
from tfzoo.batch import local
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.job import Job
from tfzoo.batch.parts import Columns, Position
from tfzoo.batch.rows import ImageResult
from tfzoo.batch.settings import RunSettings
from tfzoo.detections.types import Detections
from tfzoo.detector import Detector
from tfzoo.errors import UsageError
from tfzoo.images.pipeline import READERS, around_late


def test_batches_give_the_rows_of_single_images_and_a_bad_one_stops_no_other(
    tmp_path: Path,
) -> None:
    folder = fill(tmp_path / "photos", 11)
    (folder / "5.png").write_bytes(b"no image")
    detector = tfzoo.load(one_stage.save(tmp_path / "model"), runtime="frozen")
    assert detector.takes_batches
    sizes = []
    run = detector.runtime.run
    detector.runtime.run = lambda *inputs: sizes.append(len(inputs[0])) or run(*inputs)
    for name, batch in (("one", 1), ("four", 4)):
        summary = detect_folder(folder, detector, tmp_path / name, batch=batch, pictures=False)
        assert (summary.images, summary.failed) == (11, 1)
    # A blank image is tried first; the group with the bad image is one short.
    assert sorted(sizes[12:]) == [3, 3, 4]
    one, four = rows(tmp_path / "one"), rows(tmp_path / "four")
    assert len(one) == len(four) > 50
    for got, expected in zip(four, one, strict=True):
        assert got["image_id"] == expected["image_id"]
        assert got["score"] == pytest.approx(expected["score"], abs=1e-5)
        assert got["bbox"] == pytest.approx(expected["bbox"], abs=0.01)
    with pytest.raises(UsageError, match="batch: was 4, now 1"):
        detect_folder(folder, detector, tmp_path / "four", pictures=False, resume=True)


def test_results_keep_the_folders_order_whatever_the_workers_timing(
    saved_model: Path, standard: Detector, tmp_path: Path
) -> None:
    images = fill(tmp_path / "photos", 40)
    detect_folder(images, standard, tmp_path / "one", pictures=False)
    before = {thread.name for thread in threading.enumerate()}
    summary = detect_folder(images, saved_model, tmp_path / "three", device="cpu,cpu,cpu")
    assert summary.device == "cpu, cpu, cpu"
    assert everything(tmp_path / "three") == everything(tmp_path / "one")
    assert {thread.name for thread in threading.enumerate()} <= before


def test_images_are_read_ahead_by_a_bounded_number(
    watched: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = save(tmp_path / "photo.png", scene(0))
    for i in range(200):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / f"{i}.png").symlink_to(image)
    read = 0
    ahead = []
    inner = local.read

    def counted(*arguments: Any) -> Any:
        nonlocal read
        read += 1
        ahead.append(read - watched.runtime.runs)
        return inner(*arguments)

    monkeypatch.setattr(local, "read", counted)
    watched.runtime.before = lambda: time.sleep(0.001)
    detect_folder(tmp_path / "photos", watched, tmp_path / "out", pictures=False)
    assert 1 < max(ahead) <= 16


def listed(where: Path, addresses: list[str], images: Path) -> Path:
    """A list of these addresses and, before, between and behind them, of local images."""
    files = [str(path) for path in sorted(images.iterdir())]
    step = len(files) // (len(addresses) + 1)
    for number, address in enumerate(addresses):
        files.insert((number + 1) * (step + 1) - 1, f"{address}/slow.png")
    where.write_text("\n".join(files))
    return where


@pytest.fixture
def read_at(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """When which row of a run was read; one is late after a tenth of a second."""
    monkeypatch.setattr(local, "around_late", partial(around_late, late_s=0.1))
    inner = local.read
    moments: dict[int, float] = {}

    def noted(*given: Any) -> Any:
        result = inner(*given)
        moments[given[1].row] = time.monotonic()
        return result

    monkeypatch.setattr(local, "read", noted)
    return moments


def test_an_image_that_is_slow_to_come_holds_up_no_other(
    watched: Detector,
    tmp_path: Path,
    read_at: dict[int, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TFZOO_SPEED_TIME", "0.8")
    images = fill(tmp_path / "photos", 40)
    with speaking(SLOW["a body byte by byte"]) as one, speaking(SLOW["no answer"]) as other:
        paths = listed(tmp_path / "list.txt", [one, other], images)
        for chance in trials("slow images among good ones"):
            out = tmp_path / f"out {chance.random()}"
            begun = time.monotonic()
            summary = detect_folder(paths, watched, out, pictures=True)
            assert time.monotonic() - begun < 60
            assert (summary.images, summary.failed) == (42, 2)
            table = pd.read_parquet(out / "parts/images").sort_values("image_id")
            assert list(table["path"]) == paths.read_text().splitlines()
            slow = np.flatnonzero(table["error"].notna())
            assert list(slow) == [13, 27]
            ended = min(read_at[row] for row in slow)
            # Read in order, none would be read that is further from the first slow one than this.
            furthest = max(row for row, moment in read_at.items() if moment < ended)
            assert furthest > slow[0] + 2 * READERS


@pytest.mark.parametrize("batch", [1, 4])
def test_results_that_wait_for_a_slow_image_are_bounded(
    batch: int,
    watched: Detector,
    tmp_path: Path,
    read_at: dict[int, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TFZOO_SPEED_TIME", "0.8")
    monkeypatch.setattr(local, "_AHEAD", 10)
    images = fill(tmp_path / "photos", 60)
    with speaking(SLOW["no answer"]) as slow:
        paths = listed(tmp_path / "list.txt", [slow], images)
        detect_folder(paths, watched, tmp_path / "out", batch=batch, pictures=False)
    ended = read_at.pop(30)
    before = sum(moment < ended for moment in read_at.values())
    # Those before it, those that wait for it, and those under way.
    assert 30 + 10 <= before <= 30 + 10 + 2 * READERS + 2 * 2


def test_one_bad_image_is_a_row_of_its_own_and_the_run_goes_on(
    standard: Detector, tmp_path: Path
) -> None:
    images = fill(tmp_path / "photos", 3)
    (images / "1.png").write_bytes(b"no image at all")
    summary = detect_folder(images, standard, tmp_path / "out")
    (error,) = map(json.loads, (tmp_path / "out/errors.jsonl").read_text().splitlines())
    assert error["path"] == str(images / "1.png")
    assert "not an image that can be read" in error["error"]
    assert (summary.images, summary.failed, summary.exit_code) == (3, 1, 1)
    assert {row["image_id"] for row in rows(tmp_path / "out")} == {1, 3}
    table = pd.read_parquet(tmp_path / "out/parts/images")
    assert list(table["error"].isna()) == [True, False, True]


def test_an_image_that_the_model_fails_on_spoils_no_other(
    watched: Detector, tmp_path: Path
) -> None:
    inner = watched.runtime._inner.run

    def fail_on_bright(image: NDArray[Any]) -> Any:
        if image.max() == 1:
            raise RuntimeError("output dimensions must be positive")
        return inner(image)

    watched.runtime._inner.run = fail_on_bright
    images = fill(tmp_path / "photos", 6)
    save(images / "3.png", np.full((50, 50, 3), 255, np.uint8))
    summary = detect_folder(images, watched, tmp_path / "out")
    assert (summary.images, summary.failed) == (6, 1)
    assert '/3.png"' in (tmp_path / "out/errors.jsonl").read_text()


def test_an_image_that_can_t_be_prepared_is_a_row_and_the_run_goes_on(
    standard: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = fill(tmp_path / "photos", 4)
    prepare = tfzoo.detector.prepare
    calls = iter(range(100))

    def fails_once(*given: Any) -> Any:
        if next(calls) == 3:  # The blank image comes first.
            raise MemoryError("no room for this one")
        return prepare(*given)

    monkeypatch.setattr("tfzoo.detector.prepare", fails_once)
    summary = detect_folder(images, standard, tmp_path / "out", pictures=False)
    assert (summary.images, summary.failed) == (4, 1)
    assert "no room for this one" in (tmp_path / "out" / "errors.jsonl").read_text()


def test_no_picture_is_drawn_any_more_once_a_run_has_ended(
    watched: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Semaphore(0)
    ended: list[local.Item] = []

    def slow(item: local.Item, job: Job) -> local.Item:
        begun.release()
        time.sleep(0.2)
        ended.append(item)
        return item

    monkeypatch.setattr(local, "draw", slow)
    image = save(tmp_path / "photo.png", scene(0))
    job = Job(RunSettings(image, watched, tmp_path / "out"), Columns(), 2)
    result = ImageResult(1, image.name, str(image))
    items = (local.Item(row, result, Position(1)) for row in range(20))
    finished = local.Pipeline(job, [watched]).finished(items)
    next(finished)
    assert begun.acquire(timeout=60) and begun.acquire(timeout=60)  # The second's is under way.
    with pytest.raises(KeyboardInterrupt):
        finished.throw(KeyboardInterrupt)
    assert len(ended) == 2
    assert not begun.acquire(timeout=0.3)


@pytest.mark.parametrize("raised", [ValueError("no room for a label"), MemoryError()])
def test_a_picture_that_can_t_be_drawn_is_told_of_and_its_detections_are_kept(
    standard: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    images = fill(tmp_path / "photos", 4)
    drawn = Detections.draw

    def fails_on_one(found: Detections, image: Any = None, options: Any = None) -> Any:
        if image is not None and image.shape == scene(2).shape:
            raise raised
        return drawn(found, image, options)

    detect_folder(images, standard, tmp_path / "without", pictures=False)
    monkeypatch.setattr(Detections, "draw", fails_on_one)
    summary = detect_folder(images, standard, tmp_path / "out")
    assert (summary.images, summary.failed, summary.exit_code) == (4, 1, 1)
    assert rows(tmp_path / "out") == rows(tmp_path / "without")
    assert len(json.loads((tmp_path / "out/images.json").read_text())) == 4
    (error,) = map(json.loads, (tmp_path / "out/errors.jsonl").read_text().splitlines())
    reason = str(raised) or "MemoryError"
    assert error["error"] == (
        f"{images / '2.png'}: detected, but its picture can't be drawn: {reason}"
    )
    annotated = {path.name for path in (tmp_path / "out" / "annotated").iterdir()}
    assert annotated == {"0.png", "1.png", "3.png"}


def test_whatever_is_raised_while_an_image_is_read_is_its_row(
    standard: Detector, tmp_path: Path
) -> None:
    fill(tmp_path / "photos", 1)
    broken = ["http://[", "http://127.0.0.1:99999999/x.jpg", "http://127.0.0.1:port/x.jpg",
              "http://" + "a" * 300 + "/x.jpg", "https://\u2024.example/x.jpg", "s3://[/x.jpg",
              "nowhere://host/x.jpg", "x" * 5000 + ".jpg", "~" + "x" * 5000, "a\\" + "b" * 5000,
              "http://127.0.0.1:9/x.mp4"]  # fmt: skip
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join([*broken, "photos/0.png"]), encoding="utf-8")
    summary = detect_folder(listed, standard, tmp_path / "out")
    assert (summary.images, summary.failed) == (len(broken) + 1, len(broken))
    assert summary.detections > 0
