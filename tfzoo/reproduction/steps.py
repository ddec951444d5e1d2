"""The two steps of a row, each in processes of their own: how good a model is, and how fast."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import fields
from tempfile import TemporaryFile
from typing import Any

from tfzoo.accuracy.settings import EvaluateSettings, ImageOptions, OnProgress
from tfzoo.errors import MeasurementError
from tfzoo.options import runtime_of
from tfzoo.processes import end, environment, how_it_ended
from tfzoo.reproduction.settings import ReproduceSettings
from tfzoo.timing.benchmark import benchmark


def evaluated(
    model: str, runtime: str, settings: ReproduceSettings, on_progress: OnProgress
) -> tuple[list[dict[str, Any]], list[str]]:
    """Evaluates a model: rows of `accuracy.csv`, and what looks like a mistake.

    Raises:
        MeasurementError: It can't be had or run, or its process died.
    """
    images = {one.name: getattr(settings, one.name) for one in fields(ImageOptions)}
    asked = EvaluateSettings(
        model,
        runtime=runtime_of(runtime, settings.precision),
        precision=settings.precision,
        device=settings.device,
        results=settings.results,
        **images,
    )
    answer: dict[str, Any] = {}
    with ExitStack() as stack:
        words = stack.enter_context(TemporaryFile())
        process = subprocess.Popen(
            [sys.executable, "-m", "tfzoo.reproduction.accuracy_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            env=environment(),
        )
        stack.callback(end, process)
        assert process.stdin is not None and process.stdout is not None
        pickle.dump(asked, process.stdin)
        process.stdin.close()
        for line in process.stdout:
            answer = json.loads(line)
            if "done" in answer:
                on_progress(answer["done"], answer["total"])
        code = process.wait()
        words.seek(0)
        said = words.read().decode(errors="replace")
    if "error" in answer:
        raise MeasurementError(answer["error"])
    if "rows" not in answer:
        raise MeasurementError(f"evaluating failed: {how_it_ended(code, said)}")
    return answer["rows"], answer["warnings"]


def timed(model: str, runtime: str, settings: ReproduceSettings) -> dict[str, Any]:
    """Times a model: a row of `timing.csv`.

    Raises:
        MeasurementError: It can't be had or run, or takes too long.
    """
    timing = benchmark(
        model,
        runtime=runtime,
        precision=settings.precision,
        device=settings.device,
        min_images=settings.min_images,
        min_seconds=settings.min_seconds,
        timeout_s=settings.timeout_s,
        results=None,
    )
    if timing.error is not None:
        raise MeasurementError(f"timing failed: {timing.error}")
    return timing.to_json()
