"""A run's gallery as files: what is made, kept, replaced and deleted, and what is told of."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.gallery.conftest import FOUND, SIZE, found
from tests.helpers.films import film
from tests.helpers.folders import save
from tests.helpers.made_runs import made_up, write_run
from tfzoo.batch.inputs import Listing
from tfzoo.batch.journal import read_journal
from tfzoo.batch.owned import owned_by, sweep
from tfzoo.batch.parts import Columns
from tfzoo.batch.rows import ImageResult
from tfzoo.batch.settings import RunSettings
from tfzoo.errors import OutputError, UsageError
from tfzoo.gallery import make
from tfzoo.gallery.make import make_gallery
from tfzoo.images.video import read_frames


@pytest.fixture
def in_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with hundreds of images: small pictures lie beside the page."""
    monkeypatch.setattr(make, "EMBEDDED", 2)


def data_of(page: Path) -> dict[str, Any]:
    (text,) = re.findall(
        r'<script id="data" type="application/json">(.*)</script>', page.read_text()
    )
    data: dict[str, Any] = json.loads(text)
    return data


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_few_pictures_lie_in_the_page_itself(run: Path) -> None:
    told: list[tuple[int, int | None]] = []
    made = make_gallery(run, on_progress=lambda *counts: told.append(counts))
    assert made.page == run / "gallery.html"
    assert (made.images, made.failed, made.gone, made.frames, made.missing) == (6, 1, 0, 0, 0)
    assert not (run / "gallery").exists()
    data = data_of(made.page)
    assert data["names"] == [*FOUND, "broken.png"]
    assert set(data["embedded"]) == {"0", "1", "2", "3", "4"}
    assert told[-1] == (6, 6)


def test_many_pictures_lie_beside_it_and_only_missing_ones_are_made_again(
    run: Path, sources: Path, in_a_folder: None
) -> None:
    made = make_gallery(run, size=40)
    small = run / "gallery"
    assert data_of(made.page)["embedded"] == {}
    assert sorted(path.name for path in small.iterdir()) == [f"{i:06d}.jpg" for i in range(5)]
    assert cv2.imread(str(small / "000001.jpg")).shape == (30, 40, 3)
    before = times(small)
    (small / "000001.jpg").unlink()
    (small / "000002.jpg").write_bytes((small / "000002.jpg").read_bytes()[:-9])  # Cut off.
    (small / "000003.jpg").write_bytes(b"")  # What a power cut leaves.
    (sources / "three.png").unlink()  # Its small picture is there, and stays.
    assert make_gallery(run, size=40).gone == 0
    after = times(small)
    assert {name for name in after if after[name] == before[name]} == {"000000.jpg", "000004.jpg"}
    assert all(cv2.imread(str(path)) is not None for path in small.iterdir())
    # Of another size, all whose source is there are made anew.
    assert make_gallery(run, size=60).gone == 1
    assert cv2.imread(str(small / "000004.jpg")).shape == (45, 60, 3)


def test_what_others_wrote_is_not_replaced(run: Path, in_a_folder: None) -> None:
    (run / "gallery.html").write_text("<p>mine</p>")
    with pytest.raises(OutputError, match=r"gallery\.html is there already"):
        make_gallery(run)
    assert (run / "gallery.html").read_text() == "<p>mine</p>"
    (run / "gallery.html").unlink()
    (run / "gallery").write_text("mine")
    with pytest.raises(OutputError, match="gallery is there already"):
        make_gallery(run)
    (run / "gallery").unlink()
    (run / "gallery").mkdir()
    (run / "gallery" / "000002.jpg").write_text("mine")
    with pytest.raises(OutputError, match=r"000002\.jpg is there already"):
        make_gallery(run)
    assert (run / "gallery" / "000002.jpg").read_text() == "mine"


