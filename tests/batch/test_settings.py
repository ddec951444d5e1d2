"""The settings of a run: checked once; an option added in one place reaches all that takes it."""

import inspect
import json
import pickle
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from tests.helpers.folders import fill, rows, stop_after
from tests.helpers.paths import ROOT
from tfzoo.batch import journal, local, ray
from tfzoo.batch.folder import detect_folder
from tfzoo.batch.job import Job, understood
from tfzoo.batch.parts import Columns
from tfzoo.batch.settings import RunSettings
from tfzoo.cli.options import takes
from tfzoo.detecting import DetectOptions
from tfzoo.detector import Detector
from tfzoo.errors import UsageError
from tfzoo.options import called_with, option, options_of


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("min_score", 1.5),
        ("min_score", -0.1),
        ("min_score", float("nan")),
        ("max_detections", 0),
        ("max_pixels", 0),
        ("min_score", "0.5"),
        ("min_score", None),
        ("batch", 0),
        ("batch", -1),
        ("batch", 2.5),
        ("batch", "4"),
        ("batch", True),
        ("batch", None),
        ("workers", 0),
        ("engine", "cloud"),
    ],
)
def test_settings_without_sense_are_refused(
    standard: Detector, tmp_path: Path, setting: str, value: Any
) -> None:
    with pytest.raises(UsageError, match=setting):
        detect_folder(tmp_path, standard, tmp_path / "out", **{setting: value})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("min_score", 0), ("min_score", 1), ("max_detections", 1), ("max_pixels", 1), ("workers", 1)],
)
def test_the_least_and_the_most_that_make_sense_are_taken(setting: str, value: int) -> None:
    assert getattr(RunSettings("photos", **{setting: value}), setting) == value


def test_numbers_of_any_library_become_python_s_own() -> None:
    settings = RunSettings("a.jpg", batch=np.int64(4), min_score=np.float32(0.5))
    assert (type(settings.batch), settings.batch) == (int, 4)
    assert (type(settings.min_score), settings.min_score) == (float, 0.5)


def test_labels_may_be_a_list_that_counts_from_1() -> None:
    assert RunSettings("a.jpg", labels=["cat", "dog"]).labels == {1: "cat", 2: "dog"}
    with pytest.raises(UsageError, match="labels are empty"):
        RunSettings("a.jpg", labels=[])


def test_sources_may_be_one_or_several_or_come_one_by_one() -> None:
    assert RunSettings("photos").paths == ("photos",)
    assert RunSettings(Path("photos")).paths == ("photos",)
    assert RunSettings(["a.jpg", Path("b.jpg")]).paths == ("a.jpg", "b.jpg")
    settings = RunSettings(name for name in ("a.jpg", "b.jpg"))
    assert settings.paths == settings.paths == ("a.jpg", "b.jpg")


def test_settings_show_alike_whoever_is_told_of_progress() -> None:
    told = RunSettings("photos", on_progress=lambda done, total: None)
    assert repr(told) == repr(RunSettings("photos"))


def test_every_setting_is_an_option_but_the_callers_own_function() -> None:
    options = {one.name for one, _ in options_of(RunSettings)}
    assert {one.name for one in fields(RunSettings)} - options == {"on_progress", "on_step"}
    assert {one.name for one, _ in options_of(DetectOptions)} < options


def test_the_documentation_of_the_command_line_has_each_option() -> None:
    about = (ROOT / "docs" / "cli.md").read_text()
    about = about[about.index("## `tfzoo detect`") :]
    for one, told in options_of(RunSettings):
        assert told.help in about
        if one.default is not MISSING:
            assert (told.flags[0].split("/")[0] if told.flags else _flag(one.name)) in about


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


@dataclass(frozen=True)
class Sharpened(RunSettings):
    """The settings with one option more: this field is all that is written of it."""

    sharpen: float = option(0.25, "Sharpen images by so much.", metavar="AMOUNT", least=0)


@pytest.fixture
def sharpened(standard: Detector, tmp_path: Path) -> Job:
    settings = Sharpened(fill(tmp_path / "photos", 3), standard, tmp_path / "out", sharpen=0.5)
    return Job(understood(settings, standard), Columns(), 2)


