"""`tfzoo doctor`: what it finds is true of this machine, and every problem has a remedy."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tfzoo import doctor
from tfzoo.cli.main import app


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tfzoo", "doctor", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "TFZOO_OFFLINE": "1", **environment},
    )


def test_a_machine_that_can_run_models_exits_0_and_says_what_it_found(tmp_path: Path) -> None:
    ended = run(TFZOO_CACHE=str(tmp_path / "deep" / "cache"))
    report = json.loads(ended.stdout)
    found = {finding["name"]: finding for finding in report["findings"]}
    assert (ended.returncode, report["can_run"]) == (0, True)
    assert found["tensorflow"]["detail"] == version("tensorflow")
    assert str(tmp_path) in found["cache"]["detail"]
    assert "switched off" in found["TF Hub"]["detail"]
    assert "GPU in tensorflow" in found


def test_everything_that_is_not_well_has_a_remedy() -> None:
    for finding in json.loads(run().stdout)["findings"]:
        assert finding["status"] == "ok" or finding["remedy"] or "NVIDIA" in finding["name"]


def test_a_host_that_does_not_answer_is_a_note_with_a_way_out() -> None:
    finding = doctor._host("zoo", "http://127.0.0.1:9/")
    assert finding.status == "note"
    assert "TFZOO_MIRROR" in finding.remedy


@pytest.mark.parametrize(
    ("answer", "driver", "told", "remedy"),
    [
        (doctor._TensorFlowAnswer([], False, None, ""), None, "built for CPUs", "tfzoo[gpu]"),
        (doctor._TensorFlowAnswer([], True, "12.5", ""), None, "no NVIDIA driver", "driver"),
        (doctor._TensorFlowAnswer([], True, "12.5", "missing"), "H100", "CUDA 12.5", "tfzoo[gpu]"),
    ],
    ids=["cpu-build", "no-driver", "no-libraries"],
)
def test_the_reason_for_no_gpu_is_named(
    answer: doctor._TensorFlowAnswer, driver: str | None, told: str, remedy: str
) -> None:
    reason, to_do = doctor._why_no_gpu(answer, driver)
    assert told in reason
    assert remedy in to_do


def test_a_library_that_is_needed_and_missing_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LIBRARIES", {"no-such-package": "", "no-such-extra": "onnx"})
    needed, optional = doctor._libraries()
    assert (needed.status, optional.status) == ("problem", "note")
    assert not doctor.can_run([needed])
    assert "tfzoo[onnx]" in optional.remedy


@pytest.mark.parametrize(
    ("libraries", "complaint", "told"),
    [
        (None, "", "CUDA 12.5 libraries are not installed"),
        ("9.3", "GPU libraries are missing", "CUDA 12.5 libraries are not installed"),
        ("9.3", "", "driver and libraries are there, TensorFlow still sees no GPU"),
    ],
    ids=["not installed", "not found", "all there"],
)
def test_libraries_are_blamed_only_where_they_are_missing_or_not_found(
    monkeypatch: pytest.MonkeyPatch, libraries: str | None, complaint: str, told: str
) -> None:
    monkeypatch.setattr(doctor, "installed_version", lambda name: libraries)
    answer = doctor._TensorFlowAnswer([], True, "12.5", complaint)
    assert doctor._why_no_gpu(answer, "H100")[0] == told


def test_a_machine_that_can_run_no_model_exits_3(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = doctor.Finding("tensorflow", "problem", "not installed", "pip install tensorflow")
    monkeypatch.setattr(doctor, "examine", lambda: iter([missing]))
    told = CliRunner().invoke(app, ["doctor"])
    assert told.exit_code == 3
    assert "to do: pip install tensorflow" in told.stdout
    assert "Something is missing" in told.stdout
    report = CliRunner().invoke(app, ["doctor", "--json"])
    assert (report.exit_code, json.loads(report.stdout)["can_run"]) == (3, False)
