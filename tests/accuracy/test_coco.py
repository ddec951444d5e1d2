"""COCO folders, annotation files, samples, and fetching the real set."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.coco_data import as_truth, random_data, write
from tfzoo.accuracy.coco import (
    CocoSet,
    describe_images,
    find_coco,
    list_digest,
    name_of,
    read_ground_truth,
    read_results,
    sample,
)
from tfzoo.accuracy.coco_fetch import SETS, Part, default_folder, fetch_coco, fetched_folder
from tfzoo.accuracy.metrics import score
from tfzoo.errors import AnnotationError, ArchiveError, OfflineError, UsageError, VerificationError
from tfzoo.store.retry import Policy


@pytest.mark.parametrize(
    ("images", "annotations"),
    [
        (
            "val2017",
            ["annotations/instances_val2017.json", "annotations/person_keypoints_val2017.json"],
        ),
        ("images/val2017", ["annotations/instances_val2017.json"]),
        ("val2017", ["annotations/person_keypoints_val2017.json"]),
        ("images/val", ["annotations/instances_val.json"]),
        ("images", ["instances.json", "person_keypoints.json"]),
        ("data", ["labels.json"]),
        ("valid", ["valid/_annotations.coco.json"]),
        (".", ["_annotations.coco.json"]),
    ],
)
def test_the_usual_layouts_are_recognised(
    images: str, annotations: list[str], tmp_path: Path
) -> None:
    (tmp_path / images).mkdir(parents=True, exist_ok=True)
    for name in annotations:
        write(tmp_path / name, random_data(1, images=2)[0])
    found = find_coco(tmp_path)
    assert found.images == tmp_path / images
    assert found.annotations == tuple(tmp_path / name for name in annotations)
    assert list(found.files) == [1, 2]


def test_the_validation_split_comes_before_others(tmp_path: Path) -> None:
    for split in ("test", "train2017", "val2017"):
        (tmp_path / split).mkdir()
        write(tmp_path / f"annotations/instances_{split}.json", random_data(1, images=2)[0])
    assert find_coco(tmp_path).images == tmp_path / "val2017"


def test_an_unknown_layout_lists_those_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(UsageError, match=r"val2017/ with annotations/instances_val2017.json"):
        find_coco(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        find_coco(tmp_path / "nothing")


def test_boxes_are_scored_by_the_file_of_most_categories(tmp_path: Path) -> None:
    people, _ = random_data(1, images=2, categories=1)
    things, _ = random_data(1, images=2, categories=4)
    for annotation in things["annotations"]:
        del annotation["keypoints"]
    paths = [write(tmp_path / "kp.json", people), write(tmp_path / "all.json", things)]
    coco = CocoSet(tmp_path, tuple(paths))
    box, keypoints = coco.truth("box"), coco.truth("keypoints")
    assert box is not None and box.path.name == "all.json"
    assert keypoints is not None and keypoints.path.name == "kp.json"


def test_annotation_files_of_different_images_are_refused(tmp_path: Path) -> None:
    first, _ = random_data(1, images=2)
    second, _ = random_data(1, images=2)
    second["images"][1]["file_name"] = "other.jpg"
    paths = [write(tmp_path / "a.json", first), write(tmp_path / "b.json", second)]
    with pytest.raises(AnnotationError, match=r"image 2 is 0002.jpg .* but other.jpg"):
        _ = CocoSet(tmp_path, tuple(paths)).files


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "holds no COCO annotations"),
        ({"images": [], "annotations": [], "categories": []}, "lists no images"),
        ({"images": [{"id": 1}], "categories": []}, "image_info files have no annotations"),
        (
            {"images": [{"id": 1}], "annotations": [{"image_id": 2}], "categories": []},
            "1 annotations are of images that the file does not list",
        ),
        (
            {
                "images": [{"id": 1}],
                "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}],
                "categories": [],
            },
            "1 annotations have no area",
        ),
    ],
)
def test_what_is_no_ground_truth_is_refused(value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=message):
        read_ground_truth(write(tmp_path / "gt.json", value))


def test_an_object_of_id_zero_counts_as_any_other(tmp_path: Path) -> None:
    # Some exports count annotations from 0, which COCO's tools take for "no object".
    data, rows = random_data(2, images=8, drawn=False)
    known = read_ground_truth(write(tmp_path / "one.json", data))
    for annotation in data["annotations"]:
        annotation["id"] -= 1
        del annotation["iscrowd"]
    from_zero = read_ground_truth(write(tmp_path / "zero.json", data))
    crowds = [a for a in known.data["annotations"] if a["iscrowd"]]
    for annotation in crowds:
        annotation["iscrowd"] = 0
    assert score(from_zero, rows, "box").values == score(known, rows, "box").values


def test_what_is_no_results_file_is_refused(tmp_path: Path) -> None:
    row = {"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [1, 2, 3, 4]}
    assert read_results(write(tmp_path / "r.json", [row])) == [row]
    for bare in ({**row, "bbox": None}, {k: row[k] for k in row if k != "bbox"}):
        assert read_results(write(tmp_path / "r.json", [bare])) == [bare]
    slips = ({"score": "high"}, {"score": float("nan")}, {"bbox": [1, 2, 3]})
    wrong = [[{**row, **slip}] for slip in slips]
    for value in ({"images": []}, [{"image_id": 1}], [1], *wrong):
        with pytest.raises(AnnotationError, match="no COCO results file"):
            read_results(write(tmp_path / "r.json", value))
    (tmp_path / "r.json").write_text('[{"image_id": 1,')
    with pytest.raises(AnnotationError, match="is not JSON"):
        read_results(tmp_path / "r.json")
    with pytest.raises(AnnotationError, match="can't be read: No such file"):
        read_results(tmp_path / "missing.json")


def test_a_sample_is_seeded_and_grows_with_its_limit() -> None:
    ids = list(range(100, 200))
    ten = sample(ids, 10, seed=0)
    assert ten == sample(list(reversed(ids)), 10, seed=0)
    assert ten != sample(ids, 10, seed=1)
    assert set(ten) < set(sample(ids, 20, seed=0))
    assert ten != ids[:10] and ten == sorted(ten)
    assert sample(ids, None, seed=0) == sample(ids, 1000, seed=0) == ids
    assert len(sample(ids, 1, seed=0)) == 1
    with pytest.raises(UsageError, match="at least one image"):
        sample(ids, 0, seed=0)


def test_image_sets_are_told_apart() -> None:
    def images(count: int, address: str, name: str = "{:012}.jpg") -> list[dict[str, Any]]:
        return [
            {"file_name": name.format(i), "coco_url": f"http://host/{address}/{i}.jpg"}
            for i in range(count)
        ]

    assert describe_images(images(5000, "val2017")) == "val2017"
    assert describe_images(images(4999, "val2017")) == "val2017 subset"
    assert describe_images(images(8059, "val2014")) == "minival-like"
    assert describe_images(images(10, "val2017") + images(1, "train2017")) == "minival-like"
    assert describe_images(images(10, "", "COCO_val2014_{:012}.jpg")) == "minival-like"
    assert describe_images(images(10, "mine")) == "other"


def test_images_packaged_with_a_model_are_held_out(tmp_path: Path) -> None:
    data, _ = random_data(1, images=4, drawn=False)
    path = write(tmp_path / "instances.json", data)
    held_out = CocoSet(tmp_path, (path,), held_out=True)
    assert name_of(held_out, [1, 2, 3, 4]) == "held-out"
    assert name_of(held_out, [1, 2, 3]) == "held-out subset"
    assert name_of(CocoSet(tmp_path, (path,)), [1, 2, 3, 4]) == "other"


def test_a_part_of_a_set_has_the_images_their_annotations_and_all_categories() -> None:
    truth = as_truth(random_data(3, images=6, drawn=False)[0])
    part = truth.subset([4, 5])
    assert list(part.images) == [4, 5]
    assert {annotation["image_id"] for annotation in part.data["annotations"]} == {4, 5}
    assert part.categories == truth.categories and part.path == truth.path
    # A whole set would fill the screen.
    assert "0004.jpg" not in repr(part) and "truth.json" in repr(part)


def test_a_list_digest_knows_no_order() -> None:
    assert list_digest(["a", "b"]) == list_digest(["b", "a"]) != list_digest(["a"])
    assert list_digest(["ab"]) != list_digest(["a", "b"])


class Server:
    """A real server of a folder that counts what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[str] = []
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                super().do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        handler = partial(Handler, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Server, tuple[Part, ...]]]:
    """Two small archives as cocodataset.org's are laid out, and the parts they are."""
    folder = tmp_path / "served"
    folder.mkdir()
    contents = {
        "annotations": {
            "annotations/instances_val2017.json": json.dumps(random_data(1, images=2)[0]),
            "annotations/instances_train2017.json": "{}",
        },
        "val2017": {"val2017/0001.jpg": "one", "val2017/0002.jpg": "two"},
    }
    server = Server(folder)
    parts = []
    for name, files in contents.items():
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as packed:
            for inner, text in files.items():
                packed.writestr(inner, text)
        data = path.read_bytes()
        keep = ("instances_val2017.json",) if name == "annotations" else None
        digest = hashlib.sha256(data).hexdigest()
        parts.append(Part(name, f"{server.url}/{path.name}", len(data), digest, keep))
    yield server, tuple(parts)
    server.stop()


