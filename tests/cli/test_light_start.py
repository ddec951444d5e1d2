"""`tfzoo detect` with a prepared model loads no library that it would only wait for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import one_stage

PROGRAM = """
import json, sys
from tfzoo.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
loaded = sorted(sys.modules)
import pyarrow
assert pyarrow.table({"a": [1, 2]}).to_pandas()["a"].tolist() == [1, 2]
print(json.dumps(loaded), file=open("loaded.json", "w"))
"""


def test_detect_loads_no_pandas_and_no_tensorflow(tmp_path) -> None:
    pytest.importorskip("openvino")
    from PIL import Image

    model = one_stage.save(tmp_path / "model")
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(tmp_path / "picture.png")
    command = [sys.executable, "-c", PROGRAM, "detect", "picture.png", "--model", str(model)]
    command += ["--runtime", "openvino", "--no-images"]
    path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    loaded = set(json.loads((tmp_path / "loaded.json").read_text()))
    assert "openvino" in loaded
    heavy = {"tensorflow", "pandas", "cv2", "supervision", "absl", "openvino.tools.ovc", "httpx"}
    assert not heavy & loaded
