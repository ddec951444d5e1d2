"""`tfzoo list` and `tfzoo info`, run as a user runs them."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import yaml

from tests.helpers.entries import ENTRY


def tfzoo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tfzoo", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def test_list_json_has_the_promised_fields() -> None:
    models = json.loads(tfzoo("list", "--json").stdout)
    assert len(models) == 47
    assert set(models[0]) >= {
        "id",
        "name",
        "family",
        "outputs",
        "speed_ms",
        "box_map",
        "keypoint_map",
        "mask_map",
        "download_mb",
        "runnable",
    }
    d0 = next(model for model in models if model["name"] == "EfficientDet D0 512x512")
    assert d0 == {
        "id": "efficientdet_d0_coco17_tpu-32",
        "name": "EfficientDet D0 512x512",
        "family": "efficientdet",
        "outputs": ["boxes"],
        "speed_ms": 39,
        "box_map": 33.6,
        "keypoint_map": None,
        "mask_map": None,
        "download_mb": 29,
        "runnable": True,
    }


def test_list_selects_and_sorts_with_missing_figures_last() -> None:
    models = json.loads(tfzoo("list", "centernet*", "--sort", "box", "--json").stdout)
    figures = [model["box_map"] for model in models]
    assert figures[:2] == [44.5, 42.8]
    assert figures[-1] is None


def test_list_for_people_names_every_model() -> None:
    printed = tfzoo("list", "--family", "yolov5").stdout
    assert "YOLOv5x 640x640" in printed
    assert "50.7" in printed
    title, *rows, _ = printed.splitlines()
    assert title.split()[:4] == ["name", "family", "speed", "ms"]
    assert len(rows) == 4
    one = next(row for row in rows if "YOLOv5x" in row)
    assert "yolov5" in one and "50.7" in one


def test_info_is_one_block_without_empty_lines() -> None:
    block, *_ = tfzoo("info", "mask rcnn").stdout.partition("reported")
    assert all(line.strip() for line in block.splitlines())


def test_info_names_the_source_of_every_figure() -> None:
    printed = tfzoo("info", "mask rcnn").stdout
    assert "39  (TensorFlow 2 Detection Model Zoo" in printed
    assert "40.4  (Training configs" in printed
    counted = "1722 G multiply-adds, 1561 M outputs an image  (Counted in the graph"
    assert counted in " ".join(printed.split()).replace("image (", "image  (")
    assert "stray" in printed


def test_info_says_where_a_model_lies_and_what_vouched_for_it(tmp_path: Path) -> None:
    archive = tmp_path / "mine.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        model = tmp_path / "saved_model.pb"
        model.write_bytes(b"a graph")
        tar.add(model, "mine/saved_model/saved_model.pb")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    manifest = tmp_path / "mine.yaml"
    entry = {
        **ENTRY,
        "sha256": digest,
        "sources": [{"kind": "archive", "url": "http://127.0.0.1:9/"}],
    }
    manifest.write_text(yaml.safe_dump({"references": {"me": {"title": "me"}}, "models": [entry]}))
    settings = {"TFZOO_CACHE": str(tmp_path / "cache"), "TFZOO_MANIFEST": str(manifest)}
    assert json.loads(tfzoo("info", "mine", "--json", **settings).stdout)["cached"] is None
    added = tfzoo("cache", "add", str(archive), **settings)
    assert added.returncode == 0, added.stderr
    cached = json.loads(tfzoo("info", "mine", "--json", **settings).stdout)["cached"]
    assert cached["digest"] == f"sha256:{digest}"
    assert cached["vouched_by"]
    printed = tfzoo("info", "mine", **settings).stdout
    assert digest in printed
    assert cached["vouched_by"][0] in printed


def test_info_json_holds_the_whole_entry() -> None:
    entry = json.loads(tfzoo("info", "yolov5l", "--json").stdout)
    assert entry["license"] == "AGPL-3.0"
    assert {"metric": "box_map", "value": 48.1, "source": "yolov5_v4"} in entry["reported"]


def test_wrong_usage_exits_2_with_a_message_on_standard_error() -> None:
    for arguments, told in [
        (("info", "nothing_like_it"), "no model is called 'nothing_like_it'"),
        (("info", "centernet resnet50 v2"), "fits 2 models"),
        (("list", "--family", "rcnn"), "families are"),
        (("list", "--manifest", "absent.yaml"), "absent.yaml can't be read"),
        (("list", "--colour"), "No such option"),
    ]:
        ended = tfzoo(*arguments)
        assert ended.returncode == 2, arguments
        assert told in ended.stderr
        assert ended.stdout == ""