QUICK = Policy(attempts=2, backoff_s=0.01)


def test_a_fetched_set_is_a_folder_that_is_recognised(
    served: tuple[Server, tuple[Part, ...]], tmp_path: Path
) -> None:
    server, parts = served
    folder = fetch_coco(folder=tmp_path / "coco", parts=parts, policy=QUICK)
    found = find_coco(folder)
    assert sorted(path.name for path in found.images.iterdir()) == list(found.files.values())
    # The training set's annotations are not kept.
    assert [path.name for path in (folder / "annotations").iterdir()] == ["instances_val2017.json"]
    assert not list((folder / ".downloads").iterdir())
    asked = len(server.requests)
    fetch_coco(folder=folder, parts=parts, policy=QUICK)
    assert len(server.requests) == asked == 2


def test_a_part_that_arrived_is_not_fetched_again(
    served: tuple[Server, tuple[Part, ...]], tmp_path: Path
) -> None:
    server, parts = served
    missing = Part("val2017", f"{server.url}/nothing.zip", 1, "0" * 64)
    with pytest.raises(Exception, match="404"):
        fetch_coco(folder=tmp_path / "coco", parts=(parts[0], missing), policy=QUICK)
    asked = len(server.requests)
    fetch_coco(folder=tmp_path / "coco", parts=parts, policy=QUICK)
    assert server.requests[asked:] == ["/val2017.zip"]


