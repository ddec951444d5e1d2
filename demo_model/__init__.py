"""The project's own small CenterNet: synthetic scenes, training and export.

Not part of the wheel; only what it writes to ``tfzoo/demo`` is. See README.md beside this file.
"""

from pathlib import Path

MODEL_ID = "demo_centernet_kpts_256x256"
PACKAGED = Path(__file__).parents[1] / "tfzoo" / "demo"
"""Where the archive and the held-out scenes go."""
SHIPPED = Path(__file__).with_name("shipped.json")
"""Sizes, digests and measured metrics of what is in ``PACKAGED``; written by the export."""
IMAGE_SIZE = 256
"""Side of the square that images are fitted into, pixels."""
STRIDE = 4
"""Pixels of that square per cell of the network's maps."""
