"""Names that a person expects, told apart where they would collide, and kept by resumed runs."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.helpers.folders import fill, save, scene, stop_after
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.inputs import Listing
from tfzoo.batch.names import file_of, fitting_folder, naming, shared
from tfzoo.batch.settings import RunSettings
from tfzoo.detector import Detector
from tfzoo.outside import keyed


def named(*paths: str, below: str = "/photos", out: str = "/out") -> list[tuple[str, str]]:
    with naming(shared([below]), Path(out)) as namer:
        return [namer.of(path, path.endswith(".mp4")) for path in paths]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a/b/x.jpg", "a/b/y.jpg", "a/c/x.jpg", "a/c/deep/z.png"):
        save(tmp_path / name, scene(1))
    (tmp_path / "list.txt").write_text("a/b/x.jpg\na/c/x.jpg\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "pictures"),
    [
        (["ROOT/a/b/x.jpg"], ["x.jpg"]),
        (["a/b/x.jpg", "ROOT/a/b/y.jpg"], ["x.jpg", "y.jpg"]),
        (["a/b/*.jpg"], ["x.jpg", "y.jpg"]),
        (["a/b"], ["x.jpg", "y.jpg"]),
        (["a/b", "./a/c"], ["b/x.jpg", "b/y.jpg", "c/deep/z.png", "c/x.jpg"]),
        (["a/b/../c", "a/b/x.jpg"], ["c/deep/z.png", "c/x.jpg", "b/x.jpg"]),
        (["a/*/x.jpg"], ["b/x.jpg", "c/x.jpg"]),
        (["list.txt"], ["b/x.jpg", "c/x.jpg"]),
        (["https://h.org/p/x.jpg"], ["x.jpg"]),
        (["https://u:pass/word@h.org:80/p/x.jpg?sig=S3CR", "https://h.org:80/q/x.bmp#p"],
         ["p/x.jpg", "q/x.bmp.jpg"]),
        (["https://h.org/p/a%20b", "http://k.org/x.jpg"], ["https/h.org/p/a b.jpg",
                                                          "http/k.org/x.jpg"]),
    ],
    ids=str,
)  # fmt: skip
def test_names_begin_where_the_sources_differ(
    places: Path, sources: list[str], pictures: list[str]
) -> None:
    given = [source.replace("ROOT", str(places)) for source in sources]
    listing = Listing(RunSettings(given, "model", places / "out", recursive=True))
    assert [one.picture for one in listing] == pictures


def test_what_one_system_takes_for_the_same_is_told_apart() -> None:
    nfc, nfd = "gr\u00f6\u00dfe.jpg", unicodedata.normalize("NFD", "gr\u00f6\u00dfe.jpg")
    groups = [
        ["x.jpg", "X.jpg", "x.JPG"],
        [nfc, nfd, "GR\u00d6SSE.jpg"],
        ["a_b.jpg", "a:b.jpg", "a?b.jpg"],
        ["d/x.jpg", "D/x.jpg"],
        ["end./x.jpg", "end/x.jpg"],
        ["p.bmp", "p.bmp.jpg"],
        ["../x.png", "__/x.png"],
        [r"caf\xe9.png", os.fsdecode(b"caf\xe9.png")],
    ]
    for group in groups:
        for order in (group, group[::-1]):
            found = named(*(f"/photos/{name}" for name in order))
            for names in zip(*found, strict=True):
                folded = {unicodedata.normalize("NFD", name).casefold() for name in names}
                assert len(folded) == len(order), names
            # What can be called as it is on every disk is, where it comes first.
            assert found[0][0] == order[0] or set(order[0]) & set(':?\\\udce9') or order[0] in (
                "../x.png", "p.bmp"
            )  # fmt: skip


def test_a_name_that_was_changed_never_takes_anothers_own() -> None:
    (changed, _), (own, _) = named("/photos/a:b.jpg", "/photos/a_b.jpg")
    assert own == "a_b.jpg"
    assert changed.startswith("a_b-") and changed.endswith(".jpg")


def test_images_of_one_name_and_two_endings_have_files_of_their_own() -> None:
    assert named("/photos/x.jpg", "/photos/x.png", "/photos/x.mp4", "/photos/x.jpg")[:3] == [
        ("x.jpg", "x"), ("x.png", "x.png"), ("x.mp4", "x.mp4")
    ]  # fmt: skip
    again = named("/photos/x.jpg", "/photos/x.jpg")[1]  # A file given twice is detected twice.
    assert again[0].startswith("x-") and again[1].startswith("x-")


@pytest.mark.parametrize("letter", ["x", "\u4e2d"])
def test_names_are_no_longer_than_a_disk_takes(letter: str) -> None:
    long = letter * (250 // len(letter.encode()))
    paths = [f"/photos/{long}{end}.jpg" for end in ("", "1", "12", "123", "1234567890")]
    paths += [f"/photos/{long * 3}/{long * 2}{n}.bmp" for n in range(2)]
    paths += [f"/photos/{'/'.join([long] * 15)}/{'a' * n}.jpg" for n in (1, 2, 250)]
    paths += [f"/photos/{'/'.join([long] * 14)}/other/{long}.jpg", "/photos/" + "z" * 400]
    found = named(*paths, out="/out/" + "o" * 100)
    assert found[0][0] == f"{long}.jpg"  # As long as it may be, and no longer.
    for names in zip(*found, strict=True):
        assert len(set(names)) == len(paths)
        assert max(len(part.encode()) for name in names for part in name.split("/")) <= 255
        assert max(len(name.encode()) for name in names) < 4096 - 500
    for _, stem in found:
        labels = file_of(Path("/out/labels"), stem, "-0.97-1000.json")
        assert len(os.fsencode(labels.name)) <= 255 and labels.name.endswith("-0.97-1000.json")
    kept = {file_of(Path("/"), stem, ".json") for _, stem in found}
    assert len(kept) == len(paths)


def test_a_category_is_a_folder_of_its_own() -> None:
    names = ["a/b", "a_b", "a\\b", "a:b", "..", "", "x" * 300, "x" * 301, "hot dog", "ha\n"]
    folders = [fitting_folder(name) for name in names]
    assert len(set(folders)) == len(names)
    assert folders[1] == "a_b" and folders[8] == "hot dog"
    for folder in folders:
        assert Path(folder).name == folder and folder not in ("", ".", "..")
        assert len(folder.encode()) <= 255


def test_the_longest_name_of_all_and_a_presigned_address_end_no_run(
    watched: Detector, tmp_path: Path
) -> None:
    photos = fill(tmp_path / "photos", 1)
    (photos / "0.png").rename(photos / ("n" * 250 + ".png"))
    signed = "http://127.0.0.1:1/" + "p" * 240 + ".png?X-Amz-Signature=" + "5" * 900
    out = tmp_path / "out"
    summary = detect_folder([photos, signed], watched, out)
    assert (summary.images, summary.failed) == (2, 1)
    assert [path.name for path in (out / "annotated").rglob("*.png")] == ["n" * 250 + ".png"]
    (error,) = (out / "errors.jsonl").read_text().splitlines()
    assert keyed(signed) in json.loads(error)["path"]


def as_before(out: Path) -> None:
    """Makes of a list of inputs one of a version that kept no names of files."""
    table = pq.read_table(out / "inputs.parquet")
    pq.write_table(table.drop_columns(["picture", "stem"]), out / "inputs.parquet")


def test_a_run_of_an_earlier_version_keeps_its_names(watched: Detector, tmp_path: Path) -> None:
    images, out = fill(tmp_path / "photos", 4), tmp_path / "out"
    paths = sorted(images.iterdir())
    with pytest.raises(KeyboardInterrupt):
        detect_folder(paths, watched, out, on_progress=stop_after(2))
    drawn = list((out / "annotated").iterdir())
    for path in drawn:  # As that version called them.
        path.unlink()
    as_before(out)
    detect_folder(paths, watched, out, resume=True)
    below = out / "annotated" / str(images).lstrip("/")
    assert {path.name for path in below.iterdir()} > {"3.png"}
    assert not {path.name for path in (out / "annotated").iterdir()} & {"0.png", "3.png"}
    detect_folder(paths[0], watched, out, overwrite=True)
    left = [path for path in (out / "annotated").rglob("*") if path.is_file()]
    assert left == [out / "annotated" / "0.png"]


def test_a_resumed_run_keeps_the_names_that_it_began_with(
    watched: Detector, tmp_path: Path
) -> None:
    images, out = fill(tmp_path / "photos", 3), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, out, on_progress=stop_after(1))
    before = pq.read_table(out / "inputs.parquet")["picture"].to_pylist()
    save(images / "0.PNG", scene(1))
    detect_folder(images, watched, out, resume=True)
    assert pq.read_table(out / "inputs.parquet")["picture"].to_pylist() == before
    assert sorted(path.name for path in (out / "annotated").iterdir()) == before
