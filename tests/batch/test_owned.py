"""What others wrote is neither replaced nor deleted, whatever it is called and wherever it lies."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.helpers.films import film
from tests.helpers.folders import everything, fill, save, scene, stop_after
from tests.helpers.paths import ROOT
from tfzoo.batch import folder
from tfzoo.batch.exports import WRITTEN
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.formats import FORMATS
from tfzoo.batch.inputs import Input, write_inputs
from tfzoo.batch.lock import locked
from tfzoo.detector import Detector
from tfzoo.errors import OutputError, TfzooError, UsageError

#: Names of files of ours that others may have too; each is in the way of a run.
TAKEN = (
    *WRITTEN,
    "inputs.parquet",
    "run.json",
    "parts/detections/part-000000.parquet",
    "parts/images/part-000000.parquet",
    "parts/images/part-000007.parquet",
    "parts/images/cover.png",
    "annotated/0.png",
)
#: Names that look like ours, and that no run writes.
ALIKE = (
    ".images.json.tmp",
    ".0.png.0123456789ab.tmp",
    ".detections.json.0123456789ab-0123456789ab.tmp",
    "detections.parquet",
    "results.csv",
    "accuracy.csv",
    "timing.csv",
    "chart.html",
    "parts/engine.stl",
    "parts/.part-000000.parquet.0123456789ab.tmp",
    "parts/images/.DS_Store",
    "annotated/mine.png",
    "annotated/0.png.txt",
    "annotated/deeper/.1.png.0123456789ab.tmp",
)


def put(out: Path, *names: str) -> dict[str, str]:
    """Writes somebody's files into a folder; gives their digests."""
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            pd.DataFrame({"mine": [1, 2, 3]}).to_parquet(out / name)
        else:
            (out / name).write_text(f'["{name} of mine"]')
    return {name: digest for name, digest in digests(out).items() if name in names}


