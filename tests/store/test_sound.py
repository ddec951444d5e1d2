"""A model whose files are cut, empty, missing or stand-ins of Git's is refused by the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.saved_files import graph, index
from tfzoo.errors import ModelFormatError
from tfzoo.store.sound import check_model

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PB = "saved_model.pb"
INDEX = "variables/variables.index"
WEIGHTS = "variables/variables.data-00000-of-00001"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A whole model: a graph with a variable, and weights of 1000 bytes after 300 others."""
    (tmp_path / "variables").mkdir()
    (tmp_path / PB).write_bytes(graph(b"VarHandleOp" + bytes(300)))
    tensors = {"a/w": (300, 1000), "a/b": (0, 300)}
    (tmp_path / INDEX).write_bytes(index(tensors))
    (tmp_path / WEIGHTS).write_bytes(bytes(1300))
    return tmp_path


def test_a_whole_model_passes(model: Path) -> None:
    check_model(model)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        (PB, b"", r"saved_model\.pb is damaged: it is empty"),
        (PB, graph(bytes(300))[:-1], r"cut short after 304 of at least 305 bytes"),
        (PB, graph(bytes(300))[:5], r"cut short after 5 of at least 305 bytes"),
        (PB, b"\x08\x01\x12\xff", r"cut short after 4 of at least 5 bytes"),
        (PB, b"<!DOCTYPE html>", r"not a SavedModel's graph \(it starts with b'<!DOCTYPE"),
        (PB, bytes(500), r"not a SavedModel's graph"),
        (PB, POINTER, r"saved_model\.pb is a Git LFS pointer.*git lfs pull"),
        (PB, b"\xef\xbb\xbf" + POINTER, r"git lfs pull"),
        (INDEX, b"", r"variables\.index is damaged or cut short"),
        (INDEX, index({"w": (0, 9)})[:-1], r"variables\.index is damaged or cut short"),
        (INDEX, bytes(40) + index({"w": (0, 9)})[40:], r"variables\.index is damaged"),
        (INDEX, POINTER, r"variables\.index is a Git LFS pointer"),
        (WEIGHTS, bytes(1299), r"weights were cut short after 1299 of 1300 bytes"),
        (WEIGHTS, b"", r"weights were cut short after 0 of 1300 bytes"),
        (WEIGHTS, POINTER, r"data-00000-of-00001 is a Git LFS pointer"),
    ],
)
def test_a_damaged_file_is_named_with_what_ails_it(
    model: Path, file: str, content: bytes, told: str
) -> None:
    (model / file).write_bytes(content)
    with pytest.raises(ModelFormatError, match=told):
        check_model(model)


@pytest.mark.parametrize("gone", [INDEX, WEIGHTS])
def test_weights_that_are_missing_are_told(model: Path, gone: str) -> None:
    (model / gone).unlink()
    with pytest.raises(ModelFormatError, match=r"variables is damaged|no variables\.index"):
        check_model(model)


def test_each_of_several_files_of_weights_must_be_there(model: Path) -> None:
    (model / WEIGHTS).rename(model / "variables/variables.data-00000-of-00002")
    (model / INDEX).write_bytes(index({"a": (0, 10)}, files=2))
    with pytest.raises(ModelFormatError, match="data-00001-of-00002, which holds weights, is mis"):
        check_model(model)


def test_a_graph_without_variables_needs_no_weights(tmp_path: Path) -> None:
    (tmp_path / PB).write_bytes(graph(bytes(300)))
    check_model(tmp_path)


def test_an_onnx_file_is_looked_at_alike(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    whole = b"\x08\x07\x12\x06tf2onn\x3a\x03abc" + b"\x29" + bytes(8) + b"\x35" + bytes(4)
    file.write_bytes(whole)
    check_model(file)
    for cut in (1, 3, 8, 11, 13, len(whole) - 1):
        file.write_bytes(whole[:cut])
        with pytest.raises(ModelFormatError, match="cut short"):
            check_model(file)
    for content in (POINTER, b"", b'{"a": 1}'):
        file.write_bytes(content)
        with pytest.raises(ModelFormatError, match=r"git lfs pull|is empty|not an ONNX model"):
            check_model(file)
