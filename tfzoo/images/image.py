"""What an image is, to everything in this package."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The pixels of one image: uint8 [H, W, 3] RGB.
Image = NDArray[np.uint8]

#: What a caller may hand over as one image; see `tfzoo.images.reading.read_image`.
ImageLike = Any
