"""The manifest against the published tables, its schema's refusals, and the search by name."""

import csv
from pathlib import Path

import pytest
import yaml

from tests.helpers.entries import ENTRY
from tests.helpers.paths import DATA
from tfzoo.errors import AmbiguousModelError, ManifestError, UnknownModelError
from tfzoo.settings import PACKAGE
from tfzoo.zoo.manifest import (
    DEFAULT_MODEL,
    find_model,
    list_models,
    load_manifest,
    packaged_manifest_path,
    packaged_scenes,
    validate_manifest,
)


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(newline="") as file:
        return list(csv.DictReader(file))


ZOO = rows("zoo_figures.csv")
BLOG = rows("blog_figures.csv")


def number(text: str) -> float | None:
    return float(text) if text else None


def test_every_row_of_the_zoo_page_is_an_entry_and_nothing_else_is() -> None:
    archives = [spec.archive.removesuffix(".tar.gz") for spec in load_manifest().models]
    page = [row["archive"] for row in ZOO]
    assert archives == [*page, "yolov5s.onnx", "yolov5m.onnx", "yolov5l.onnx", "yolov5x.onnx"]
    assert len(page) == 43


@pytest.mark.parametrize("row", ZOO, ids=[f"{row['archive']}-{row['date']}" for row in ZOO])
def test_figures_equal_the_zoo_page(row: dict[str, str]) -> None:
    spec = next(
        spec
        for spec in load_manifest().models
        if spec.sources[0].url.endswith(f"tf2/{row['date']}/{row['archive']}.tar.gz")
    )
    assert spec.name == row["model_name"]
    assert spec.speed_ms == number(row["speed_ms"])
    for metric in ("box_map", "keypoint_map", "mask_map"):
        assert spec.figure(metric) == number(row[metric]), metric
    handles = [source.url for source in spec.sources if source.kind == "tfhub"]
    assert handles == ([row["tfhub_handle"]] if row["tfhub_handle"] else [])
    assert spec.sources[0].url.startswith("https://storage.googleapis.com/download.tensorflow.org/")
    assert spec.sources[1].url.startswith("http://download.tensorflow.org/")


@pytest.mark.parametrize("row", BLOG, ids=[row["model_name"] for row in BLOG])
def test_as_printed_figures_equal_the_blog(row: dict[str, str]) -> None:
    printed = find_model(row["model_name"]).as_printed
    assert printed is not None
    assert printed.name == row["model_name"]
    assert printed.box_map == number(row["box_map"])
    assert printed.keypoint_map == number(row["keypoint_map"])
    assert printed.fps == number(row["fps"])


def test_the_chart_has_the_blogs_44_rows() -> None:
    assert sum(spec.as_printed is not None for spec in load_manifest().models) == len(BLOG) == 44


def test_yolov5_keeps_its_three_sources_apart() -> None:
    large = find_model("yolov5l")
    assert large.as_printed is not None and large.as_printed.box_map == 36.8
    assert large.figure("box_map", "yolov5_v4") == 48.1
    assert large.figure("box_map", "yolov5_v7") == large.box_map == 49.0
    assert large.speed_ms is None
    assert large.license == "AGPL-3.0"


def test_a_keypoint_map_printed_as_box_map_is_no_box_map() -> None:
    spec = find_model("centernet_mobilenetv2fpn_512x512_coco17_kpts")
    assert (spec.box_map, spec.keypoint_map) == (None, 41.7)


def test_the_operations_of_all_models_with_a_public_graph_are_counted() -> None:
    unknown = [spec.id for spec in load_manifest().all_models if spec.operations is None]
    assert unknown == ["extremenet_20200711", "extremenet_20210507"]


@pytest.mark.parametrize(
    ("name", "printed"),
    # Multiply-adds in 10^9: table 2 of the EfficientDet paper (arXiv 1911.09070; D6 there is of
    # 1280x1280), half of the GFLOPs in YOLOv5's README.
    [
        ("efficientdet d0", 2.5),
        ("efficientdet d1", 6.1),
        ("efficientdet d2", 11),
        ("efficientdet d3", 25),
        ("efficientdet d4", 55),
        ("efficientdet d5", 135),
        ("efficientdet d6", 226 * (1408 / 1280) ** 2),
        ("efficientdet d7", 325),
        ("yolov5s", 16.5 / 2),
        ("yolov5m", 49.0 / 2),
        ("yolov5l", 109.1 / 2),
        ("yolov5x", 205.7 / 2),
    ],
)
def test_the_operations_counted_are_about_those_that_papers_print(
    name: str, printed: float
) -> None:
    operations = find_model(name).operations
    assert operations is not None
    assert operations.gmacs == pytest.approx(printed, rel=0.1)


