"""Ray on a real local cluster of two nodes: the same rows as here, whatever is lost.

The reproduction of a table is tested on it too: one cluster starts faster than two.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest

from tests.helpers import standins
from tests.helpers.coco_data import write
from tests.helpers.paths import ROOT
from tfzoo.batch import folder
from tfzoo.batch.exports import WRITTEN
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.job import Job
from tfzoo.batch.parts import Columns, Parts
from tfzoo.batch.ray import run, unsealed
from tfzoo.batch.settings import RunSettings
from tfzoo.errors import UsageError
from tfzoo.reproduction.run import reproduce
from tfzoo.results import read_rows

ray = pytest.importorskip("ray")

IMAGES = 120


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "standin.onnx"
    return standins.save_yolov5(path, side=64, rows=252)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("photos")
    draw = random.Random(3)
    for i in range(IMAGES):
        x, y = draw.randrange(0, 60), draw.randrange(0, 60)
        picture = standins.paint(120, 120, person=(x, y, x + 50, y + 50))
        assert cv2.imwrite(str(where / f"{i}.png"), picture[:, :, ::-1])
    (where / "50.png").write_bytes(b"damaged")
    return where


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    # Workers find the package where this process does.
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    # A lost node is noticed in seconds, not in Ray's usual half minute.
    health = {
        "health_check_initial_delay_ms": 0,
        "health_check_period_ms": 1000,
        "health_check_timeout_ms": 2000,
        "health_check_failure_threshold": 3,
    }
    head = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "_system_config": health}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture
def second_node(cluster: Any) -> Iterator[Any]:
    node = cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    cluster.wait_for_nodes()
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "PART_IMAGES", 8)


@pytest.fixture
def expected(small_parts: None, model: Path, photos: Path, tmp_path: Path) -> list[str]:
    detect_folder(photos, model, tmp_path / "local", pictures=False)
    return written(tmp_path / "local")


def written(out: Path) -> list[str]:
    return [(out / name).read_text() for name in WRITTEN]


def test_two_nodes_give_the_rows_of_the_local_engine(
    cluster: Any, second_node: Any, expected: list[str], model: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ray"
    counted = []
    summary = detect_folder(
        photos, model, out, engine="ray", workers=2, crops=True, formats=["yolo"],
        on_progress=lambda done, total: counted.append((done, total)),
    )  # fmt: skip
    assert written(out) == expected
    assert (summary.images, summary.failed, summary.exit_code) == (IMAGES, 1, 1)
    assert summary.device == "cpu"
    assert counted[0] == (0, IMAGES)
    assert counted[-1] == (IMAGES, IMAGES)
    assert len(list((out / "annotated").iterdir())) == IMAGES - 1
    assert len(list((out / "crops").rglob("*.jpg"))) == summary.detections - summary.without_crop
    assert len(list((out / "yolo/labels").iterdir())) == IMAGES - 1


def test_a_node_killed_in_mid_run_loses_and_doubles_nothing(
    cluster: Any, second_node: Any, expected: list[str], model: Path, photos: Path, tmp_path: Path
) -> None:
    killed_at = []

    def kill(done: int, total: int | None) -> None:
        if done and not killed_at:
            killed_at.append(done)
            cluster.remove_node(second_node, allow_graceful=False)

    out = tmp_path / "ray"
    detect_folder(photos, model, out, engine="ray", workers=2, pictures=False, on_progress=kill)
    assert 0 < killed_at[0] < IMAGES
    assert written(out) == expected


def test_what_one_engine_began_the_other_finishes(
    cluster: Any, expected: list[str], model: Path, photos: Path, tmp_path: Path
) -> None:
    def stop(done: int, total: int | None) -> None:
        if done >= 20:  # In the midst of a part.
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_folder(photos, model, out, pictures=False, on_progress=stop)
    counted = []
    detect_folder(
        photos, model, out, pictures=False, engine="ray", resume=True,
        on_progress=lambda done, total: counted.append(done),
    )  # fmt: skip
    assert counted[-1] == IMAGES
    assert written(out) == expected
    (out / "parts" / "images" / "part-000003.parquet").unlink()
    summary = detect_folder(photos, model, out, pictures=False, resume=True)
    assert summary.resumed == IMAGES - 8
    assert written(out) == expected


@pytest.mark.parametrize(
    ("sealed", "left"),
    [({}, {0: 0, 1: 0, 2: 0}), ({0: 4, 1: 3, 2: 2}, {1: 3}), ({0: 4, 2: 1}, {1: 0, 2: 1})],
    ids=["none", "all but one begun", "one missing and the last begun"],
)
def test_parts_left_are_those_not_sealed_with_all_their_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: dict[int, int], left: dict[int, int]
) -> None:
    found = {number: SimpleNamespace(images=images) for number, images in sealed.items()}
    monkeypatch.setattr(Parts, "sealed", lambda parts: found)
    job = Job(RunSettings("photos", "model", tmp_path), Columns(), 4)
    assert unsealed(job, 10) == left


@pytest.mark.parametrize(
    ("asked", "environment", "joined"),
    [(None, None, "local"), ("auto", None, "auto"), (None, "there:1", "there:1")],
)
def test_a_cluster_is_joined_only_where_one_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: str | None,
    environment: str | None,
    joined: str,
) -> None:
    """Ray would join whatever cluster was last started on the machine."""
    told: dict[str, Any] = {}

    def init(**arguments: Any) -> None:
        told.update(arguments)
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if environment:
        monkeypatch.setenv("RAY_ADDRESS", environment)
    job = Job(RunSettings("photos", "model", tmp_path, address=asked), Columns(), 4)
    with pytest.raises(UsageError, match=f"no Ray cluster answers at {joined}"):
        run(job, 4)
    assert told["address"] == joined
    assert os.environ["RAY_DATA_LOG_LEVEL"] == "ERROR"


def test_a_video_is_refused(cluster: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(UsageError, match="detect videos with the local engine"):
        detect_folder(tmp_path / "clip.mp4", model, tmp_path / "out", engine="ray")


def test_two_nodes_measure_models_and_nothing_beside_a_timing(
    cluster: Any, second_node: Any, model: Path, photos: Path, tmp_path: Path
) -> None:
    person = {"id": 1, "image_id": 0, "category_id": 1, "iscrowd": 0}
    truth: dict[str, Any] = {
        "annotations": [{**person, "bbox": [10, 10, 50, 50], "area": 2500}],
        "categories": [{"id": 1, "name": "person"}],
    }
    named = [{"id": i, "file_name": f"{i}.png", "width": 120, "height": 120} for i in range(3)]
    annotations = write(tmp_path / "truth.json", truth | {"images": named})
    other = Path(shutil.copy(model, tmp_path / "other.onnx"))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    rows = reproduce(
        [model, other, broken], images=photos, annotations=annotations, runtimes=["onnx"],
        device="cpu", min_images=5, min_seconds=0.2, resamples=0, engine="ray",
        results=tmp_path / "results", report=tmp_path / "report",
    )  # fmt: skip
    assert [row.error for row in rows[:2]] == [None, None]
    assert rows[2].error is not None and "broken.onnx" in rows[2].error
    # Rows came back; what the nodes detected stayed there.
    assert len(read_rows(tmp_path / "results" / "timing.csv")) == 2
    assert not (tmp_path / "results" / "predictions").exists()
    lines = map(json.loads, (tmp_path / "results" / "reproduce.jsonl").read_text().splitlines())
    kept = [line["measured"] for line in lines if "measured" in line]
    spans = [(began, end, one["step"]) for one in kept for began, end in one["stretches"]]
    assert len(kept) == 4
    for first, second in combinations(spans, 2):
        if "speed" in (first[2], second[2]):
            # Both nodes are on one machine.
            assert first[1] <= second[0] or second[1] <= first[0]
