"""Rows of measurements as the commands write them, for what reads them."""

from pathlib import Path

from tfzoo.results import ACCURACY_COLUMNS, append_row
from tfzoo.timing.benchmark import TIMING_COLUMNS, Timing


def add(results: Path, model: str, mean_ms: float | None, **more: object) -> None:
    timing = Timing(
        model,
        mean_ms=mean_ms,
        **{  # type: ignore[arg-type]
            "p50_ms": mean_ms,
            "p95_ms": mean_ms,
            "images": 30,
            "device": "cpu",
            "cpu": "Some CPU",
            "cores": 2,
            "runtime": "tensorflow 2.20.0",
            "image_set": "generated 600x600",
            **more,
        },
    )
    append_row(results / "timing.csv", TIMING_COLUMNS, timing.to_json())


def rate(
    results: Path,
    model: str,
    ap: float,
    kind: str = "box",
    images: int = 5000,
    image_set: str = "val2017",
    interval: tuple[float, float] | None = None,
    **more: object,
) -> None:
    low, high = interval or (None, None)
    row: dict[str, object] = {"model": model, "kind": kind, "images": images}
    row |= {"image_set": image_set, "AP": ap, "AP_low": low, "AP_high": high, **more}
    append_row(results / "accuracy.csv", ACCURACY_COLUMNS, row)
