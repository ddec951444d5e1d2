"""How far latency forecasts are from what was measured, each model left out in turn.

    python -m benchmarks.forecast
    python -m benchmarks.forecast --results results --runtime openvino
    python -m benchmarks.forecast --models demo SAVED_MODEL ... --runtime tensorflow

Without options the times are those of `forecast_times.csv`: graphs of the Object Detection
API's own exporter with random weights, which cost what the zoo's cost, and the embedded model. The
constants of `tfzoo.report.forecast` were chosen on them, so that the errors of times measured
elsewhere tell more: those of a results folder, which `tfzoo benchmark` writes, or of models of any
kind, which are timed now and counted in their own graphs.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.count_operations import count_model
from tfzoo.report.forecast import Latency, Timed, forecast_latencies, leave_one_out
from tfzoo.report.here import forecast_here
from tfzoo.store.models import get_model
from tfzoo.timing.benchmark import benchmark
from tfzoo.zoo.manifest import find_model
from tfzoo.zoo.schema import ModelSpec, Operations

RECORDED = Path(__file__).with_name("forecast_times.csv")

#: A time, and what it was forecast to be.
Pair = tuple[Timed, Latency]


def recorded(use: str = "chosen on") -> dict[str, list[Timed]]:
    """The recorded times by machine and runtime.

    Args:
        use: `chosen on` are those that the constants were chosen on, `held out` others.
    """
    sets: dict[str, list[Timed]] = defaultdict(list)
    with RECORDED.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["use"] != use:
                continue
            name = row["model"]
            spec = (
                own(name, float(row["gmacs"]), float(row["macts"]))
                if row["gmacs"]
                else find_model(name)
            )
            sets[f"{row['machine']}, {row['runtime']}"].append(Timed(spec, float(row["ms"])))
    return dict(sets)


def own(name: str, gmacs: float, macts: float) -> ModelSpec:
    """A model that no manifest lists: it shares neither family nor backbone with another."""
    return replace(
        find_model("demo"),
        name=Path(name).name,
        family=name,
        backbone=re.sub("[^A-Za-z]", "", name),
        operations=Operations(gmacs=gmacs, macts=macts, source="graph"),
    )


def timed_now(models: Sequence[str], runtime: str) -> list[Timed]:
    """Models by name or path, timed and counted; those by path share no family or backbone."""
    timed = []
    for name in models:
        measured = benchmark(name, runtime=runtime, results=None, min_images=20, min_seconds=3)
        if measured.p50_ms is None:
            raise SystemExit(f"{name}: {measured.error}")
        model = get_model(name)
        spec = model.spec
        if spec is None:
            counted, put_out = count_model(model.path)
            spec = own(name, counted / 1e9, put_out / 1e6)
        operations = spec.operations
        print(f"{name}: {measured.p50_ms} ms, {operations}, {measured.notes}", file=sys.stderr)
        timed.append(Timed(spec, measured.p50_ms))
    return timed


def from_the_others(timed: Sequence[Timed]) -> list[Pair]:
    """Each model, forecast from all the others."""
    return list(zip(timed, leave_one_out(timed), strict=True))


def from_one(timed: Sequence[Timed]) -> list[Pair]:
    """Each model, forecast from each other alone: as where a single model is there."""
    return [
        (one, forecast_latencies([other], [one.spec])[0])
        for one in timed
        for other in timed
        if other is not one
    ]


def told(pairs: Sequence[Pair]) -> str:
    """The error of forecasts in a sentence."""
    factors = [math.exp(abs(math.log(one.ms / latency.ms))) for one, latency in pairs]
    within = sum(latency.holds(one.ms) for one, latency in pairs)
    return (
        f"off by a factor of {statistics.median(factors):.2f} in the median, {max(factors):.2f} at "
        f"most; {within} of {len(pairs)} within the 95 % interval"
    )


def main() -> None:
    """Prints each forecast beside its time, then the errors."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", help="folder of timing.csv with times of this machine")
    parser.add_argument("--models", nargs="+", help="time and count these instead")
    parser.add_argument("--runtime", default="tensorflow", help="whose times")
    given = parser.parse_args()
    sets = recorded()
    if given.models:
        sets = {f"timed now, {given.runtime}": timed_now(given.models, given.runtime)}
    elif given.results:
        here = forecast_here(runtime=given.runtime, results=given.results)
        sets = {str(here.machine): [Timed(one.spec, one.measured_ms or 0) for one in here.timed]}
    else:
        print_errors("held out", recorded("held out"))
    print_errors("chosen on" if not (given.models or given.results) else "timed", sets)


def print_errors(called: str, sets: Mapping[str, Sequence[Timed]]) -> None:
    """Prints each forecast beside its time, set by set, then the errors of all."""
    pairs: list[Pair] = []
    singles: list[Pair] = []
    for name, timed in sets.items():
        print(f"\n{called}: {name}\n")
        print("| model | measured ms | forecast ms | 95 % interval |\n| --- | --- | --- | --- |")
        found = from_the_others(timed)
        for one, latency in found:
            interval = f"{latency.low_ms:.3g} to {latency.high_ms:.3g}"
            print(f"| {one.spec.name} | {one.ms:g} | {latency.ms:.3g} | {interval} |")
        pairs += found
        singles += from_one(timed)
    print(f"\nfrom all the others: {told(pairs)}\nfrom one other alone: {told(singles)}")


if __name__ == "__main__":
    main()
