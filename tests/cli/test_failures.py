"""Whatever ends a command is told with its cause and a remedy; a traceback only when asked for."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT
from tfzoo.cli.main import main
from tfzoo.errors import StoreError, UsageError
from tfzoo.settings import cache_folder


def end_of(
    failure: BaseException, monkeypatch: pytest.MonkeyPatch, *arguments: str, command: str = "list"
) -> int:
    """What `main` exits with where its command fails so."""

    def fail(*given: object) -> None:
        raise failure

    monkeypatch.setattr("tfzoo.cli.models.load_manifest", fail)
    monkeypatch.setattr(sys, "argv", ["tfzoo", *arguments, command])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("failure", "code", "told"),
    [
        (StoreError("the disk is full"), 3, "error: the disk is full"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), 3, "/a/b: No space left on"),
        (OSError(errno.EACCES, "Permission denied", b"/a/b"), 3, "/a/b: Permission denied. Choose"),
        (OSError(errno.EMFILE, "Too many open files"), 3, "Too many open files. Allow more"),
        (OSError("what a library says"), 3, "what a library says. Check that it is there"),
        (MemoryError(), 3, "the memory of this machine does not suffice"),
        (ModuleNotFoundError("No module named 'x'"), 3, "No module named 'x'. See what is missing"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_known_cause_is_told_with_a_remedy(
    failure: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("TFZOO_DEBUG", raising=False)
    assert end_of(failure, monkeypatch) == code
    said = capsys.readouterr()
    assert said.out == "" and told in said.err
    assert "Traceback" not in said.err and "report" not in said.err


@pytest.mark.parametrize(
    "failure", [ValueError("[/x] no"), KeyError("a"), RecursionError(), RuntimeError("one\ntwo")]
)
def test_an_unknown_one_asks_for_a_report_with_versions(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TFZOO_DEBUG", raising=False)
    assert end_of(failure, monkeypatch) == 3
    told = capsys.readouterr().err
    kind = type(failure).__name__
    assert told.startswith(f"error: tfzoo list failed in a way that it should not: {kind}: ")
    assert "please report it" in told and "--debug" in told and "Python 3." in told
    assert "Traceback" not in told


@pytest.mark.parametrize("failure", [ValueError("a"), StoreError("the disk is full")])
@pytest.mark.parametrize("asked", ["--debug", "TFZOO_DEBUG=1"])
def test_the_traceback_is_shown_when_it_is_asked_for(
    failure: Exception,
    asked: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TFZOO_DEBUG", "1" if "=" in asked else "0")
    end_of(failure, monkeypatch, *([] if "=" in asked else [asked]))
    told = capsys.readouterr().err
    assert "Traceback (most recent call last)" in told and "in fail" in told
    assert f"error: {failure}" in told or "please report it" in told


@pytest.mark.parametrize("words", [["list", "--debug"], ["cache", "list", "--debug"]])
def test_every_command_takes_the_option(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TFZOO_DEBUG", "0")
    monkeypatch.setattr(sys, "argv", ["tfzoo", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert os.environ["TFZOO_DEBUG"] == "1"


def tfzoo(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command by a shell, for `>` and its like."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    line = command.replace("tfzoo", f"{sys.executable} -m tfzoo")
    return subprocess.run(
        ["sh", "-c", line], env=given, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("where", [">&-", "--json >/dev/full"])
def test_output_that_can_t_be_written_is_told_of(where: str) -> None:
    done = tfzoo(f"tfzoo list {where}")
    assert done.returncode == 3
    assert done.stderr.startswith("error: standard output can't be written: ")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize("where", ["<&- 2>&-", "2>/dev/full"])
def test_other_streams_may_be_closed(where: str) -> None:
    done = tfzoo(f"tfzoo cache path {where}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == os.environ["TFZOO_CACHE"]


def test_errors_that_nobody_takes_leave_their_code(tmp_path: Path) -> None:
    for where in ("2>&-", "2>/dev/full"):
        assert tfzoo(f"tfzoo info nothing {where}").returncode == 2


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    done = tfzoo("(tfzoo list; echo $? >&2) | true")
    assert done.stderr.strip() == "0"


def test_letters_that_the_locale_has_not_are_shown_by_their_numbers(tmp_path: Path) -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = tfzoo("tfzoo info größe", **locale)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and "no model is called 'gr" in done.stderr


def test_a_folder_that_is_gone_is_told_of(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = tfzoo(f"cd '{gone}' && rmdir '{gone}' && tfzoo detect x.jpg --out out --no-prepare")
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr and done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("command", "code"),
    [("cache list", 0), ("cache prune", 0), ("fetch demo_centernet_kpts_256x256", 3)],
)
def test_a_cache_that_is_a_file_is_told_of(command: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = tfzoo(f"tfzoo {command}", TFZOO_CACHE=str(tmp_path / "file"))
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    if code:
        assert "TFZOO_CACHE" in done.stderr


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*given: object, **more: object) -> str:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("TFZOO_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_path", nobody)
    with pytest.raises(UsageError, match="set HOME, or TFZOO_CACHE"):
        cache_folder()


@pytest.mark.parametrize(
    "words",
    [["info", "~no-such-user/model"], ["detect", "~no-such-user", "--out", "~no-such-user/out"],
     ["detect", "x.jpg", "--labels", "~no-such-user/labels.txt"]],
)  # fmt: skip
def test_a_home_that_nobody_has_is_a_name_like_any(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tfzoo", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")
