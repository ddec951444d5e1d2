"""Your own export: a SavedModel folder or archive by its path, with labels of its own.

Anything that the Object Detection API's exporter wrote will do: it is known by its signature.
The default stands for yours: the embedded model's archive, which as a path is nobody's.

python examples/your_own_export.py [saved_model] [image]
"""

import sys
from pathlib import Path

import tfzoo

DEMO = Path(tfzoo.__file__).parent / "demo"
LABELS = {1: "walker", 16: "gull", 28: "parasol"}  # What its label map says, by class id.
given = dict(enumerate(sys.argv))

# The export as it is. Without `runtime`, the fastest that is proven to find the same.
detector = tfzoo.load(
    given.get(1, DEMO / "demo_centernet_kpts_256x256.tar.gz"), labels=LABELS, runtime="tensorflow"
)
print(f"signature: {detector.kind}")
for tensor in detector.runtime.signature.inputs + detector.runtime.signature.outputs:
    print(f"  {tensor}")

found = detector(given.get(2, DEMO / "scenes" / "scene_000.jpg")).above(0.3)
for detection in found.of(LABELS):
    print(f"{detection.score:.2f}  {detection.category}")
