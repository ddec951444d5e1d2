"""A model is the same however its path is written; what is none is told for what it is."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.helpers.saved_files import graph, index
from tfzoo.cli.main import app
from tfzoo.errors import ArchiveError, ModelFormatError, TfzooError, UnknownModelError, UsageError
from tfzoo.store.models import get_model, listed_model, own_model

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a cache of its own, that is the user's home too."""
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(folder: Path) -> Path:
    """An exported model: `saved_model/` in a folder."""
    (folder / "saved_model" / "variables").mkdir(parents=True)
    (folder / "saved_model" / "saved_model.pb").write_bytes(graph(b"VarHandleOp"))
    (folder / "saved_model/variables/variables.index").write_bytes(index({"w": (0, 8)}))
    (folder / "saved_model/variables/variables.data-00000-of-00001").write_bytes(bytes(8))
    return folder


@pytest.mark.parametrize(
    "written",
    [
        "models/x",
        "models/x/",
        "./models/x",
        "models/../models/x",
        "models/x/saved_model",
        "models/x/saved_model/",
        "models/x/saved_model/saved_model.pb",
        "link",
        "link/saved_model",
        "inner",
        "link/../x",
        "~/models/x",
        "{home}/models/x",
        "{home}/models/x/saved_model",
    ],
)
def test_a_model_is_the_same_however_its_path_is_written(home: Path, written: str) -> None:
    whole = get_model(export(home / "models" / "x"))
    (home / "link").symlink_to("models/x")
    (home / "inner").symlink_to(home / "models" / "x" / "saved_model")
    model = get_model(written.format(home=home))
    assert (model.id, model.digest) == (str(home / "models" / "x"), whole.digest)
    assert model.path.is_absolute() and (model.path / "saved_model.pb").is_file()
    assert get_model(model.id).id == model.id


def test_archives_and_onnx_files_are_the_same_by_any_path_too(home: Path) -> None:
    (home / "deep").mkdir()
    (home / "deep" / "m.onnx").write_bytes(b"\x08\x07")
    (home / "link.onnx").symlink_to("deep/m.onnx")
    assert {get_model(w).id for w in ("deep/m.onnx", "link.onnx", "./deep/../deep/m.onnx")} == {
        str(home / "deep" / "m.onnx")
    }
    zipped(home / "deep" / "m.zip", "/")
    (home / "link.zip").symlink_to("deep/m.zip")
    found = [get_model(written) for written in ("deep/m.zip", "link.zip", "~/deep/m.zip")]
    assert {(model.id, model.path) for model in found} == {
        (str(home / "deep" / "m.zip"), found[0].path)
    }


def zipped(file: Path, separator: str) -> None:
    """A zip of an export whose names of folders are parted so."""
    folder = export(file.parent / "packed")
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            name = separator.join(path.relative_to(folder.parent).parts)
            info = zipfile.ZipInfo()
            info.filename = info.orig_filename = name + separator * path.is_dir()
            archive.writestr(info, b"" if path.is_dir() else path.read_bytes())


def test_a_zip_made_on_windows_opens(home: Path) -> None:
    zipped(home / "m.zip", "\\")
    model = get_model("m.zip")
    assert model.path.parts[-2:] == ("packed", "saved_model")
    assert (model.path / "variables" / "variables.index").is_file()


def test_links_in_a_folder_count_as_what_they_lead_to(home: Path) -> None:
    """As caches of other tools keep files."""
    whole = get_model(export(home / "x")).digest
    linked = export(home / "linked") / "saved_model" / "saved_model.pb"
    linked.rename(home / "blob")
    linked.symlink_to(home / "blob")
    assert get_model(home / "linked").digest == whole


