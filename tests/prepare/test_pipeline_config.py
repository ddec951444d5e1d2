"""What is read of a `pipeline.config`, and what the zoo's own models have without one."""

from dataclasses import replace
from pathlib import Path

import pytest

from tfzoo.prepare.pipeline_config import PipelineConfig, find_config, read_pipeline_config
from tfzoo.prepare.postprocess import PostProcessing
from tfzoo.prepare.preprocess import Resizer
from tfzoo.zoo.manifest import InputSize, find_model

FIXED = "fixed_shape_resizer { height: 300 width: 400 }"
NMS = "batch_non_max_suppression { }"


def config(resizer: str = FIXED, nms: str = NMS, classes: str = "num_classes: 90") -> str:
    return f"model {{ ssd {{ {classes} image_resizer {{ {resizer} }} post {{ {nms} }} }} }}"


def test_fields_that_are_not_there_have_the_defaults_of_their_messages() -> None:
    """As object_detection/protos/post_processing.proto and image_resizer.proto have them."""
    read = read_pipeline_config(config())
    assert read.resizer == Resizer((300, 400))
    assert read.postprocessing == PostProcessing(
        num_classes=90,
        score_threshold=0.0,
        iou_threshold=0.6,
        max_per_class=100,
        max_total=100,
        resizer=Resizer((300, 400)),
        change_frame=True,
    )
    padded = "keep_aspect_ratio_resizer { pad_to_max_dimension: true }"
    assert read_pipeline_config(config(padded)).resizer == Resizer((1024, 1024), 600)


def test_fields_that_are_there_are_read() -> None:
    nms = (
        "batch_non_max_suppression { score_threshold: 0.25, iou_threshold: 0.5; "
        "max_detections_per_class: 7 max_total_detections: 9 change_coordinate_frame: false }"
    )
    read = read_pipeline_config(config(nms=nms))
    assert read.postprocessing == PostProcessing(90, 0.25, 0.5, 7, 9, Resizer((300, 400)), False)


@pytest.mark.parametrize(
    "resizer",
    ["fixed_shape_resizer { height: 300 }", "fixed_shape_resizer { width: 300 }"],
)
def test_a_fixed_shape_of_one_side_is_none(resizer: str) -> None:
    assert read_pipeline_config(config(resizer)) == PipelineConfig()


@pytest.mark.parametrize("pad", ["", "pad_to_max_dimension: false"])
def test_without_padding_the_size_depends_on_the_image(pad: str) -> None:
    read = read_pipeline_config(config(f"keep_aspect_ratio_resizer {{ min_dimension: 9 {pad} }}"))
    assert read.resizer is None
    assert read.unpadded == Resizer((1024, 1024), 9, pad=False)
    assert read.postprocessing == PostProcessing(90, score_threshold=0.0)


def test_another_resizer_is_not_known() -> None:
    for resizer in ("identity_resizer { }", "random_resizer { height: 300 width: 400 }"):
        assert read_pipeline_config(config(resizer)) == PipelineConfig()
    assert read_pipeline_config("") == PipelineConfig()
    two = f"{FIXED} }} image_resizer {{ {FIXED}"
    assert read_pipeline_config(config(two)) == PipelineConfig()


@pytest.mark.parametrize(
    "name",
    [
        "use_static_shapes",
        "use_class_agnostic_nms",
        "use_partitioned_nms",
        "use_combined_nms",
        "soft_nms_sigma",
    ],
)
def test_another_nms_is_not_known_unless_switched_off(name: str) -> None:
    def read(value: str) -> PostProcessing | None:
        nms = f"batch_non_max_suppression {{ {name}: {value} }}"
        return read_pipeline_config(config(nms=nms)).postprocessing

    plain = PostProcessing(90, score_threshold=0.0, resizer=Resizer((300, 400)))
    assert [read(value) for value in ("false", "0", "0.0")] == [plain] * 3
    assert [read(value) for value in ("true", "1", "0.5")] == [None] * 3


def test_two_of_what_should_be_one_give_no_parameters() -> None:
    assert read_pipeline_config(config(nms=f"{NMS} {NMS}")).postprocessing is None
    assert read_pipeline_config(config(nms="")).postprocessing is None
    twice = config(classes="num_classes: 3 num_classes: 4")
    assert read_pipeline_config(twice).postprocessing is None
    assert read_pipeline_config(config(classes="")).postprocessing is None


def test_the_config_in_the_model_comes_before_the_one_beside_it(tmp_path: Path) -> None:
    model = tmp_path / "saved_model"
    model.mkdir()
    (tmp_path / "pipeline.config").write_text(config(classes="num_classes: 2"))
    found = find_config(model, find_model("efficientdet d0")).postprocessing
    assert found is not None and found.num_classes == 2
    (model / "pipeline.config").write_text(config(classes="num_classes: 1"))
    found = find_config(model).postprocessing
    assert found is not None and found.num_classes == 1


def test_an_entry_of_no_size_or_no_padding_gives_no_resizer(tmp_path: Path) -> None:
    spec = find_model("ssd mobilenet v2 320x320")

    def resizer(**values: object) -> Resizer | None:
        size = InputSize(source="me", **values)  # type: ignore[arg-type]
        found = find_config(tmp_path, replace(spec, input=size))
        assert found.postprocessing == PostProcessing(90, resizer=found.resizer)
        return found.resizer

    assert resizer(resizer="fixed_shape", height=30, width=40) == Resizer((30, 40))
    assert resizer(resizer="fixed_shape", height=30) is None
    assert resizer(resizer="fixed_shape", width=40) is None
    padded = resizer(resizer="keep_aspect_ratio", pad=True, min_side=30, max_side=40)
    assert padded == Resizer((40, 40), 30)
    assert resizer(resizer="keep_aspect_ratio", pad=False, min_side=30, max_side=40) is None
    assert resizer(resizer="keep_aspect_ratio", pad=True) is None