def test_the_packaged_manifest_passes_the_full_check() -> None:
    assert validate_manifest(packaged_manifest_path()) == load_manifest([])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("EfficientDet D0 512x512", "efficientdet_d0_coco17_tpu-32"),
        ("efficientDET d0 512X512", "efficientdet_d0_coco17_tpu-32"),
        ("efficientdet d0", "efficientdet_d0_coco17_tpu-32"),
        ("efficientdet_d0_coco17_tpu-32", "efficientdet_d0_coco17_tpu-32"),
        ("extremenet", "extremenet_20210507"),
        ("RetinaNet50 640x640", "ssd_resnet50_v1_fpn_640x640_coco17_tpu-8"),
        ("mask", "mask_rcnn_inception_resnet_v2_1024x1024_coco17_gpu-8"),
    ],
)
def test_a_name_an_id_an_alias_or_a_short_form_finds_its_model(query: str, found: str) -> None:
    assert find_model(query).id == found


def test_the_packaged_scenes_are_those_that_the_embedded_model_was_measured_on() -> None:
    held_out = find_model(DEFAULT_MODEL).held_out
    assert held_out is not None
    assert packaged_scenes() == PACKAGE / held_out.images
    assert len(list(packaged_scenes().glob("*.jpg"))) == 60


def test_an_unknown_name_is_answered_with_the_closest_three() -> None:
    with pytest.raises(UnknownModelError) as caught:
        find_model("efficientdet_d9")
    suggested = [line for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert len(suggested) == 3
    assert all("efficientdet_d" in line for line in suggested)


def test_an_ambiguous_short_form_is_answered_with_the_candidates() -> None:
    with pytest.raises(AmbiguousModelError) as caught:
        find_model("centernet resnet50 v2")
    assert "centernet_resnet50_v2_512x512_coco17_tpu-8" in str(caught.value)
    assert "centernet_resnet50_v2_512x512_kpts_coco17_tpu-8" in str(caught.value)


def test_models_are_listed_by_pattern_family_and_outputs() -> None:
    assert len(list_models()) == 47
    assert len(list_models("centernet*", outputs="keypoints")) == 5
    assert {spec.family for spec in list_models(family="SSD")} == {"ssd"}
    assert len(list_models("d0 512x512")) == 1
    with pytest.raises(UnknownModelError, match="families are centernet, efficientdet"):
        list_models(family="rcnn")
    with pytest.raises(UnknownModelError, match="boxes, keypoints and masks"):
        list_models(outputs="mask")


def write(folder: Path, **changes: object) -> Path:
    path = folder / "more.yaml"
    entry = {**ENTRY, **changes}
    path.write_text(yaml.safe_dump({"references": {"me": {"title": "me"}}, "models": [entry]}))
    return path


def test_a_manifest_of_ones_own_joins_the_zoo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFZOO_MANIFEST", str(write(tmp_path, labels={1: "gear"})))
    mine = find_model("my DETECTOR")
    assert mine.labels == {1: "gear"}
    assert mine.box_map == 12.5
    assert len(list_models()) == 48


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"speed": 12}, "speed"),
        ({"reported": [{"metric": "box_map", "value": 1.0}]}, "source"),
        ({"reported": [{"metric": "box_map", "value": 1.0, "source": "hearsay"}]}, "hearsay"),
        ({"reported": [{"metric": "box_map", "value": -1.0, "source": "me"}]}, "above 0"),
        ({"reported": [{"metric": "box_map", "value": 0.0, "source": "me"}]}, "above 0"),
        ({"reported": [{"metric": "keypoint_map", "value": 1.0, "source": "me"}]}, "keypoint_map"),
        ({"operations": {"gmacs": 0, "macts": 1, "source": "me"}}, "gmacs and macts are above 0"),
        ({"operations": {"gmacs": 1, "macts": 0, "source": "me"}}, "gmacs and macts are above 0"),
        ({"operations": {"gmacs": 1, "macts": 1, "source": "hearsay"}}, "hearsay"),
        ({"aliases": ["EFFICIENTDET D0 512x512"]}, "efficientdet d0 512x512"),
        ({"id": "../escape"}, "letters, digits"),
        ({"id": "con"}, "device"),
        ({"id": "m" * 121}, "longer than 120 bytes"),
        ({"id": "m."}, "dot"),
        ({"archive": "../../x"}, "archive '../../x' is no bare file name"),
        ({"archive": "sub/x.tar.gz"}, "no bare file name"),
        ({"archive": "/x.tar.gz"}, "no bare file name"),
        ({"archive": "..\\x.tar.gz"}, "no bare file name"),
        ({"archive": ".."}, "no bare file name"),
        ({"archive": "C:x.tar.gz"}, "no bare file name"),
        ({"archive": "x\x1b[2J.tar.gz"}, "no bare file name"),
        ({"archive": "x\n.tar.gz"}, "no bare file name"),
        ({"archive": ""}, "it is empty"),
        ({"archive": "NUL.tar.gz"}, "device"),
        ({"archive": f"{'ü' * 100}.tar.gz"}, "longer than"),
        ({"sources": [{"kind": "bundled", "url": "../../x.tar.gz"}]}, "part '..'"),
        ({"sources": [{"kind": "bundled", "url": "/etc/x.tar.gz"}]}, "path below a folder"),
        ({"sources": [{"kind": "archive", "url": "file:///etc/passwd"}]}, "http:// or https://"),
        ({"sources": [{"kind": "archive", "url": "https:///x"}]}, "http:// or https://"),
        ({"sources": [{"kind": "archive", "url": "https://h:99999999/x"}]}, "http:// or https://"),
        ({"sources": [{"kind": "archive", "url": "https://h/a b"}]}, "http:// or https://"),
        ({"sources": [{"kind": "tfhub", "url": "/home/me/model"}]}, "http:// or https://"),
        (
            {"held_out": {"images": "../..", "annotations": "a.json", "sha256": "0" * 64}},
            "images held out",
        ),
        (
            {"held_out": {"images": "a", "annotations": "/etc/x", "sha256": "0" * 64}},
            "annotations held out",
        ),
        (
            {
                "known_files": [
                    {"path": "../x", "kind": "sha256", "digest": "0" * 64, "source": "me"}
                ]
            },
            "path of a known file",
        ),
        ({"sha256": "abc"}, "64 lower-case"),
        ({"outputs": ["smells"]}, "smells"),
        ({"stages": 3}, "stages"),
    ],
    ids=str,
)
def test_a_manifest_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        load_manifest([write(tmp_path, **changes)])
    assert told in str(caught.value)
    assert "more.yaml" in str(caught.value)


def test_file_names_of_any_letters_are_taken(tmp_path: Path) -> None:
    for archive in (f"{'m' * 113}.tar.gz", "größe v2 (final).tar.gz", "a..b.tgz", "console.zip"):
        (spec,) = validate_manifest(write(tmp_path, archive=archive)).models
        assert spec.archive == archive


def test_a_refused_manifest_tells_no_password(tmp_path: Path) -> None:
    url = "https://me:hunter2@h:port/x.tar.gz?sig=S3CR"
    with pytest.raises(ManifestError) as caught:
        load_manifest([write(tmp_path, sources=[{"kind": "archive", "url": url}])])
    assert "hunter2" not in str(caught.value) and "S3CR" not in str(caught.value)


def test_a_manifest_that_is_missing_or_no_yaml_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"absent\.yaml can't be read: No such file"):
        load_manifest([tmp_path / "absent.yaml"])
    broken = tmp_path / "broken.yaml"
    broken.write_text("models: [")
    with pytest.raises(ManifestError, match=r"broken\.yaml is not YAML"):
        load_manifest([broken])
    broken.write_text("- a list")
    with pytest.raises(ManifestError, match="expected `references`"):
        load_manifest([broken])