def digests(out: Path) -> dict[str, str]:
    """All files below a folder, by name."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("photos"), 3)


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}], ids=str)
@pytest.mark.parametrize("name", [*TAKEN, "all"])
def test_a_file_of_a_results_name_is_never_replaced_nor_deleted(
    watched: Detector, images: Path, tmp_path: Path, name: str, options: dict[str, bool]
) -> None:
    names = (*TAKEN, *ALIKE) if name == "all" else (name, *ALIKE)
    before = put(tmp_path / "out", *names)
    with pytest.raises(UsageError, match=r"run\.json") as raised:
        detect_folder(images, watched, tmp_path / "out", **options)
    assert "--out" in str(raised.value)
    assert digests(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["parts", "parts/images", "annotated"])
def test_a_file_in_place_of_a_folder_is_told_of_before_anything_is_done(
    watched: Detector, images: Path, tmp_path: Path, name: str
) -> None:
    before = put(tmp_path / "out", name)
    with pytest.raises(UsageError, match=f"holds {name}"):
        detect_folder(images, watched, tmp_path / "out", overwrite=True)
    assert digests(tmp_path / "out") == before


def test_what_only_looks_like_a_runs_is_left_alone_by_all_that_a_run_does(
    watched: Detector, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mine = put(out, *ALIKE)
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, out, on_progress=stop_after(1))
    detect_folder(images, watched, out, resume=True)
    assert mine.items() <= digests(out).items()
    detect_folder(images / "2.png", watched, out, overwrite=True)
    assert mine.items() <= digests(out).items()
    drawn = {path.name for path in (out / "annotated").glob("*.png")}
    assert drawn == {"2.png", "mine.png"}
    with pytest.raises(UsageError):
        detect_folder(images, "no model of this name", out, overwrite=True)
    detect_folder(images, watched, out, overwrite=True, pictures=False)
    assert mine.items() <= digests(out).items()
    assert {path.name for path in (out / "annotated").glob("*.png")} == {"mine.png"}


@pytest.mark.parametrize("options", [{"overwrite": True}, {"resume": True}], ids=str)
@pytest.mark.parametrize("name", WRITTEN)
def test_a_result_that_somebody_replaced_is_somebodys(
    watched: Detector, images: Path, tmp_path: Path, name: str, options: dict[str, bool]
) -> None:
    out = tmp_path / "out"
    detect_folder(images, watched, out)
    put(out, name)
    before = digests(out)
    with pytest.raises(UsageError, match=rf"holds {name}, which its run\.json does not name"):
        detect_folder(images, watched, out, **options)
    assert digests(out) == before
    (out / name).unlink()
    detect_folder(images, watched, out, **options)
    assert (out / name).exists()


def test_a_result_that_comes_while_a_run_is_at_work_is_not_replaced(
    watched: Detector, images: Path, tmp_path: Path
) -> None:
    out, mine = tmp_path / "out", {}

    def come(done: int, total: int | None) -> None:
        if done == 2:
            mine.update(put(out, "images.json", "parts/detections/part-000000.parquet"))

    with pytest.raises(OutputError, match="no file of this run's"):
        detect_folder(images, watched, out, on_progress=come)
    assert len(mine) == 2 and mine.items() <= digests(out).items()
    (out / "parts/detections/part-000000.parquet").unlink()
    with pytest.raises(UsageError, match=r"holds images\.json"):
        detect_folder(images, watched, out, resume=True)
    (out / "images.json").unlink()
    assert detect_folder(images, watched, out, resume=True).images == 3


def test_results_that_somebody_adds_to_a_stopped_run_are_not_replaced(
    watched: Detector, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, watched, out, on_progress=stop_after(1))
    mine = put(out, "images.json")
    for options in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(UsageError, match=r"images\.json"):
            detect_folder(images, watched, out, **options)
    assert mine.items() <= digests(out).items()


def test_pictures_beside_a_run_without_any_are_somebodys(
    watched: Detector, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mine = put(out, "annotated/0.png")
    detect_folder(images, watched, out, pictures=False)
    detect_folder(images, watched, out, pictures=False, overwrite=True)
    before = digests(out)
    with pytest.raises(UsageError, match=r"annotated/0\.png"):
        detect_folder(images, watched, out, overwrite=True)
    assert digests(out) == before and mine.items() <= before.items()


def test_the_pictures_of_videos_and_of_folders_go_with_their_run(
    watched: Detector, tmp_path: Path
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    save(photos / "a" / "b" / "0.gif.png", scene(0))
    clip = film(tmp_path / "clip.mp4")
    detect_folder([photos, clip], watched, out, recursive=True)
    drawn = [path for path in (out / "annotated").rglob("*") if path.is_file()]
    assert {path.name for path in drawn} == {"0.gif.png", "clip.mp4"}
    mine = put(out, f"{drawn[0].parent.relative_to(out)}/mine.txt")
    detect_folder(photos / "a" / "b" / "0.gif.png", watched, out, overwrite=True, pictures=False)
    assert [path for path in (out / "annotated").rglob("*") if path.is_file()] == [
        out / name for name in mine
    ]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'{"format": 1}', b"\xff"])
def test_a_run_whose_journal_is_damaged_can_be_begun_anew(
    watched: Detector, images: Path, tmp_path: Path, damage: bytes
) -> None:
    out = tmp_path / "out"
    detect_folder(images, watched, out)
    expected = everything(out)
    mine = put(out, *ALIKE)
    (out / "run.json").write_bytes(damage)
    for options in ({}, {"resume": True}):
        with pytest.raises(UsageError, match=r"run\.json is no journal[\s\S]*--overwrite"):
            detect_folder(images, watched, out, **options)
    detect_folder(images, watched, out, overwrite=True)
    assert everything(out) == expected
    assert mine.items() <= digests(out).items()


def test_a_run_that_can_not_begin_deletes_nothing_and_leaves_nothing(
    watched: Detector, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="no model is called"):
        detect_folder(images, "no model of this name", out)
    assert digests(out) == {}
    detect_folder(images, watched, out)
    before = digests(out)
    for model, source in (("no model of this name", images), (watched, tmp_path / "nowhere")):
        with pytest.raises(TfzooError):
            detect_folder(source, model, out, overwrite=True)
        assert digests(out) == before


def test_a_run_that_died_before_its_journal_is_in_nobodys_way(
    watched: Detector, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = "abcdef012345"
    died = {
        f".inputs.parquet.{run}-0123456789ab.tmp",
        f"parts/images/.part-000000.parquet.{run}-0123456789ab.tmp",
        f"annotated/deeper/.0.png.{run}-0123456789ab.tmp",
        f"annotated/.clip.mp4.{run}-0123456789ab.tmp.mp4",
        f"crops/person/a/.0_0.50_1.jpg.{run}-0123456789ab.tmp",
        f"yolo/.data.yaml.{run}-0123456789ab.tmp",
        f"voc/Annotations/a/.0.xml.{run}-0123456789ab.tmp",
        f"labelme/.0.json.{run}-0123456789ab.tmp",
    }
    put(out, *died)
    mine = put(out, *ALIKE)
    write_inputs(out / "inputs.parquet", [Input("/a/0.png", "0.png")], 4, run, pictures=True)
    with locked(out) as hold:
        hold.sign(run)
        record = (out / ".lock").read_bytes()
    (out / ".lock").write_bytes(record)  # As a kill would leave it.
    assert detect_folder(images, watched, out).images == 3
    assert mine.items() <= digests(out).items()
    assert not died & digests(out).keys()


#: Files of formats, each in the way of a run that is to write it.
OF_FORMATS = (
    "coco.json",
    "detections.parquet",
    "counts.csv",
    "yolo/data.yaml",
    "yolo/labels/2.txt",
    "voc/Annotations/0.xml",
    "labelme/1.json",
    "labelme",
    "crops",
)
BESIDE = ("yolo/labels/mine.txt", "yolo/images/0.png", "voc/0.xml", "labelme/0.png", "coco.csv")


@pytest.mark.parametrize("name", OF_FORMATS)
def test_a_file_of_a_formats_name_is_never_replaced_nor_deleted(
    watched: Detector, images: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    before = put(out, name)
    for options in ({}, {"overwrite": True}):
        with pytest.raises(UsageError, match=f"holds {name}"):
            detect_folder(images, watched, out, formats=FORMATS, **options)
    assert digests(out) == before
    if name == "crops":
        return
    detect_folder(images, watched, out)  # Where the format is not asked for, it is in no way.
    whole = digests(out)
    with pytest.raises(UsageError, match=f"holds {name}"):
        detect_folder(images, watched, out, formats=FORMATS, resume=True)
    assert digests(out) == whole
    detect_folder(images, watched, out, overwrite=True, pictures=False)
    assert before.items() <= digests(out).items()


def test_files_of_formats_go_with_their_run(
    watched: Detector, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mine = put(out, *BESIDE)
    detect_folder(images, watched, out, formats=FORMATS)
    first = digests(out)
    assert {name for name in OF_FORMATS if "." in name} <= first.keys()
    detect_folder(images, watched, out, formats=FORMATS, resume=True)
    assert {name: value for name, value in digests(out).items() if name != "run.json"} == {
        name: value for name, value in first.items() if name != "run.json"
    }
    detect_folder(images, watched, out, overwrite=True, pictures=False, formats=["coco"])
    assert mine.items() <= digests(out).items()
    left = digests(out).keys() - mine.keys() - {*WRITTEN, "run.json", "inputs.parquet", ".lock"}
    assert {name for name in left if not name.startswith("parts/")} == {"coco.json"}
    put(out, "coco.json")
    mine |= put(out, "coco.json")
    with pytest.raises(UsageError, match=r"holds coco\.json"):
        detect_folder(images, watched, out, resume=True, formats=["coco"])
    assert mine.items() <= digests(out).items()


def test_a_run_of_an_earlier_version_has_no_names_for_files_of_formats(
    watched: Detector, images: Path, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    out = tmp_path / "out"
    detect_folder(images, watched, out)
    table = pq.read_table(out / "inputs.parquet")
    pq.write_table(table.drop_columns(["picture", "stem"]), out / "inputs.parquet")
    with pytest.raises(UsageError, match="earlier version, which kept no names for files of yolo"):
        detect_folder(images, watched, out, resume=True, formats=["coco", "yolo"])
    detect_folder(images, watched, out, resume=True, formats=["coco", "counts"])
    assert (out / "coco.json").exists() and not (out / "yolo").exists()


def as_before(out: Path) -> None:
    """Makes of a run one of a version whose files told nothing of it."""
    import pyarrow.parquet as pq

    journal = json.loads((out / "run.json").read_text())
    for name in ("run", "written"):
        del journal[name]
    (out / "run.json").write_text(json.dumps(journal))
    for path in out.rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        said = json.loads(table.schema.metadata[b"tfzoo"])
        del said["run"]
        kept = {b"tfzoo": json.dumps(said)} if "images" in said else None
        pq.write_table(table.replace_schema_metadata(kept), path)


@pytest.mark.parametrize("options", [{"overwrite": True}, {"resume": True}], ids=str)
def test_a_run_of_an_earlier_version_goes_by_its_names(
    watched: Detector, images: Path, tmp_path: Path, options: dict[str, bool]
) -> None:
    out = tmp_path / "out"
    detect_folder(images, watched, out)
    expected = everything(out)
    as_before(out)
    mine = put(out, *ALIKE)
    detect_folder(images, watched, out, **options)
    assert everything(out) == expected
    assert mine.items() <= digests(out).items()


def test_a_part_of_another_run_is_not_counted_as_ones_own(
    watched: Detector, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PART_IMAGES", 2)
    for name in ("one", "two"):
        detect_folder(images, watched, tmp_path / name, pictures=False)
    part = "parts/images/part-000001.parquet"
    shutil.copy(tmp_path / "two" / part, tmp_path / "one" / part)
    with pytest.raises(OutputError, match="a part of another run"):
        detect_folder(images, watched, tmp_path / "one", pictures=False, resume=True)
    before = digests(tmp_path / "one")
    with pytest.raises(UsageError, match=part):
        detect_folder(images, watched, tmp_path / "one", pictures=False, overwrite=True)
    assert digests(tmp_path / "one") == before


@pytest.mark.parametrize(
    "change",
    [
        lambda journal: journal | {"run": "../../elsewhere"},
        lambda journal: journal | {"written": ["images.json"]},
        lambda journal: journal | {"settings": "none"},
        lambda journal: journal | {"images": "many"},
        lambda journal: journal | {"left_out": 3},
    ],
)
def test_a_journal_of_another_shape_is_none(
    watched: Detector, images: Path, tmp_path: Path, change: Callable[[Any], Any]
) -> None:
    out = tmp_path / "out"
    detect_folder(images, watched, out)
    journal = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(change(journal)))
    before = digests(out)
    with pytest.raises(UsageError, match="no journal of a run"):
        detect_folder(images, watched, out, resume=True)
    assert digests(out) == before


def test_a_disk_that_knows_no_links_is_written_to_all_the_same(
    watched: Detector, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*given: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    detect_folder(images, watched, tmp_path / "out")
    with pytest.raises(UsageError, match="already holds a run"):
        detect_folder(images, watched, tmp_path / "out")


KILLED = """
import sys
from pathlib import Path
from tfzoo.batch import local
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.formats import FORMATS
from tfzoo.detections.labels import COCO
from tfzoo.detector import Detector
from tfzoo.runtimes.runtime import open_runtime
from tfzoo.store.models import StoredModel

