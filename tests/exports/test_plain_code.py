"""The code of docs/export.md, run as written, beside the exports it names and without tfzoo."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.exports.conftest import LABELS
from tests.helpers.paths import ROOT

pytest.importorskip("openvino")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("onnxruntime")

#: Each of the page's programs by the file that it opens, and the format of that.
PROGRAMS = {
    "detector.tflite": "tflite",
    "detector_openvino": "openvino",
    "detector.onnx": "onnx",
    "detector_saved_model": "saved_model",
}
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(), re.DOTALL)


@pytest.fixture
def place(image, tmp_path) -> Path:
    """Where photo.jpg lies: a picture that is the same after it was saved."""
    Image.fromarray(image).save(tmp_path / "photo.jpg", "PNG")
    return tmp_path


def test_the_page_has_a_program_for_each_format() -> None:
    assert len(BLOCKS) == len(PROGRAMS)
    for block, name in zip(BLOCKS, PROGRAMS, strict=True):
        assert f'"{name}' in block and "tfzoo" not in block


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_tensorflow_finds(converter, made, expected, place, name) -> None:
    (place / name).symlink_to(made(PROGRAMS[name]).path)
    (program,) = (block for block in BLOCKS if f'"{name}' in block)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=place, env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    boxes, scores, ids = expected
    wanted = [
        (int(ids[i]), round(float(scores[i]), 2), boxes[i][[1, 0, 3, 2]])
        for i in np.flatnonzero(scores >= 0.5)
    ]
    assert wanted
    if PROGRAMS[name] == "openvino":
        # The Model API gives names, and leaves out boxes of less than a pixel.
        names = ["_".join(label.split()) for label in LABELS]
        best = rows[: len(wanted) // 2]
        found = {(names.index(row[0]) + 1, float(row[1])) for row in best}
        assert found and found <= {(class_id, score) for class_id, score, _ in wanted}
        return
    # Spare ones may follow, in case some lie in padding.
    rows = rows[: len(wanted)]
    assert [(int(row[0]), float(row[1])) for row in rows] == [one[:2] for one in wanted]
    found = np.clip([[float(value) for value in row[2:]] for row in rows], 0, 1)
    np.testing.assert_allclose(found, [box for _, _, box in wanted], atol=1e-4)
