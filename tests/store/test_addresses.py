"""A model by its address: fetched once, seen through, and told apart from others."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tfzoo
from tests.helpers import lite_models
from tests.helpers.standins import paint, save_standard
from tests.helpers.store_faults import Server, pack
from tfzoo.cli.main import app
from tfzoo.errors import DownloadError, OfflineError, UnknownModelError, UntrustedModelError
from tfzoo.store.addresses import spec_at
from tfzoo.store.models import expanded, get_model

IMAGE = paint(96, 96, dog=(10, 10, 60, 70))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    # Plain http has nothing that vouches for what comes.
    monkeypatch.setenv("TFZOO_ALLOW_UNVERIFIED", "1")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An archive of a SavedModel."""
    folder = save_standard(tmp_path_factory.mktemp("saved") / "saved_model")
    files = [path for path in folder.rglob("*") if path.is_file()]
    return pack({f"m/saved_model/{f.relative_to(folder)}": f.read_bytes() for f in files})


def test_an_archive_is_fetched_once(server: Server, saved: bytes) -> None:
    server.objects["/a/my%20model.tar.gz"] = saved
    address = f"{server.url}/a/my%20model.tar.gz"
    for _ in range(2):
        detector = tfzoo.load(address, runtime="tensorflow")
        assert detector.detect(IMAGE).names == ["dog"]
    assert len(server.requests) == 1
    assert detector.model.id == address and detector.model.spec is None
    assert "my_model-" in str(detector.model.path)


def test_a_lite_file_behind_a_signed_address_detects_and_no_secret_is_kept(
    server: Server, tmp_path: Path
) -> None:
    pytest.importorskip("ai_edge_litert")
    lite = lite_models.convert(lite_models.ssd(), tmp_path / "m.tflite")
    path = "/m.tflite?X-Signature=0123456789abcdef"
    server.objects[path] = lite.read_bytes()
    photo = tmp_path / "photo.png"
    from PIL import Image

    Image.fromarray(IMAGE).save(photo)
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app, ["detect", str(photo), "--model", server.url + path, "--out", str(out), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["detections"] == 1
    run = json.loads((out / "run.json").read_text())
    assert run["settings"]["model"].startswith(f"{server.url}/m.tflite?X-Signature=***#")
    assert run["vouched_by"] == "nothing"
    for file in [*(tmp_path / "cache").rglob("*.json"), out / "run.json"]:
        assert "0123456789abcdef" not in file.read_text()


def test_addresses_that_differ_in_what_they_ask_for_are_two_models(server: Server) -> None:
    first, other = (spec_at(f"{server.url}/m.onnx?version={i}") for i in (1, 2))
    assert first.id != other.id and first.archive == "m.onnx"
    assert expanded([f"{server.url}/m.onnx?version=1"]) == [f"{server.url}/m.onnx?version=1"]


def test_a_dangerous_one_is_refused_whoever_gave_it(server: Server, tmp_path: Path) -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, "input_tensor")])
    def reads(input_tensor):
        return {"text": tf.io.read_file("/etc/hostname"), "sum": tf.reduce_sum(input_tensor)}

    module = tf.Module()
    module.reads = reads
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=reads)
    files = [path for path in (tmp_path / "m").rglob("*") if path.is_file()]
    server.objects["/m.tar.gz"] = pack(
        {f"m/saved_model/{f.relative_to(tmp_path / 'm')}": f.read_bytes() for f in files}
    )
    with pytest.raises(UntrustedModelError, match="ReadFile"):
        tfzoo.load(f"{server.url}/m.tar.gz")


@pytest.mark.parametrize(
    "address",
    ["https://example.org/page.html", "ftp://example.org/m.onnx", "https://example.org/",
     "https://[::1/m.onnx", "s3://bucket/m.tflite", "https://user:pa:ss@/m.onnx"],
)  # fmt: skip
def test_what_is_no_model_s_address_is_named(address: str) -> None:
    with pytest.raises(UnknownModelError) as refused:
        get_model(address)
    assert "pa:ss" not in str(refused.value)


def test_a_missing_one_and_no_network_are_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError, match="404"):
        get_model(f"{server.url}/m.onnx")
    monkeypatch.setenv("TFZOO_OFFLINE", "1")
    with pytest.raises(OfflineError):
        get_model(f"{server.url}/m.onnx")
    monkeypatch.delenv("TFZOO_OFFLINE")
    monkeypatch.delenv("TFZOO_ALLOW_UNVERIFIED")
    with pytest.raises(tfzoo.errors.TfzooError, match="--allow-unverified"):
        get_model(f"{server.url}/m.onnx")
