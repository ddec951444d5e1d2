"""TensorFlow 1's frozen graphs open by path, by folder and in an archive, or are refused."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

import tfzoo
from tests.helpers import input_types, standins
from tfzoo.errors import ArchiveError, ModelFormatError
from tfzoo.store.frozen_graphs import write_saved_model
from tfzoo.store.models import get_model

PICTURE = standins.paint(60, 90, dog=(10, 20, 50, 40))


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the stand-in with masks, beside a checkpoint, as the archives of TensorFlow 1 have it."""
    folder = tmp_path_factory.mktemp("frozen")
    standins.save("mask_rcnn", folder / "twin" / "saved_model")
    (folder / "model").mkdir()
    (folder / "model" / "model.ckpt.index").write_bytes(b"x")
    return input_types.save_frozen(folder / "twin", folder / "model")


def test_it_opens_by_path_and_by_folder_as_one_model(graph: Path) -> None:
    model = get_model(graph)
    assert model.id == str(graph.resolve()) == get_model(graph.parent).id
    assert model.digest.startswith("sha256:") and model.digest == get_model(graph.parent).digest
    detector = tfzoo.load(graph.parent, runtime="tensorflow")
    assert detector.kind == "mask_rcnn" and detector.takes_batches
    found = detector.detect(PICTURE)
    assert found.names == ["dog"]
    assert found.boxes == pytest.approx(np.array([[10, 20, 50, 40]]), abs=1e-4)
    assert found.masks is not None


def test_it_opens_in_an_archive(graph: Path, tmp_path: Path) -> None:
    archive = tmp_path / "ssd_2018.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(graph.parent, "ssd_2018")
    model = get_model(archive)
    assert (model.path / "saved_model.pb").is_file() and model.entry is not None
    assert tfzoo.load(archive, runtime="tensorflow").detect(PICTURE).names == ["dog"]
    assert get_model(archive).path == model.path


def test_a_saved_model_beside_it_is_taken(graph: Path, tmp_path: Path) -> None:
    standins.save_standard(tmp_path / "saved_model")
    (tmp_path / graph.name).write_bytes(graph.read_bytes())
    assert get_model(tmp_path).path == tmp_path / "saved_model"


def test_it_is_audited_like_any_model(graph: Path) -> None:
    assert tfzoo.audit(graph).form == "frozen graph"
    assert not tfzoo.audit(graph).dangerous and not tfzoo.audit(graph.parent).dangerous


def nodes(*names_and_operations: tuple[str, str]) -> bytes:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    definition = GraphDef()
    for name, operation in names_and_operations:
        definition.node.add(name=name, op=operation)
    return definition.SerializeToString()


OUTPUTS = [
    (name, "Identity")
    for name in ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (nodes(("input", "Placeholder"), ("softmax", "Softmax")), r"no detection_boxes.*fed input"),
        (nodes(("x", "Placeholder"), *OUTPUTS), r"no image_tensor or encoded.*fed x"),
        (nodes(("image_tensor", "Placeholder"), ("w", "VariableV2"), *OUTPUTS), "not frozen"),
        (nodes(("x", "TFLite_Detection_PostProcess")), "converted to TensorFlow Lite"),
        (b"\x0a\x7f" + bytes(5), "cut short"),
        (b"<!DOCTYPE html>", "not a frozen graph"),
    ],
)
def test_what_is_no_frozen_detector_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "graph.pb"
    file.write_bytes(content)
    with pytest.raises(ModelFormatError, match=told):
        get_model(file)


def test_an_archive_of_another_graph_is_refused_with_the_reason(tmp_path: Path) -> None:
    graph = tmp_path / "frozen_inference_graph.pb"
    graph.write_bytes(nodes(("input", "Placeholder")))
    with tarfile.open(tmp_path / "m.tar", "w") as packed:
        packed.add(graph, "m/frozen_inference_graph.pb")
    with pytest.raises(ArchiveError, match=r"m\.tar: m/frozen_inference_graph\.pb.*no detection"):
        get_model(tmp_path / "m.tar")


def test_the_graph_is_copied_byte_for_byte(graph: Path, tmp_path: Path) -> None:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    write_saved_model(graph, tmp_path / "made")
    read = SavedModel.FromString((tmp_path / "made/saved_model.pb").read_bytes())
    (meta,) = read.meta_graphs
    assert meta.graph_def == GraphDef.FromString(graph.read_bytes())
    signature = meta.signature_def["serving_default"]
    assert signature.inputs["inputs"].name == "image_tensor:0"
    assert [dim.size for dim in signature.inputs["inputs"].tensor_shape.dim] == [-1, -1, -1, 3]
    assert signature.outputs["detection_masks"].name == "detection_masks:0"
