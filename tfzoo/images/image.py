"""What an image is, to everything in this package, and what is raised where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.errors import ImageError

#: The pixels of one image: uint8 [H, W, 3] RGB.
Image = NDArray[np.uint8]

#: What a caller may hand over as one image; see `tfzoo.images.reading.read_image`.
ImageLike = Any


@contextmanager
def image_errors(name: str) -> Iterator[None]:
    """Turns whatever is raised while an image or video is read into an `ImageError`.

    Damaged files raise nearly anything from the libraries' parsers, addresses from theirs; and one
    bad image must not end a run over a folder.

    Args:
        name: What is read.

    Raises:
        ImageError: With the name and the library's reason.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{name}: too large for this machine's memory") from None
    except Exception as error:
        raise ImageError(f"{name}: can't be read: {str(error) or type(error).__name__}") from error
