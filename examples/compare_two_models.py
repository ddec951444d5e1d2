"""Compare two models: accuracy on the same images, and time on this machine.

Without names, the embedded model as it was exported and in its prepared form. The drawn scenes
say nothing of photographs: set IMAGES and ANNOTATIONS to your own, and LIMIT to None.

python examples/compare_two_models.py [model model]
"""

import sys
import warnings
from pathlib import Path

import tfzoo

IMAGES = Path(tfzoo.__file__).parent / "demo" / "scenes"
ANNOTATIONS = IMAGES / "annotations.json"
LIMIT = 20
models = [(name, "tensorflow") for name in sys.argv[1:3]]
models = models or [("demo", "tensorflow"), ("demo", "frozen")]

warnings.filterwarnings("ignore", message=".*images")  # So few are told to be few.
for model, runtime in models:
    accuracy = tfzoo.evaluate(
        model, images=IMAGES, annotations=ANNOTATIONS, limit=LIMIT, runtime=runtime
    )
    timing = tfzoo.benchmark(model, runtime=runtime, min_images=20, min_seconds=1)
    interval = accuracy.box.interval
    print(
        f"{model}, {timing.runtime}: box AP {100 * accuracy.box.values['AP']:.1f} "
        f"({100 * interval.low:.1f} to {100 * interval.high:.1f}), {timing.mean_ms:.1f} ms an image"
    )
