"""What a model runs on: the processor, its cores, a GPU, by name."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def hardware_name(device: str) -> str:
    """What a device is: the GPU's name, or the processor's and its number of cores.

    Args:
        device: `cpu` or `gpu:N`.
    """
    found = query_gpu(device, "name") if device.startswith("gpu") else None
    return (found and found[0]) or f"{cpu_name()}, {usable_cores()} cores"


def cpu_name(proc: Path = Path("/proc")) -> str:
    """The processor's name, as the machine gives it."""
    try:
        lines = (proc / "cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return value.strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Logical cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def query_gpu(device: str, *fields: str) -> list[str] | None:
    """What nvidia-smi says of a GPU, one text a field, or None where it can't be asked.

    Args:
        device: `gpu:N`.
        fields: See `nvidia-smi --help-query-gpu`.
    """
    index = _driver_index(device.partition(":")[2] or "0")
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            [*command, "-i", index], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return [text.strip() for text in done.stdout.strip().split(",")]


def _driver_index(index: str) -> str:
    """What the driver calls a GPU: CUDA counts those that it was told to see, the driver all."""
    visible = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return visible[int(index)] if visible != [""] and int(index) < len(visible) else index
