"""`tfzoo benchmark`: time models, one after the other, each in a fresh process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfzoo.cli.completion import models
from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    OfflineOption,
    VerifyOption,
    err,
    out,
    plain_table,
    print_json,
)
from tfzoo.cli.options import takes
from tfzoo.timing.settings import BenchmarkSettings

if TYPE_CHECKING:
    from tfzoo.timing.benchmark import Timing


@takes(BenchmarkSettings, without=("model",))
def benchmark_command(
    values: dict[str, Any],
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            autocompletion=models,
            help="Models, by name, path or pattern ('centernet*').",
        ),
    ],
    offline: OfflineOption = False,
    verify: VerifyOption = False,
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Measure milliseconds an image: batch 1, image in host memory in, detections out.

    Each model runs in a fresh process; loading, the first call and a warm-up stand apart; pre- and
    post-processing are included. Each measurement becomes a row of timing.csv, a failure too.

    Example: tfzoo benchmark "efficientdet d0" "ssd mobilenet v2 320x320" --device cpu
    """
    from tfzoo.store.models import expanded
    from tfzoo.timing.benchmark import benchmark, check_name

    names = expanded(names)
    for name in names:
        # A slip of the pen is told before hours of measuring, not amid them.
        check_name(name)
    measured: list[Timing] = []
    for name in names:
        with err.status(f"timing {name} ..."):
            timing = benchmark(name, **values)
        measured.append(timing)
        if timing.error is not None:
            err.print(f"error: {name}: {timing.error}", style="red", soft_wrap=True)
        if timing.notes is not None:
            err.print(f"note: {name}: {timing.notes}", style="yellow", soft_wrap=True)
    if as_json:
        print_json([timing.to_json() for timing in measured])
    else:
        _print(measured)
    failed = sum(timing.error is not None for timing in measured)
    if failed:
        raise typer.Exit(3 if failed == len(measured) else 1)


_SHOWN = (
    ("mean ms", "mean_ms", "{:.1f}"),
    ("p50", "p50_ms", "{:.1f}"),
    ("p90", "p90_ms", "{:.1f}"),
    ("p95", "p95_ms", "{:.1f}"),
    ("p99", "p99_ms", "{:.1f}"),
    ("FPS", "throughput_fps", "{:.2f}"),
    ("load s", "load_s", "{:.1f}"),
    ("first ms", "first_call_ms", "{:.0f}"),
    ("images", "images", "{}"),
    ("host MB", "peak_host_mb", "{:.0f}"),
    ("device MB", "peak_device_mb", "{:.0f}"),
)


def _print(measured: list[Timing]) -> None:
    table = plain_table()
    table.add_column("model", overflow="fold")
    table.add_column("device", no_wrap=True)
    for title, _, _ in _SHOWN:
        # Two lines, so that long names leave the figures whole.
        table.add_column(title.replace(" ", "\n"), justify="right", no_wrap=True)
    for timing in measured:
        values = [getattr(timing, name) for _, name, _ in _SHOWN]
        texts = [
            "" if value is None else pattern.format(value)
            for value, (_, _, pattern) in zip(values, _SHOWN, strict=True)
        ]
        # Of a path the name tells enough; timing.csv has it whole.
        table.add_row(Path(timing.model).name, timing.device, *texts)
    out.print(table)
    for timing in measured[:1]:
        hardware = timing.gpu or f"{timing.cpu}, {timing.cores} cores"
        out.print(f"{hardware}; {timing.runtime}; {timing.image_set}", style="dim")
