"""One image: what is in it, where, and the picture of it.

python examples/one_image.py [image] [model]
"""

import sys
from pathlib import Path

from PIL import Image

import tfzoo

SCENES = Path(tfzoo.__file__).parent / "demo" / "scenes"  # Drawn ones that come with the package.
given = dict(enumerate(sys.argv))

detector = tfzoo.load(given.get(2, "demo"))
found = detector(given.get(1, SCENES / "scene_000.jpg")).above(0.3)

for detection in found:
    x0, y0, x1, y1 = detection.box  # In pixels.
    print(f"{detection.score:.2f}  {detection.category:14} {x0:4.0f},{y0:.0f} to {x1:.0f},{y1:.0f}")

Image.fromarray(found.draw()).save("found.jpg")
print(f"{len(found)} found, by {found.run.runtime} on {found.run.device}; drawn in found.jpg")
