"""How often the paired interval of `tfzoo compare` holds the true difference, by simulation.

    python -m benchmarks.paired_interval [--images 4000] [--trials 400] [--resamples 200]

The truth is the difference of two made-up detectors on all of many synthetic images; each trial
compares them on some of these, drawn anew.
"""

from __future__ import annotations

import argparse

import numpy as np

from tests.helpers.coco_data import as_truth, of_images, random_data, weaker
from tfzoo.accuracy.bootstrap import average_precision, draw, interval, matches_of
from tfzoo.accuracy.metrics import run_evaluation
from tfzoo.comparison.paired import paired_differences


def main() -> None:
    """Simulates and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[80, 200, 500])
    options = parser.parse_args()
    truth, rows = random_data(51, images=options.images, categories=5, drawn=False)
    names = [f"category {i}" for i in range(1, 6)]
    print("B is", "images", "true", "held", "width", "width of two apart", sep="\t")
    for what, dropped in (("as good", 0.0), ("weaker", 0.15)):
        sides = [
            matches_of(run_evaluation(as_truth(truth), found, "box"))
            for found in (weaker(rows, 1, 0.0), weaker(rows, 2, dropped))
        ]
        ones = np.ones((1, options.images), dtype=int)
        before, after = (float(average_precision(side, ones)[0]) for side in sides)
        rng = np.random.default_rng(5)
        for size in options.sizes:
            held, widths, apart = 0, [], []
            for trial in range(options.trials):
                chosen = rng.choice(options.images, size, replace=False)
                a, b = (of_images(side, chosen) for side in sides)
                drawn = draw(size, options.resamples, trial)
                found = paired_differences({"all": a}, {"all": b}, names, drawn, 0.003).overall
                assert found.low is not None and found.high is not None
                held += found.low <= after - before <= found.high
                widths.append(found.high - found.low)
                alone = [one for one in (interval(a, drawn), interval(b, drawn)) if one]
                apart.append(np.hypot(*(one.high - one.low for one in alone)))
            print(
                what,
                size,
                f"{100 * (after - before):+.2f}",
                f"{100 * held / options.trials:.1f} %",
                f"{100 * np.mean(widths):.2f}",
                f"{100 * np.mean(apart):.2f}",
                sep="\t",
            )


if __name__ == "__main__":
    main()
