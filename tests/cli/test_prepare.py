"""What `tfzoo prepare` and `tfzoo export` print is text, brackets and all."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from tfzoo.cli.main import app
from tfzoo.cli.prepare import print_choice
from tfzoo.prepare import choose, export
from tfzoo.prepare.choose import Choice, Trial


def test_reasons_are_printed_with_what_stands_in_brackets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trial = Trial("onnx", "1.2", None, False, "failed: [bold] is no shape [/x]")
    print_choice(Choice("frozen", "the others failed: [red] [/y]", (trial,)))
    printed = capsys.readouterr().out
    assert "failed: [bold] is no shape [/x]" in printed
    assert "auto opens it with frozen: the others failed: [red] [/y]" in printed


def test_a_prepared_model_is_named_with_what_stands_in_brackets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "[red]"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    monkeypatch.setattr(choose, "choose", lambda *_: Choice("frozen", "the fastest"))
    done = CliRunner().invoke(app, ["prepare", str(folder)])
    assert done.exit_code == 0, done.output
    assert "[red]\nauto opens it with frozen: the fastest\n" in done.stdout


def test_an_export_names_its_file_with_what_stands_in_brackets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "[red]" / "folder"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"converted")
    (tmp_path / "mine.onnx").write_bytes(b"\x08\x07")
    made = SimpleNamespace(folder=folder, note="cut at [bold]")
    monkeypatch.setattr(export, "export_onnx", lambda model: made)
    copy = tmp_path / "[blue].onnx"
    arguments = ["export", str(tmp_path / "mine.onnx"), "--out", str(copy)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    expected = [f"{folder / 'model.onnx'} (cut at [bold])", f"copied to {copy}"]
    assert done.stdout.splitlines() == expected
    assert copy.read_bytes() == b"converted"
