"""Boxes before they are decoded: found where the graph proves it, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers import one_stage
from tfzoo.prepare.box_encodings import find_encodings
from tfzoo.prepare.frozen_graph import cut_network
from tfzoo.prepare.graph_part import Part
from tfzoo.prepare.pipeline_config import find_config


def network(folder: Path, encoded: bool) -> Part:
    model = one_stage.save(folder, encoded=encoded) / "saved_model"
    return cut_network(model, find_config(model))[0]


def test_the_exporter_s_box_coder_is_recognised_with_its_anchors_and_scales(tmp_path) -> None:
    found = find_encodings(network(tmp_path, encoded=True))
    assert found is not None
    assert found.scales == pytest.approx((10, 10, 5, 5), rel=1e-3)
    np.testing.assert_allclose(found.anchors[:, 2:], 0.1, rtol=1e-5)
    np.testing.assert_allclose(found.anchors[0, :2], 0.5 / 16, rtol=1e-5)


def test_another_way_of_decoding_is_none(tmp_path) -> None:
    assert find_encodings(network(tmp_path, encoded=False)) is None
