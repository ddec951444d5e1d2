"""A look at this machine: what is installed, which devices are seen, what is missing and why.

Nothing is imported into this process that could fail or take seconds: TensorFlow is asked in a
process of its own.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from tfzoo.hardware import cpu_name, query_gpu, usable_cores
from tfzoo.network import open_client
from tfzoo.settings import cache_folder, offline
from tfzoo.timing.environment import installed_version
from tfzoo.version import __version__

#: The libraries that matter here, and the extra that brings each.
LIBRARIES = {
    "tensorflow": "",
    "opencv-python": "",
    "pandas": "",
    "pyarrow": "",
    "supervision": "",
    "openvino": "openvino",
    "onnxruntime": "onnx",
    "pillow-heif": "heif",
    "faster-coco-eval": "evaluate",
    "pycocotools": "evaluate",
    "altair": "chart",
    "tensorflow-hub": "hub",
    "tf-models-official": "official",
    "ray": "ray",
}

#: One address of each host that models and data come from.
HOSTS = {
    "zoo, https bucket": "https://storage.googleapis.com/download.tensorflow.org/",
    "zoo, http host": "http://download.tensorflow.org/",
    "TF Hub": "https://tfhub.dev/",
    "YOLOv5 releases": "https://github.com/",
    "COCO": "http://images.cocodataset.org/",
}

#: Seconds a host may take to answer.
HOST_TIMEOUT_S = 4.0
#: Room that the largest archive and its unpacked model take, in bytes.
COMFORTABLE_FREE_BYTES = 3_000_000_000


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: What was looked at.
        status: `ok`, `note` (works, with less) or `problem` (something will not work).
        detail: What was found.
        remedy: What to do about it; empty where nothing needs doing.
    """

    name: str
    status: Literal["ok", "note", "problem"]
    detail: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Looks at everything, one finding at a time, the quick ones first."""
    yield Finding("tfzoo", "ok", f"{__version__}, Python {platform.python_version()}")
    yield Finding("machine", "ok", _machine())
    yield from _libraries()
    yield from _cache()
    pool = ThreadPoolExecutor()
    try:
        hosts = [pool.submit(_host, name, url) for name, url in HOSTS.items()]
        tensorflow = pool.submit(_ask_tensorflow)
        yield from _gpus(tensorflow.result())
        for host in hosts:
            yield host.result()
    finally:
        # Whoever wants to know no more waits for nobody's answer.
        pool.shutdown(wait=False, cancel_futures=True)


def _machine() -> str:
    return f"{platform.system()} {platform.release()}, {cpu_name()}, {usable_cores()} processors"


def _libraries() -> Iterator[Finding]:
    for package, extra in LIBRARIES.items():
        found = installed_version(package)
        if found:
            yield Finding(package, "ok", found)
        elif extra:
            yield Finding(
                package, "note", "not installed (optional)", f"pip install 'tfzoo[{extra}]'"
            )
        else:
            yield Finding(package, "problem", "not installed", f"pip install {package}")


def _cache() -> Iterator[Finding]:
    folder = cache_folder()
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    detail = f"{folder}, {free / 1e9:.0f} GB free"
    if not os.access(existing, os.W_OK):
        yield Finding("cache", "problem", f"{detail}, not writable", "set TFZOO_CACHE to a folder")
    elif free < COMFORTABLE_FREE_BYTES:
        yield Finding(
            "cache",
            "note",
            f"{detail}; the largest models need 3 GB",
            "free some space (tfzoo cache prune) or set TFZOO_CACHE to a larger disk",
        )
    else:
        yield Finding("cache", "ok", detail)


_QUESTION = """
import json, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
import tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
names = [tf.config.experimental.get_device_details(gpu).get("device_name", "?") for gpu in gpus]
build = tf.sysconfig.get_build_info()
print(json.dumps({"gpus": names, "cuda": tf.test.is_built_with_cuda(),
                  "cuda_version": build.get("cuda_version"), "cudnn": build.get("cudnn_version")}))
"""


@dataclass(frozen=True)
class _TensorFlowAnswer:
    gpus: list[str]
    with_cuda: bool
    cuda_version: str | None
    complaint: str


def _ask_tensorflow() -> _TensorFlowAnswer | str:
    """What TensorFlow sees, or why it can't be asked."""
    if installed_version("tensorflow") is None and installed_version("tensorflow-cpu") is None:
        return "not installed"
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _QUESTION], capture_output=True, text=True, timeout=120
        )
        answer = json.loads(asked.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        return "can't be imported; see: python -c 'import tensorflow'"
    complaints = [line for line in asked.stderr.splitlines() if "Cannot dlopen" in line]
    return _TensorFlowAnswer(
        answer["gpus"],
        answer["cuda"],
        answer["cuda_version"],
        "GPU libraries are missing" if complaints else "",
    )


def _gpus(answer: _TensorFlowAnswer | str) -> Iterator[Finding]:
    answer_of_driver = query_gpu("gpu:0", "name", "driver_version", "memory.total")
    driver = ", ".join(answer_of_driver) if answer_of_driver else None
    yield Finding("NVIDIA driver", "ok" if driver else "note", driver or "none found")
    if isinstance(answer, str):
        yield Finding("tensorflow runs", "problem", answer, "pip install tensorflow")
    elif answer.gpus:
        yield Finding("GPU in tensorflow", "ok", ", ".join(answer.gpus))
    else:
        reason, remedy = _why_no_gpu(answer, driver)
        yield Finding("GPU in tensorflow", "note", f"none: {reason}; models run on the CPU", remedy)


def _why_no_gpu(answer: _TensorFlowAnswer, driver: str | None) -> tuple[str, str]:
    if not answer.with_cuda:
        return "this TensorFlow is built for CPUs alone", "pip install 'tfzoo[gpu]'"
    if driver is None:
        return (
            "no NVIDIA driver answers on this machine",
            "with an NVIDIA GPU: install its driver, then pip install 'tfzoo[gpu]'",
        )
    libraries = installed_version("nvidia-cudnn-cu12")
    if libraries is None or answer.complaint:
        return (
            f"CUDA {answer.cuda_version} libraries are not installed",
            "pip install 'tfzoo[gpu]'",
        )
    return (
        "driver and libraries are there, TensorFlow still sees no GPU",
        "check CUDA_VISIBLE_DEVICES, and that the driver is recent enough: nvidia-smi",
    )


def _host(name: str, url: str) -> Finding:
    if offline():
        return Finding(name, "note", "not asked: downloads are switched off", "unset TFZOO_OFFLINE")
    try:
        with open_client(timeout=HOST_TIMEOUT_S, follow_redirects=True) as client:
            answer = client.head(url)
    except Exception as error:  # What reads proxies and addresses has errors of its own.
        return Finding(
            name,
            "note",
            f"{url} does not answer: {error or type(error).__name__}",
            "check the network and HTTPS_PROXY; or set TFZOO_MIRROR; cached models work offline",
        )
    return Finding(name, "ok", f"{url} answers ({answer.status_code})")


def can_run(findings: list[Finding]) -> bool:
    """Whether models can be run at all here."""
    return not any(finding.status == "problem" for finding in findings)
