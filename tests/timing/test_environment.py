"""What a measurement was taken on, and what disturbed it, is noticed and noted."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfzoo.hardware import cpu_name, hardware_name, query_gpu, usable_cores
from tfzoo.timing import environment
from tfzoo.timing.environment import (
    Watch,
    describe_environment,
    memory_gb,
    peak_host_mb,
)

HERTZ = os.sysconf("SC_CLK_TCK")


def machine(folder: Path, *, busy_s: float = 0, stolen_s: float = 0, held_s: float = 0) -> None:
    """Writes the kernel's counters as they would stand after so many seconds."""
    ticks = [int(busy_s * HERTZ), 0, 0, 1000, 0, 0, 0, int(stolen_s * HERTZ), 0, 0]
    (folder / "stat").write_text("cpu  " + " ".join(map(str, ticks)) + "\ncpu0 1 2 3\n")
    group = folder / "fs" / "cgroup"
    group.mkdir(parents=True, exist_ok=True)
    (group / "cpu.stat").write_text(f"usage_usec 1\nthrottled_usec {int(held_s * 1e6)}\n")


def heat(folder: Path, count: int) -> None:
    counter = folder / "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    counter.parent.mkdir(parents=True, exist_ok=True)
    counter.write_text(f"{count}\n")


def test_a_busy_process_beside_the_measurement_is_noted() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)
        watch = Watch("cpu")
        time.sleep(1.0)
        notes = watch.notes()
    finally:
        busy.kill()
        busy.wait()
    assert any(note.startswith("other processes used") for note in notes)


def test_own_work_is_no_disturbance(tmp_path: Path) -> None:
    machine(tmp_path)
    watch = Watch("cpu", proc=tmp_path, sysfs=tmp_path)
    start = os.times()
    while (used := os.times()).user - start.user < 0.3:
        pass
    own_s = used.user + used.system - start.user - start.system
    machine(tmp_path, busy_s=own_s)
    assert watch.notes() == []


def test_stolen_time_a_cpu_limit_and_heat_are_noted(tmp_path: Path) -> None:
    machine(tmp_path)
    heat(tmp_path, 5)
    watch = Watch("cpu", proc=tmp_path, sysfs=tmp_path)
    time.sleep(0.05)
    machine(tmp_path, stolen_s=60, held_s=2)
    heat(tmp_path, 8)
    notes = " | ".join(watch.notes())
    assert "the host took" in notes
    assert "held back for 2.0 s by the container's CPU limit" in notes
    assert "slowed down for heat 3 times" in notes


@pytest.mark.parametrize(
    ("passed", "noted"),
    [
        ({"busy_s": 1.5, "stolen_s": 0.15, "held_s": 0.05}, []),
        ({"busy_s": 4}, ["other processes used 0.4 cores (of 1)"]),
        ({"stolen_s": 0.3}, ["the host took 3% of the CPU time"]),
        ({"held_s": 0.2}, ["held back for 0.2 s by the container's CPU limit"]),
    ],
    ids=["little of each", "others", "stolen", "held back"],
)
def test_ten_seconds_are_noted_from_the_share_that_disturbs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: dict[str, float], noted: list[str]
) -> None:
    clock = iter([100.0, 110.0])
    monkeypatch.setattr(environment, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(environment, "usable_cores", lambda: 1)
    machine(tmp_path)
    watch = Watch("cpu", proc=tmp_path, sysfs=tmp_path)
    machine(tmp_path, **passed)
    assert watch.notes() == noted


def test_the_load_before_the_measurement_is_kept_to_two_decimals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1.2345, 0.5, 0.25))
    assert Watch("cpu", proc=tmp_path, sysfs=tmp_path).load_average == 1.23


def test_a_machine_that_keeps_no_counters_gives_no_notes(tmp_path: Path) -> None:
    assert Watch("cpu", proc=tmp_path, sysfs=tmp_path).notes() == []


@pytest.fixture
def gpu_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose nvidia-smi answers each field by its own name, throttling as Active."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "fields = sys.argv[1].partition('=')[2].split(',')\n"
        "index = sys.argv[sys.argv.index('-i') + 1]\n"
        "said = {'name': 'Card ' + index, 'driver_version': '550.1',\n"
        "        'clocks_throttle_reasons.sw_thermal_slowdown': 'Active'}\n"
        "print(', '.join(said.get(field, 'Not Active') for field in fields))\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def test_a_gpu_is_asked_by_its_own_index(gpu_machine: Path) -> None:
    assert query_gpu("gpu:1", "name", "driver_version") == ["Card 1", "550.1"]
    assert query_gpu("gpu", "name") == ["Card 0"]


@pytest.mark.parametrize(
    ("visible", "asked"), [("3", "Card 3"), ("GPU-1a, GPU-2b", "Card GPU-1a"), ("", "Card 0")]
)
def test_a_gpu_is_the_one_that_cuda_was_told_to_see(
    gpu_machine: Path, monkeypatch: pytest.MonkeyPatch, visible: str, asked: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert hardware_name("gpu:0") == asked


def test_a_gpu_slowed_by_heat_is_noted(gpu_machine: Path) -> None:
    empty = gpu_machine / "empty"
    assert Watch("gpu:0", proc=empty, sysfs=empty).notes() == ["the GPU was slowed down by heat"]


def test_without_nvidia_smi_there_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert query_gpu("gpu:0", "name") is None


def test_a_device_is_named_by_its_gpu_or_by_processor_and_cores(gpu_machine: Path) -> None:
    assert hardware_name("gpu:1") == "Card 1"
    assert hardware_name("cpu") == f"{cpu_name()}, {usable_cores()} cores"


def test_the_environment_names_what_a_time_depends_on() -> None:
    found = describe_environment("cpu", ["numpy", "no-such-library"])
    assert found.cpu
    assert found.cores == usable_cores()
    assert found.versions.startswith("tfzoo ")
    assert "numpy " in found.versions
    assert "no-such-library" not in found.versions
    assert found.gpu is found.driver is found.cuda is None


def test_processor_and_memory_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n")
    (tmp_path / "meminfo").write_text("MemTotal:       16000000 kB\nMemFree: 1 kB\n")
    assert cpu_name(tmp_path) == "Some CPU @ 2 GHz"
    assert memory_gb(tmp_path) == 16.4
    assert cpu_name(tmp_path / "none")
    assert memory_gb(tmp_path / "none") is None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_the_peak_memory_is_of_the_process_itself_and_holds_what_it_freed() -> None:
    code = (
        "from tfzoo.timing.environment import peak_host_mb\n"
        "before = peak_host_mb()\n"
        "held = bytearray(200_000_000)\n"
        "del held\n"
        "print(before, peak_host_mb())\n"
    )
    # Held by the parent: must not show in the child.
    ours = bytearray(300_000_000)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert before < len(ours) / 1e6 <= (peak_host_mb() or 0)
    # Less the pages that the interpreter held before.
    assert 190 <= after - before < 300
