"""`tfzoo gallery`: a run's pictures, and what was found in them, as a page to look through."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from tfzoo.cli.console import JsonOption, err, print_json
from tfzoo.cli.options import takes
from tfzoo.gallery.settings import GallerySettings


@takes(GallerySettings)
def gallery_command(values: dict[str, Any], as_json: JsonOption = False) -> None:
    """Write a page to look through a run's pictures in a browser: gallery.html in its folder.

    Boxes are drawn live: sliders choose the scores, a search such as `person >= 3` the pictures.
    The page needs no network and no server. Prints its path.

    Example: tfzoo gallery detections
    """
    from tfzoo.cli.progress import progress_bar
    from tfzoo.gallery.make import make_gallery

    with progress_bar("small pictures", "images") as bar:
        made = make_gallery(**values, on_progress=bar.count)
    if as_json:
        print_json(asdict(made) | {"page": str(made.page)})
        return
    told = [f"{made.images} images" + (f", {made.frames} of them frames" if made.frames else "")]
    if made.failed:
        told.append(f"{made.failed} failed")
    if made.gone:
        told.append(f"{made.gone} without a picture: their sources are gone or can't be read")
    if made.missing:
        told.append(f"{made.missing} not detected yet (go on with: tfzoo detect --resume)")
    err.print("; ".join(told), soft_wrap=True)
    sys.stdout.write(f"{made.page}\n")
