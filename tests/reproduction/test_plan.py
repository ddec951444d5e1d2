"""What a reproduction will do, said before it is done."""

from pathlib import Path

import pytest

from tests.helpers import measurements
from tests.helpers.coco_data import random_data, write
from tfzoo.errors import UnknownModelError, UsageError
from tfzoo.reproduction.run import plan_reproduction
from tfzoo.zoo.manifest import load_manifest


@pytest.fixture
def given(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "images").mkdir()
    annotations = write(tmp_path / "instances.json", random_data(0, images=5)[0])
    images = {"images": tmp_path / "images", "annotations": annotations}
    return {**images, "results": tmp_path / "results"}


def test_patterns_families_and_names_mean_each_model_once(given: dict[str, object]) -> None:
    plan = plan_reproduction(["efficientdet d0", "efficientdet*"], family="efficientdet", **given)
    ids = [model.id for model in plan.models]
    assert ids[0] == "efficientdet_d0_coco17_tpu-32"
    assert sorted(ids) == sorted(m.id for m in load_manifest().select(family="efficientdet"))


def test_all_means_every_model_and_says_what_is_left_out(given: dict[str, object]) -> None:
    plan = plan_reproduction([], all_models=True, **given)
    assert len(plan.models) == len(load_manifest().models)
    skipped = {model.id: model.skipped for model in plan.models if model.skipped}
    assert set(skipped) == {"extremenet_20200711", "extremenet_20210507"}
    assert all("no SavedModel" in why for why in skipped.values())


def test_the_disk_holds_all_models_or_one_at_a_time(given: dict[str, object]) -> None:
    everything = plan_reproduction([], family="centernet", **given)
    freed = plan_reproduction([], family="centernet", free_disk=True, **given)
    largest = max(model.download_mb or 0 for model in freed.models)
    assert freed.peak_mb == pytest.approx(4 * largest)
    several = plan_reproduction([], family="centernet", free_disk=True, jobs=3, **given)
    assert 4 * largest < several.peak_mb <= 3 * freed.peak_mb
    assert everything.peak_mb == pytest.approx(3 * everything.download_mb + largest)


def test_time_is_estimated_from_what_was_timed_here(given: dict[str, object]) -> None:
    d0, d1 = "efficientdet_d0_coco17_tpu-32", "efficientdet_d1_coco17_tpu-32"
    assert plan_reproduction([d1], **given).seconds is None
    reported = load_manifest().find(d0).speed_ms
    assert reported is not None
    measurements.add(Path(str(given["results"])), d0, 100 * reported)
    slow = plan_reproduction([d1], **given)
    measurements.add(Path(str(given["results"])), d0, 10 * reported)
    fast = plan_reproduction([d1], **given)
    assert slow.seconds is not None and fast.seconds is not None
    assert slow.seconds > fast.seconds > 0


def test_a_name_that_fits_nothing_is_told_before_anything_is_done(given: dict[str, object]) -> None:
    for name in ("no such model", "nosuch*"):
        with pytest.raises(UnknownModelError):
            plan_reproduction([name], **given)
    assert not Path(str(given["results"])).exists()


def test_no_model_or_no_images_is_told(tmp_path: Path, given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--all"):
        plan_reproduction([], **given)
    with pytest.raises(UsageError, match="no folder"):
        plan_reproduction(["efficientdet d0"], images=tmp_path / "none", annotations="x.json")
