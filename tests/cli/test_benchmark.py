"""What `tfzoo benchmark` prints for people; timing/test_benchmark.py has the measuring."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tfzoo.cli.main import app
from tfzoo.timing import benchmark
from tfzoo.timing.benchmark import Timing

MACHINE = {"cpu": "Own [bold] CPU", "cores": 2, "runtime": "own 1", "image_set": "[red] 600x600"}


def timed(monkeypatch: pytest.MonkeyPatch, **timings: Timing) -> Result:
    """Runs it where timing a name gives what is told here."""

    def benchmarked(name: str, **values: Any) -> Timing:
        return timings[Path(name).name.strip("[]")]

    monkeypatch.setattr(benchmark, "check_name", lambda name: None)
    monkeypatch.setattr(benchmark, "benchmark", benchmarked)
    return CliRunner().invoke(app, ["benchmark", *(f"models/[{name}]" for name in timings)])


def test_errors_and_notes_are_told_with_what_stands_in_brackets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = Timing("models/[bad]", "cpu", error="[bold] broke [/x]")
    good = Timing("models/[good]", "cpu", mean_ms=12.34, notes="[red] busy [/y]", **MACHINE)
    done = timed(monkeypatch, bad=bad, good=good)
    assert done.exit_code == 1, done.exception
    assert "error: models/[bad]: [bold] broke [/x]\n" in done.stderr
    assert "note: models/[good]: [red] busy [/y]\n" in done.stderr
    assert timed(monkeypatch, bad=bad).exit_code == 3


def test_the_table_has_a_line_a_model_and_below_it_what_it_was_timed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = Timing("models/[good]", "cpu", mean_ms=12.34, throughput_fps=81.037, **MACHINE)
    done = timed(monkeypatch, good=good)
    assert done.exit_code == 0, done.exception
    *_, row, machine = done.stdout.splitlines()
    assert row.split() == ["[good]", "cpu", "12.3", "81.04"]
    assert machine == "Own [bold] CPU, 2 cores; own 1; [red] 600x600"
    on_gpu = Timing("models/[good]", "gpu:0", **MACHINE, gpu="Own GPU")
    machine = timed(monkeypatch, good=on_gpu).stdout.splitlines()[-1]
    assert machine == "Own GPU; own 1; [red] 600x600"