@pytest.mark.parametrize("many", [False, True])
def test_the_run_deletes_its_gallery_and_nobody_elses_files(
    run: Path, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    monkeypatch.setattr(make, "EMBEDDED", 2 if many else 300)
    make_gallery(run)
    (run / "gallery").mkdir(exist_ok=True)
    mine = {run / "gallery" / name for name in ("mine.jpg", "notes.txt", "000077.jpg")}
    for path in mine:
        path.write_text("mine")
    journal = read_journal(run)
    assert journal is not None
    owned_by(run, journal).delete()
    assert {path for path in run.rglob("*") if path.is_file()} == mine


def test_a_gallery_of_another_run_is_somebody_elses(run: Path, tmp_path: Path) -> None:
    page = make_gallery(run).page
    page.write_text(page.read_text().replace("0123456789ab", "ba9876543210"))
    with pytest.raises(OutputError, match="no gallery of this run"):
        make_gallery(run)


def test_what_a_killed_gallery_left_is_swept(run: Path, in_a_folder: None) -> None:
    make_gallery(run)
    left = run / "gallery" / f".000001.jpg.0123456789ab-{'0' * 12}.tmp"
    left.write_bytes(b"half")
    sweep(run, "0123456789ab")
    assert not left.exists()


def test_sources_that_are_gone_or_others_are_told_of_one_by_one(run: Path, sources: Path) -> None:
    (sources / "car.png").unlink()
    save(sources / "two.png", np.zeros((10, 10, 3), np.uint8))
    (sources / "empty.png").write_bytes(b"no picture")
    made = make_gallery(run)
    assert made.gone == 3
    gone = data_of(made.page)["gone"]
    assert "car.png is gone" in gone["1"]
    assert "not an image" in gone["2"]
    assert "another picture" in gone["3"]


def test_a_secret_address_and_a_name_that_is_no_text(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    place = save(tmp_path / "photos" / "plain.png", np.full((*SIZE, 3), 9, np.uint8))
    odd = place.rename(place.with_name(name))
    address = "https://user:password@192.0.2.1/a.jpg"
    results = [
        ImageResult(1, name, str(odd), found((1, 0.9))),
        ImageResult(2, "a.jpg", address, found((1, 0.9))),
    ]
    made = make_gallery(write_run(tmp_path / "out", results))
    data = data_of(made.page)
    assert data["names"][0] == "caf\\xe9.png"
    assert set(data["embedded"]) == {"0"}
    assert data["sources"][0].endswith("caf%E9.png")
    assert set(data["gone"]) == {"1"}
    assert "password" not in made.page.read_text()


@pytest.mark.parametrize("many", [False, True])
def test_frames_of_videos_are_pictures_too(
    tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    monkeypatch.setattr(make, "EMBEDDED", 2 if many else 300)
    path = film(tmp_path / "film.mp4")
    frames = [one.image for one in read_frames(str(path))]

    def frame(row: int, name: str, source: str, number: int) -> ImageResult:
        seen = made_up(number, 2, (96, 128))
        return ImageResult(row, name, source, seen, frame=number, timestamp_s=number / 10)

    results = [
        frame(1, "film.mp4", str(path), 0),
        frame(2, "film.mp4", str(path), 13),
        ImageResult(3, "car.png", str(sources / "car.png"), found((3, 0.5), (1, 0.4))),
        frame(4, "gone.mp4", "/gone.mp4", 0),
        frame(5, "film.mp4", str(path), 99),
    ]
    out = write_run(tmp_path / "out", results, Columns(video=True), part=2)
    made = make_gallery(out)
    assert (made.images, made.frames, made.gone) == (5, 4, 2)
    data = data_of(made.page)
    assert data["names"][:2] == ["film.mp4 frame 0 (0.00 s)", "film.mp4 frame 13 (1.30 s)"]
    assert data["sources"][0] == ""  # No browser shows a frame.
    assert "no frame 99" in data["gone"]["4"]
    assert "4 of the pictures are frames of videos" in made.page.read_text()
    if many:
        path.unlink()  # What was made stays, and is not made again.
        assert make_gallery(out).gone == 2
        small = {int(one.stem): one.read_bytes() for one in (out / "gallery").iterdir()}
    else:
        small = {int(i): b64decode(jpeg) for i, jpeg in data["embedded"].items()}
    assert set(small) == {0, 1, 2}
    for row, number in enumerate((0, 13)):
        picture = cv2.imdecode(np.frombuffer(small[row], np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        off = [np.abs(picture - one.astype(float)).mean() for one in frames]
        assert int(np.argmin(off)) == number


def test_an_unfinished_run_is_shown_as_far_as_it_is(run: Path) -> None:
    journal = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(journal | {"images": 10}))
    made = make_gallery(run)
    assert made.missing == 4
    assert "4 images are still to be detected" in made.page.read_text()


def test_a_folder_without_a_run_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no run.*--out"):
        make_gallery(tmp_path)
    assert list(tmp_path.iterdir()) == []
    empty = write_run(tmp_path / "out", [])
    with pytest.raises(UsageError, match="no result yet"):
        make_gallery(empty)


def test_its_pictures_are_no_sources_of_another_run(
    run: Path, sources: Path, in_a_folder: None
) -> None:
    make_gallery(run)
    settings = RunSettings(run.parent, out=run.parent / "other", recursive=True)
    assert len(list(Listing(settings))) == len(FOUND)


def test_a_page_of_thousands_is_compact(tmp_path: Path) -> None:
    results = [ImageResult(i, f"{i}.jpg", f"/x/{i}.jpg", made_up(i, 30, SIZE)) for i in range(600)]
    page = make_gallery(write_run(tmp_path / "out", results)).page
    # 12 bytes a detection as text, and a name and a reason a picture.
    assert page.stat().st_size < 600 * 30 * 17 + 600 * 120 + 40_000