def test_a_deep_folder_opens_and_a_folder_of_several_says_which(home: Path) -> None:
    export(home / "deep/a/b/c/export")
    assert get_model("deep").id == str(home / "deep/a/b/c/export")
    export(home / "deep/a/b/c/other")
    with pytest.raises(ArchiveError, match=r"several models.*export.*other"):
        get_model("deep")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["checkpoint", "ckpt-0.index", "ckpt-0.data-00000-of-00001"], r"checkpoint \(ckpt-0.ind"),
        (["checkpoint/ckpt-5.index", "pipeline.config"], r"checkpoint/ckpt-5\.index.*exporter"),
        (["a/graph.pb"], r"frozen graph \(a/graph\.pb\).*give tfzoo that file itself"),
        (
            ["a/b/model.tflite", "label_map.pbtxt"],
            r"no saved_model\.pb, but a/b/model\.tflite; give",
        ),
        (["model.h5"], r"Keras \(model\.h5\) and no saved_model"),
        (["best.pt"], r"PyTorch \(best\.pt\).*to ONNX"),
        (["x.onnx"], r"no saved_model\.pb, but x\.onnx; give tfzoo that file"),
        (["variables/variables.index"], "weights.*copied in part"),
        (["saved_model.pbtxt"], "as text"),
        (["1.jpg"], r"holds no saved_model\.pb"),
        ([], "is empty"),
    ],
)
def test_a_folder_without_a_model_is_told_for_what_it_holds(
    home: Path, files: list[str], told: str
) -> None:
    (home / "given").mkdir()
    for name in files:
        (home / "given" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "given" / name).write_bytes(b"x")
    for asked in (get_model, listed_model):
        with pytest.raises(UnknownModelError, match=told):
            asked("given")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("model.ckpt-0.index", "part of a training checkpoint"),
        ("model.ckpt", "part of a training checkpoint"),
        ("ckpt-0.data-00000-of-00001", "part of a training checkpoint"),
        ("m.h5", "Keras"),
        ("m.keras", "Keras"),
        ("m.tfl", "TensorFlow Lite"),
        ("m.TFLITE", r"rename it to m\.tflite"),
        ("m.pt", "PyTorch"),
        ("m.engine", "converted for another program"),
        ("m.tar.xz", "does not unpack"),
        ("label_map.pbtxt", "--labels"),
        ("m.ONNX", r"rename it to m\.onnx"),
        ("notes.txt", r"expected a folder with saved_model\.pb"),
    ],
)
def test_a_file_that_is_no_model_is_told_for_what_it_is(home: Path, name: str, told: str) -> None:
    (home / name).write_bytes(b"x")
    with pytest.raises(UnknownModelError, match=told):
        get_model(name)


def test_a_checkpoint_by_the_name_it_is_saved_under_is_told(home: Path) -> None:
    (home / "ckpt-7.index").touch()
    with pytest.raises(UnknownModelError, match=r"ckpt-7 is a part of a training checkpoint"):
        get_model("ckpt-7")


def test_weights_in_a_model_lead_to_the_model(home: Path) -> None:
    weights = export(home / "x") / "saved_model" / "variables" / "variables.index"
    with pytest.raises(UnknownModelError, match=r"part of the SavedModel .*x/saved_model; give"):
        get_model(weights)


def test_where_nothing_lies_the_nearest_that_does_is_told(home: Path) -> None:
    export(home / "models" / "x")
    with pytest.raises(UnknownModelError, match=r"models exists and has the folders x; expected"):
        get_model("models/y")
    (home / "gone").symlink_to("nowhere")
    with pytest.raises(UnknownModelError, match=r"gone is a link to nowhere, where nothing lies"):
        get_model("gone")


@pytest.mark.parametrize("name", ["m.tar.gz", "m.zip", "m.onnx", "x/saved_model/saved_model.pb"])
def test_git_lfs_pointers_say_so_with_the_remedy(home: Path, name: str) -> None:
    export(home / "x")
    (home / name).write_bytes(POINTER)
    with pytest.raises(TfzooError, match=r"Git LFS pointer.*git lfs pull"):
        get_model(name.removesuffix("/saved_model/saved_model.pb"))


def test_a_damaged_model_in_an_archive_is_told_by_its_place_there(home: Path) -> None:
    zipped(home / "m.zip", "/")
    weights = "packed/saved_model/variables/variables.data-00000-of-00001"
    with zipfile.ZipFile(home / "m.zip") as whole, zipfile.ZipFile(home / "cut.zip", "w") as cut:
        for info in whole.infolist():
            cut.writestr(info, whole.read(info)[: 4 if info.filename == weights else None])
    with pytest.raises(ModelFormatError, match=rf"^cut\.zip: {weights} is damaged"):
        get_model("cut.zip")
    assert not list((home / "cache" / "local" / "cut").glob("*"))


@pytest.mark.parametrize(
    ("name", "told"),
    [(None, "not by None"), (7, "not by int"), (["a"], "not by list"), ("", "''"), (" ", "' '")],
)
def test_what_is_no_name_is_refused(name: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        get_model(name)


def test_a_path_that_can_not_be_read_is_told() -> None:
    with pytest.raises(ModelFormatError, match="can't be read: File name too long"):
        get_model("m" * 5000)


@pytest.fixture
def run() -> Callable[..., Any]:
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_info_shows_a_model_of_one_s_own_and_fetch_needs_none(
    home: Path, run: Callable[..., Any]
) -> None:
    model = get_model(export(home / "x"))
    assert own_model("efficientdet_d0_coco17_tpu-32") is None
    shown = run("info", "x").stdout
    assert str(home / "x") in shown and model.digest in shown
    assert f'"id": "{home / "x"}"' in run("info", "x", "--json").stdout
    with pytest.raises(UsageError, match="which no manifest lists: it needs no fetching"):
        listed_model("x")
    assert "it needs no fetching" in str(run("fetch", "x").exception)
