"""The machine a measurement is taken on, and what disturbed it meanwhile."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tfzoo.hardware import cpu_name, query_gpu, usable_cores

#: Shares of the time from which a disturbance is worth a note.
NOTED_CORES, NOTED_STEAL, NOTED_THROTTLING = 0.2, 0.02, 0.01


@dataclass(frozen=True)
class Environment:
    """What a time depends on beside the model.

    Attributes:
        cpu: Name of the processor.
        cores: Logical cores this process may use.
        memory_gb: Memory of the machine.
        gpu: Name of the GPU used, or None.
        driver: Version of its driver, or None.
        cuda: Version of CUDA that TensorFlow was built for, or None where no GPU is used.
        system: Operating system and Python.
        versions: Versions of the libraries that run a model.
    """

    cpu: str
    cores: int
    memory_gb: float | None
    gpu: str | None
    driver: str | None
    cuda: str | None
    system: str
    versions: str


def describe_environment(device: str, libraries: Sequence[str]) -> Environment:
    """The environment on `device` (`cpu`, `gpu:0`) with the versions of some libraries."""
    on_gpu = device.startswith("gpu")
    answers = query_gpu(device, "name", "driver_version") if on_gpu else None
    gpu, driver = answers or (None, None)
    return Environment(
        cpu=cpu_name(),
        cores=usable_cores(),
        memory_gb=memory_gb(),
        gpu=gpu,
        driver=driver,
        cuda=_cuda_version() if on_gpu else None,
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        versions=", ".join(
            f"{name} {found}"
            for name in ("tfzoo", *libraries)
            if (found := installed_version(name))
        ),
    )


def installed_version(library: str) -> str | None:
    """The installed version of a library, or None."""
    if library == "tfzoo":
        from tfzoo.version import __version__

        return __version__
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _cuda_version() -> str | None:
    import tensorflow as tf

    found = tf.sysconfig.get_build_info().get("cuda_version")
    return None if found is None else str(found)


def memory_gb(proc: Path = Path("/proc")) -> float | None:
    """The machine's memory in GB (10^9 bytes), or None where it can't be told."""
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) * 1024 / 1e9, 1)
    return None


def peak_host_mb(proc: Path = Path("/proc")) -> float | None:
    """The most memory this process ever held, in MB (10^6 bytes); None where it can't be told.

    The kernel's own mark of this program: `getrusage` would give the peak of the process that
    started it, if that was higher.
    """
    for line in _lines(proc / "self" / "status"):
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return None


@dataclass(frozen=True)
class _Counters:
    """Counters that only grow; None where the machine does not keep them."""

    seconds: float
    own_cpu_s: float
    busy_cpu_s: float | None
    stolen_cpu_s: float | None
    quota_throttled_s: float | None
    heat_throttled: int | None


class Watch:
    """Notices what disturbs a measurement: other work, throttling, a GPU slowed by its heat.

    Args:
        device: `cpu` or `gpu:N`, whose GPU is looked at in the end, still at its work.
    """

    def __init__(self, device: str, proc: Path = Path("/proc"), sysfs: Path = Path("/sys")) -> None:
        self._device, self._proc, self._sysfs = device, proc, sysfs
        self.load_average = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
        self._start = self._read()

    def notes(self) -> list[str]:
        """What disturbed the time since this watch was made."""
        start, end = self._start, self._read()
        seconds = max(end.seconds - start.seconds, 1e-9)
        cores = usable_cores()
        notes = []
        if (busy := _grown(start.busy_cpu_s, end.busy_cpu_s)) is not None:
            others = (busy - (end.own_cpu_s - start.own_cpu_s)) / seconds
            if others > NOTED_CORES:
                notes.append(f"other processes used {others:.1f} cores (of {cores})")
        if (stolen := _grown(start.stolen_cpu_s, end.stolen_cpu_s)) is not None:
            share = stolen / seconds / cores
            if share > NOTED_STEAL:
                notes.append(f"the host took {share:.0%} of the CPU time")
        limited = _grown(start.quota_throttled_s, end.quota_throttled_s)
        if limited is not None and limited / seconds > NOTED_THROTTLING:
            notes.append(f"held back for {limited:.1f} s by the container's CPU limit")
        if heat := _grown(start.heat_throttled, end.heat_throttled):
            notes.append(f"the processor slowed down for heat {heat:.0f} times")
        if self._device.startswith("gpu"):
            notes += _gpu_notes(self._device)
        return notes

    def _read(self) -> _Counters:
        own = os.times()
        busy = stolen = None
        fields = next(iter(_lines(self._proc / "stat")), "").split()
        if fields[:1] == ["cpu"]:
            # user, nice, system, idle, iowait, irq, softirq, steal: see proc_stat(5).
            ticks = [int(text) for text in fields[1:9]]
            per_second = os.sysconf("SC_CLK_TCK")
            busy = (sum(ticks[:3]) + sum(ticks[5:7])) / per_second
            stolen = ticks[7] / per_second
        return _Counters(
            seconds=time.monotonic(),
            own_cpu_s=own.user + own.system,
            busy_cpu_s=busy,
            stolen_cpu_s=stolen,
            quota_throttled_s=self._quota_throttled_s(),
            heat_throttled=self._heat_throttled(),
        )

    def _quota_throttled_s(self) -> float | None:
        for line in _lines(self._sysfs / "fs/cgroup/cpu.stat"):
            if line.startswith("throttled_usec "):
                return int(line.split()[1]) / 1e6
        for line in _lines(self._sysfs / "fs/cgroup/cpu/cpu.stat"):
            if line.startswith("throttled_time "):
                return int(line.split()[1]) / 1e9
        return None

    def _heat_throttled(self) -> int | None:
        counts = [
            int(line)
            for path in self._sysfs.glob(
                "devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"
            )
            for line in _lines(path)
        ]
        return sum(counts) if counts else None


def _gpu_notes(device: str) -> list[str]:
    reasons = {
        "clocks_throttle_reasons.hw_thermal_slowdown": "heat (hardware)",
        "clocks_throttle_reasons.sw_thermal_slowdown": "heat",
        "clocks_throttle_reasons.hw_power_brake_slowdown": "its power supply",
        "clocks_throttle_reasons.sw_power_cap": "its power limit",
    }
    answers = query_gpu(device, *reasons) or []
    active = [
        why for why, answer in zip(reasons.values(), answers, strict=False) if answer == "Active"
    ]
    return [f"the GPU was slowed down by {' and '.join(active)}"] if active else []


def _grown(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