model, images, out = map(Path, sys.argv[1:])
local.CHECKPOINT_S = 0.005
detector = Detector(StoredModel("standin", model, ""), open_runtime("onnx", model, "cpu"), COCO)
print("ready", flush=True)
sys.stdin.readline()
detect_folder(images, detector, out, overwrite=True)
"""


def test_a_run_killed_while_it_replaces_another_is_replaced_and_others_files_stay(
    onnx_model: Path, watched: Detector, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mine = put(out, *ALIKE)
    began = time.monotonic()
    detect_folder(images, watched, out)
    taken, expected = time.monotonic() - began, everything(out)
    command = [sys.executable, "-c", KILLED, str(onnx_model), str(images), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    draw, pipe = random.Random(5), subprocess.PIPE
    for _ in range(int(os.environ.get("TRIALS", "5"))):
        run = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe)
        assert run.stdin is not None and run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        run.stdin.write(b"go\n")
        run.stdin.flush()
        time.sleep(draw.random() * taken)
        run.kill()
        run.communicate()
        assert mine.items() <= digests(out).items()
        detect_folder(images, watched, out, overwrite=True)
        assert everything(out) == expected
        drawn = {f"annotated/{i}.png" for i in range(3)}
        ours = {*WRITTEN, "run.json", "inputs.parquet", ".lock"}
        ours |= {f"parts/{table}/part-000000.parquet" for table in ("detections", "images")}
        assert digests(out).keys() == mine.keys() | ours | drawn
        assert mine.items() <= digests(out).items()