def test_wrong_bytes_are_refused_and_nothing_is_published(
    served: tuple[Server, tuple[Part, ...]], tmp_path: Path
) -> None:
    _, (part, _) = served
    wrong = Part(part.name, part.url, part.bytes, "0" * 64)
    with pytest.raises(VerificationError, match=r"not what it should be: .* expected .* 0000"):
        fetch_coco(folder=tmp_path / "coco", parts=(wrong,), policy=QUICK)
    assert not (tmp_path / "coco/annotations").exists()


def test_a_damaged_archive_is_refused_and_nothing_is_published(
    served: tuple[Server, tuple[Part, ...]], tmp_path: Path
) -> None:
    _, (part, _) = served
    damaged = (tmp_path / "served/annotations.zip").read_bytes()[:-40]
    (tmp_path / "served/annotations.zip").write_bytes(damaged)
    digest = hashlib.sha256(damaged).hexdigest()
    with pytest.raises(ArchiveError, match="damaged"):
        short = Part(part.name, part.url, len(damaged), digest)
        fetch_coco(folder=tmp_path / "coco", parts=(short,), policy=QUICK)
    assert not (tmp_path / "coco/annotations").exists()


def test_a_mirror_comes_first_and_its_bytes_are_checked(
    served: tuple[Server, tuple[Part, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, (_, part) = served
    monkeypatch.setenv("TFZOO_MIRROR", f"{server.url}/mirror")
    folder = fetch_coco(folder=tmp_path / "coco", parts=(part,), policy=QUICK)
    assert (folder / "val2017/0002.jpg").read_text() == "two"
    assert server.requests == ["/mirror/val2017.zip", "/val2017.zip"]


def test_offline_is_obeyed(
    served: tuple[Server, tuple[Part, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, parts = served
    monkeypatch.setenv("TFZOO_OFFLINE", "1")
    with pytest.raises(OfflineError, match="downloads are switched off"):
        fetch_coco(folder=tmp_path / "coco", parts=parts, policy=QUICK)
    assert not server.requests


def test_sizes_and_digests_are_the_published_ones() -> None:
    known = {part.name: (part.bytes, part.sha256[:8]) for part in SETS["val2017"]}
    assert known == {"annotations": (252907541, "113a836d"), "val2017": (815585330, "4f7e2ccb")}
    with pytest.raises(UsageError, match="sets are val2017"):
        fetch_coco("train2014")


def test_evaluate_finds_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path))
    assert fetched_folder() is None
    for part in SETS["val2017"]:
        (default_folder() / part.name).mkdir(parents=True)
    assert fetched_folder() == tmp_path / "coco"
