"""The chart: accuracy against speed, as one self-contained page or as a picture."""

from __future__ import annotations

import html
import json
import re
import struct
import zlib
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tfzoo.errors import OutputError, RuntimeUnavailableError, UsageError
from tfzoo.files import has_mark, whole_file
from tfzoo.report.chart_rows import FAMILIES, OTHER, chart_rows
from tfzoo.report.points import (
    NOT_COMPARABLE,
    Metric,
    Origin,
    as_printed_points,
    measured_points,
    reported_points,
    require_measured,
)
from tfzoo.zoo.manifest import Manifest, load_manifest

if TYPE_CHECKING:
    import altair as alt


#: File name endings that a chart can be written to.
FORMATS = (".html", ".svg", ".png")

#: What tells our charts from other files of these endings: valid in each, and seen in none.
_MARKS = {
    ".html": b'<meta name="generator" content="tfzoo">',
    ".svg": b'data-generator="tfzoo"',
    ".png": b"Software\0tfzoo",
}


def draw_chart(
    *,
    metric: Metric = "box",
    speed: Literal["fps", "latency"] = "fps",
    as_printed: bool = False,
    accuracy_from: Origin = "reported",
    speed_from: Origin = "reported",
    results: str | Path | None = None,
    manifest: Manifest | None = None,
) -> alt.LayerChart:
    """The chart of accuracy against speed; the arguments say in which state it opens.

    Args:
        metric: mAP of `box`, `keypoint` or `mask`.
        speed: `fps` (images a second) or `latency` (milliseconds an image).
        as_printed: Whether to begin with the blog's figures as printed, slips included.
        accuracy_from: Which accuracy to begin with, `reported` or `measured`.
        speed_from: Which speed to begin with, likewise.
        results: Folder of measurements to choose from beside the reported figures.
        manifest: Models to show; the packaged manifest's if left out.

    Raises:
        RuntimeUnavailableError: Altair is not installed.
        MeasurementError: The measurements can't be read, or lack what to begin with.
    """
    if find_spec("altair") is None or find_spec("vl_convert") is None:
        raise RuntimeUnavailableError(
            "the chart needs Altair and vl-convert: pip install 'tfzoo[chart]'"
        )
    from tfzoo.report.chart_spec import build_chart

    manifest = manifest or load_manifest()
    folder = None if results is None else Path(results)
    measured = measured_points(manifest, folder) if folder is not None else []
    require_measured(measured, folder, accuracy_from=accuracy_from, speed_from=speed_from)
    rows = chart_rows(reported_points(manifest), as_printed_points(manifest), measured)
    return build_chart(
        rows,
        metric=metric,
        speed=speed,
        as_printed=as_printed,
        accuracy_from=accuracy_from,
        speed_from=speed_from,
    )


def save_chart(drawn: alt.LayerChart, path: str | Path, *, overwrite: bool = False) -> Path:
    """Writes a chart as a page (.html) or as a picture (.svg, .png), by the file's ending.

    A page holds all it needs: it loads nothing from anywhere. A chart drawn before is replaced.

    Args:
        drawn: The chart.
        path: Where to.
        overwrite: Whether any other file that lies there is replaced too.

    Raises:
        UsageError: The ending is none of these, or the file is there and no chart of ours.
        OutputError: The file can't be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"{path}: a chart is written as {', '.join(FORMATS)}; name such a file")
    ours = partial(has_mark, mark=_MARKS[suffix])
    content = _page(drawn).encode() if suffix == ".html" else _picture(drawn, suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, sync=False, ours=None if overwrite else ours) as file:
            file.write(content)
    except OSError as error:
        if isinstance(error, FileExistsError) and path.parent.is_dir():
            raise UsageError(
                f"{path} is there already, and no chart that tfzoo drew: it is not replaced. Name "
                "another file, or replace it with --overwrite"
            ) from None
        raise OutputError(f"{path} can't be written: {error.strerror}") from None
    return path


def _vega_lite_version() -> str:
    """Vega-Lite's version that Altair writes for, as vl-convert names it: `6.4`."""
    import altair as alt

    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def _picture(drawn: alt.LayerChart, suffix: str) -> bytes:
    import vl_convert

    # A picture can't be hovered or clicked: the inputs' state is drawn, the inputs are not.
    specification = drawn.to_dict()
    if suffix == ".svg":
        text: str = vl_convert.vegalite_to_svg(specification, vl_version=_vega_lite_version())
        return text.encode().replace(b"<svg ", b"<svg " + _MARKS[".svg"] + b" ", 1)
    png: bytes = vl_convert.vegalite_to_png(specification, vl_version=_vega_lite_version(), scale=2)
    # A chunk of text behind the header, which always has these 33 bytes.
    text_chunk = b"tEXt" + _MARKS[".png"]
    size, checksum = len(_MARKS[".png"]), zlib.crc32(text_chunk)
    return png[:33] + struct.pack(">I", size) + text_chunk + struct.pack(">I", checksum) + png[33:]


def _page(drawn: alt.LayerChart) -> str:
    """A chart as a page that holds all it needs."""
    import vl_convert

    specification = drawn.to_dict()
    about = [
        "FPS is 1000 / ms. The zoo's speeds are milliseconds an image at batch 1 on hardware it "
        "does not state; compare them with each other, not with a stopwatch.",
        f"YOLOv5: {NOT_COMPARABLE}.",
    ]
    menus = {parameter["name"] for parameter in specification["params"] if "bind" in parameter}
    if not menus & {"accuracy_from", "speed_from"}:
        about.append(
            "All figures here are reported ones. To choose your own machine's beside them, measure "
            "with: tfzoo benchmark NAME, tfzoo evaluate NAME; then draw again with: tfzoo chart "
            "--results DIR (where those wrote; results, if nothing was said)."
        )
    else:
        about.append(
            "A measured point says on hover which images its mAP and which machine its time is of. "
            "A diamond is none of the zoo's models: one of your own, a stand-in or the embedded "
            "one. Hollow is also a mAP that was measured on other images than most models', or a "
            "time of another machine than most."
        )
    template = Path(__file__).with_name("chart.html").read_text()
    filled = {
        "about": "".join(f"<li>{html.escape(line)}</li>" for line in about),
        "libraries": vl_convert.javascript_bundle(
            "window.vegaEmbed = vegaEmbed;", vl_version=_vega_lite_version()
        ),
        "specification": _script(specification),
        "colours": _script(dict((*FAMILIES.values(), OTHER))),
        "other": _script(OTHER[0]),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], template)


def _script(value: Any) -> str:
    """A value as JavaScript, with nothing in it that could end its script element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")