def test_a_new_option_is_on_the_command_line() -> None:
    given: dict[str, Any] = {}

    @takes(Sharpened)
    def command(values: dict[str, Any], as_json: bool = False) -> None:
        """Detect."""
        given.update(values, as_json=as_json)

    app = typer.Typer()
    app.command()(command)
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    assert "Sharpen images by so much." in shown
    assert "AMOUNT" in shown
    arguments = ["photos", "--sharpen", "0.75", "--classes", "cat,dog", "--as-json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert given.pop("as_json") is True
    expected = replace(Sharpened(["photos"], sharpen=0.75), classes=["cat", "dog"])
    assert Sharpened(**given) == expected


def test_a_new_option_is_an_argument_in_python_and_documented() -> None:
    @called_with(Sharpened)
    def run(settings: Sharpened) -> float:  # noqa: D417
        """Runs.

        Args:
            on_progress: Told.
        """
        return settings.sharpen

    assert run("photos", sharpen=0.5) == 0.5
    assert inspect.signature(run).parameters["sharpen"].default == 0.25
    assert inspect.signature(run).return_annotation is float
    assert "\n    sharpen: Sharpen images by so much.\n" in str(run.__doc__)
    with pytest.raises(UsageError, match="sharpen is -1; expected 0 or more"):
        run("photos", sharpen=-1)
    with pytest.raises(TypeError, match="sharpn"):
        run("photos", sharpn=0.5)  # type: ignore[call-arg]


def test_a_new_option_is_pinned_in_the_journal(sharpened: Job, standard: Detector) -> None:
    pins = journal.pins(sharpened, standard)
    assert json.loads(json.dumps(pins))["sharpen"] == 0.5
    begun = journal.Journal(pins, 3, 0, 0)
    begun.check(pins, sharpened.out)
    with pytest.raises(UsageError, match=r"sharpen: was 0\.5, now 0\.75"):
        begun.check(pins | {"sharpen": 0.75}, sharpened.out)


def test_a_run_that_was_begun_before_an_option_came_is_held_to_its_default(
    standard: Detector, tmp_path: Path
) -> None:
    images = fill(tmp_path / "photos", 2)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_folder(images, standard, out, on_progress=stop_after(1))
    written = json.loads((out / "run.json").read_text())
    del written["settings"]["max_detections"]
    (out / "run.json").write_text(json.dumps(written))
    with pytest.raises(UsageError, match="max_detections: was null, now 3"):
        detect_folder(images, standard, out, resume=True, max_detections=3)
    assert detect_folder(images, standard, out, resume=True).images == 2


def test_a_new_option_reaches_the_engines(
    sharpened: Job, standard: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    travelled: Job = pickle.loads(pickle.dumps(sharpened))  # As it goes to another machine.
    assert travelled == sharpened
    seen = []
    inner = local.read

    def read(detector: Detector, item: Any, job: Job) -> Any:
        seen.append(job.settings.sharpen)  # type: ignore[attr-defined]
        return inner(detector, item, job)

    monkeypatch.setattr(local, "read", read)
    items = [local.Item(0, local.ImageResult(1, "x", "x", error="gone"), local.Position(1))]
    assert len(list(local.Pipeline(travelled, [standard]).finished(items))) == 1
    assert seen == [0.5]
    assert ray.Pipeline is local.Pipeline  # Each worker of Ray's runs the same.


def test_a_job_writes_where_it_was_begun_whatever_folder_a_worker_works_in(
    standard: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = Job(understood(RunSettings("photos", standard, "out"), standard), Columns(), 2)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert job.out == tmp_path / "out"
    assert job.parts.folder == tmp_path / "out" / "parts"
    assert job.pictures == tmp_path / "out" / "annotated"


def test_a_stream_keeps_what_a_run_keeps(standard: Detector, tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", 6)
    kept: dict[str, Any] = {"min_score": 0.2, "classes": ["Dog"], "max_detections": 1}
    detect_folder(images, standard, tmp_path / "out", **kept)
    paths = sorted(images.iterdir())
    streamed = list(standard.stream(paths, options=DetectOptions(**kept)))
    assert [len(found) for found in streamed] == [0 if int(p.stem) % 3 == 0 else 1 for p in paths]
    expected = [row for i, found in enumerate(streamed, 1) for row in found.to_coco(i)]
    assert rows(tmp_path / "out") == expected
    with pytest.raises(UsageError, match="no category of this model is called 'gnu'"):
        list(standard.stream(paths, options=DetectOptions(classes=["gnu"])))


@pytest.mark.parametrize("size", [0, -1, 2.5, None, "4"])
def test_a_stream_refuses_a_batch_size_that_is_none(standard: Detector, size: Any) -> None:
    with pytest.raises(UsageError, match=r"batch_size is .*expected"):
        next(standard.stream([], batch_size=size))
