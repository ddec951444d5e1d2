"""Which images a run is about, and under which ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.folders import fill, rows, save, scene, stop_after
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.inputs import Listing
from tfzoo.batch.journal import Journal
from tfzoo.batch.settings import RunSettings
from tfzoo.detector import Detector
from tfzoo.errors import OutputError, UsageError


def test_image_ids_come_from_the_annotation_file(standard: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 3)
    listed = [{"id": 700, "file_name": "2.png"}, {"id": 5, "file_name": "0.png"}]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": listed}))
    summary = detect_folder(images, standard, tmp_path / "out", annotations=truth)
    ids = [image["image_id"] for image in json.loads((tmp_path / "out/images.json").read_text())]
    assert (ids, summary.images, summary.skipped) == ([5, 700], 2, 1)
    assert {row["image_id"] for row in rows(tmp_path / "out")} == {5, 700}


def test_annotations_that_do_not_fit_are_refused(standard: Detector, tmp_path: Path) -> None:
    image = save(tmp_path / "a" / "0.png", scene(0))
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": [{"id": 1, "file_name": "other.png"}]}))
    with pytest.raises(UsageError, match="none of the 1 images found is listed"):
        detect_folder(image, standard, tmp_path / "out", annotations=truth)
    truth.write_text(json.dumps({"images": [{"id": 1, "file_name": "0.png"}]}))
    save(tmp_path / "b" / "0.png", scene(0))
    with pytest.raises(UsageError, match="both image 1"):
        folders = [tmp_path / "a", tmp_path / "b"]
        detect_folder(folders, standard, tmp_path / "out", annotations=truth)
    truth.write_text("{}")
    with pytest.raises(UsageError, match="expected COCO's JSON"):
        detect_folder(image, standard, tmp_path / "out", annotations=truth)


def test_nothing_found_is_told_before_anything_is_made(standard: Detector, tmp_path: Path) -> None:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"no image found.*--recursive"):
        detect_folder(tmp_path / "photos", standard, tmp_path / "out")
    with pytest.raises(UsageError, match="does not exist"):
        detect_folder(tmp_path / "nowhere", standard, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_resumed_goes_by_the_inputs_it_began_with(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 5)
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, tmp_path / "out", on_progress=stop_after(2))
    save(images / "00.png", scene(0))
    assert detect_folder(images, watched, tmp_path / "out", resume=True).images == 5


def test_a_lost_list_of_inputs_is_told_of(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 3)
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, tmp_path / "out", on_progress=stop_after(1))
    (tmp_path / "out" / "inputs.parquet").unlink()
    with pytest.raises(OutputError, match="list of inputs, can't be read"):
        detect_folder(images, watched, tmp_path / "out", resume=True)


def test_an_image_that_vanishes_is_an_error_of_its_own(watched: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 40)
    watched.runtime.before = lambda: (images / "9.png").unlink(missing_ok=True)
    summary = detect_folder(images, watched, tmp_path / "out", pictures=False)
    assert (summary.images, summary.failed) == (40, 1)
    assert "No such file" in (tmp_path / "out/errors.jsonl").read_text()


def test_a_listing_counts_images_and_videos_as_it_gives_them(tmp_path: Path) -> None:
    films = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in films:  # Damaged, each is an image that will fail.
        path.write_bytes(b"no film at all")
    listing = Listing(RunSettings([fill(tmp_path / "photos", 3), *films]))
    names = [Path(one.path).name for one in listing]
    assert names == ["0.png", "1.png", "2.png", "a.mp4", "b.mp4"]
    assert (listing.images, listing.videos, listing.skipped) == (5, 2, 0)


def test_files_left_out_are_told_of_by_every_run_over_them(
    watched: Detector, tmp_path: Path
) -> None:
    images, out = fill(tmp_path / "photos", 3), tmp_path / "out"
    for name in ("a.txt", "b.txt", "c.mov", "._0.png"):
        (images / name).touch()
    expected = {".txt": 2, ".mov": 1}
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, out, on_progress=stop_after(1))
    (images / "d.txt").touch()
    assert detect_folder(images, watched, out, resume=True).left_out == expected
    journal = json.loads((out / "run.json").read_text())
    assert journal.pop("left_out") == expected
    # As earlier versions wrote it.
    (out / "run.json").write_text(json.dumps(journal))
    assert detect_folder(images, watched, out, resume=True).left_out == {}


def earlier_run(out: Path) -> Path:
    """What a walk may meet of a run: its journal, its pictures, and somebody's own."""
    for name in ("annotated/0.png", "annotated/deeper/1.png", "own.png"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    Journal({"model": "m", "runtime": "r", "pictures": True}, 2, 0, 0).write(out)
    return out


def listed(*sources: str | Path, out: str | Path, recursive: bool = True) -> list[str]:
    found = Listing(RunSettings(sources, "model", out, recursive=recursive))
    return [one.name for one in found]


@pytest.mark.parametrize("began", [False, True])
@pytest.mark.parametrize(
    ("source", "out"),
    [
        (".", "out"),
        (".", "./out/"),
        ("./", "deep/out"),
        ("../photos", "out"),
        ("ROOT/photos/", "ROOT/photos/out"),
        ("ROOT/photos", "ROOT/link/out"),
        ("ROOT/link", "ROOT/photos/out"),
        ("ROOT/photos", "ROOT/to_out"),
        ("**/*.png", "out"),
        ("ROOT/photos/**/*.png", "out"),
        ("ROOT/link/**/*.png", "out"),
        ("file://ROOT/photos", "out"),
    ],
)
def test_the_output_folder_inside_a_source_is_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, out: str, began: bool
) -> None:
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    for name in ("0.png", "sub/1.png"):
        (photos / name).touch()
    monkeypatch.chdir(photos)
    (tmp_path / "link").symlink_to(photos)
    (tmp_path / "to_out").symlink_to(photos / "out")
    if began:
        earlier_run(photos / ("deep/out" if "deep" in out else "out"))
    names = listed(source.replace("ROOT", str(tmp_path)), out=out.replace("ROOT", str(tmp_path)))
    assert sorted(Path(name).name for name in names) == ["0.png", "1.png"]


