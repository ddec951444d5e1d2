"""`tfzoo export`: a model in the form of another runtime, verified."""

from __future__ import annotations

from typing import Any

from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    OfflineOption,
    VerifyOption,
    out,
    print_json,
)
from tfzoo.cli.options import takes
from tfzoo.exports.settings import ExportSettings


@takes(ExportSettings)
def export_command(
    values: dict[str, Any],
    offline: OfflineOption = False,
    verify: VerifyOption = False,
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Export a model to TFLite, OpenVINO, ONNX or a server's SavedModel, and verify it.

    The export is run by its own runtime on pictures, and what it finds is held against TensorFlow:
    what finds something else is not written. ONNX is converted by older packages than ours, which
    are installed once into an environment of their own below the cache (about 2 GB).

    Example: tfzoo export "ssd mobilenet v2 320x320" --format tflite -o model.tflite
    """
    from tfzoo.cli.progress import progress_bar
    from tfzoo.exports.make import export_model

    with progress_bar("exporting", "") as bar:
        made = export_model(**values, on_step=bar.step)
    if as_json:
        print_json(made.to_json())
    else:
        out.print(str(made), soft_wrap=True)
