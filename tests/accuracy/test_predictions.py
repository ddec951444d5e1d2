"""Journals of predictions: which one is a model's."""

from __future__ import annotations

from pathlib import Path

from tfzoo.accuracy.predictions import journal_path


def test_a_journal_is_named_by_the_model_and_by_all_its_detections_depend_on() -> None:
    pinned = {"digest": "sha256:1", "runtime": "onnx"}
    path = journal_path(Path("journals"), "zoo/a model", pinned)
    assert path.parent == Path("journals")
    assert path.name.startswith("a_model-") and path.suffix == ".jsonl"
    turned = dict(reversed(pinned.items()))
    assert journal_path(Path("journals"), "zoo/a model", turned) == path
    others = [("other/a model", pinned), ("zoo/a model", pinned | {"runtime": "openvino"})]
    assert path not in [journal_path(Path("journals"), *other) for other in others]