def test_a_source_inside_the_output_folder_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = earlier_run(tmp_path / "out")
    (out / "photos").mkdir()
    (out / "photos" / "2.png").touch()
    monkeypatch.chdir(out)
    for place in (".", out, out / ".." / "out"):
        assert listed(out / "photos", out=place) == ["2.png"]
        assert listed(out / "photos" / "*.png", out=place) == [str(out / "photos" / "2.png")]
        # In the folder itself what is no result is an image as any other.
        assert listed(place, out=place) == ["own.png", "photos/2.png"]
        assert listed(place, out=place, recursive=False) == ["own.png"]
        # What is named is meant.
        assert listed(out / "annotated", out=place) == ["0.png", "deeper/1.png"]
        assert len(listed(out / "annotated" / "**" / "*.png", out=place)) == 2
        assert listed(out / "annotated" / "0.png", out=place) == ["0.png"]
    assert listed("*.png", out=".") == listed("./*.png", out=".") == ["own.png"]


def test_pictures_that_another_run_drew_are_not_detected_and_somebodys_are(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    earlier_run(photos / "first")
    (photos / "annotated").mkdir()
    (photos / "annotated" / "by_hand.png").touch()
    (photos / "run.json").write_text('{"somebody": "else"}')
    expected = ["annotated/by_hand.png", "first/own.png"]
    assert listed(photos, out=photos / "second") == expected
    found = listed(photos / "**" / "*.png", out=tmp_path / "elsewhere")
    assert found == [str(photos / name) for name in expected]


def test_a_second_run_over_a_folder_with_results_finds_the_same_images(
    watched: Detector, tmp_path: Path
) -> None:
    images = fill(tmp_path / "photos", 2)
    for options in ({}, {"overwrite": True}):
        assert detect_folder(images, watched, images / "out", recursive=True, **options).images == 2
    assert detect_folder(images, watched, images, recursive=True).images == 2
    assert detect_folder(images, watched, images, recursive=True, overwrite=True).images == 2
