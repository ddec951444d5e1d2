"""Timing: the protocol, a fresh process a model, and failures that are rows."""

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import tfzoo
from tests.helpers import standins
from tfzoo.errors import MeasurementError, UnknownModelError, UsageError
from tfzoo.processes import how_it_ended
from tfzoo.timing import timed_process
from tfzoo.timing.benchmark import TIMING_COLUMNS, Timing, benchmark
from tfzoo.timing.settings import parse_image_size


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return standins.save("standard", tmp_path_factory.mktemp("models") / "stand-in")


@pytest.fixture(scope="module")
def measured(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Timing, Path]:
    results = tmp_path_factory.mktemp("results")
    timing = tfzoo.benchmark(
        model, device="cpu", image_size=(60, 90), min_images=20, min_seconds=0.2, results=results
    )
    return timing, results / "timing.csv"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_measurement_holds_its_protocol_and_its_figures(
    measured: tuple[Timing, Path], model: Path
) -> None:
    timing, _ = measured
    assert timing.error is None
    assert (timing.device, timing.batch, timing.image_set) == ("cpu", 1, "generated 60x90")
    assert timing.runtime is not None and timing.runtime.startswith("tensorflow 2.")
    assert timing.images is not None and timing.images >= 20
    assert timing.seconds is not None and timing.seconds >= 0.19
    assert timing.warm_up is not None and timing.warm_up >= timed_process.WARM_UP_CALLS
    percentiles = [timing.p50_ms, timing.p90_ms, timing.p95_ms, timing.p99_ms]
    assert percentiles == sorted(percentiles)  # type: ignore[type-var]
    assert timing.mean_ms == pytest.approx(1000 * timing.seconds / timing.images, rel=0.05)
    assert timing.throughput_fps == pytest.approx(1000 / timing.mean_ms, rel=0.01)
    assert timing.load_s is not None and timing.load_s > 0
    assert timing.first_call_ms is not None and timing.first_call_ms > 0
    # TensorFlow alone takes more; the tests' own process counts for nothing.
    assert timing.peak_host_mb is not None and timing.peak_host_mb > 200
    assert timing.peak_device_mb is None
    assert timing.cpu and timing.cores and timing.threads and timing.versions and timing.date
    assert timing.model_digest
    weights = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    assert timing.size_mb == pytest.approx(weights / 1e6, rel=0.005)
    # A stand-in has no network.
    assert (timing.parameters, timing.gflops) == (0, 0)


def test_a_measurement_says_which_command_makes_it_again(
    measured: tuple[Timing, Path], model: Path
) -> None:
    timing, path = measured
    words = shlex.split(timing.command or "")
    assert words[:3] == ["tfzoo", "benchmark", str(model)]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options == {
        "--image-size": "60x90",
        "--min-images": "20",
        "--min-seconds": "0.2",
        "--device": "cpu",
        "--results": str(path.parent),
    }


def test_the_frozen_form_is_timed_as_tensorflow_is(model: Path) -> None:
    timing = tfzoo.benchmark(
        model, device="cpu", runtime="frozen", min_images=5, min_seconds=0, results=None
    )
    assert timing.error is None
    assert timing.runtime is not None and timing.runtime.startswith("frozen 2.")
    assert timing.threads
    assert timing.versions is not None and timing.versions.count("tensorflow ") == 1


def test_a_measurement_is_a_row_of_timing_csv(measured: tuple[Timing, Path]) -> None:
    timing, path = measured
    (row,) = rows(path)
    assert tuple(row) == TIMING_COLUMNS
    assert row == {
        name: "" if value is None else str(value) for name, value in timing.to_json().items()
    }


def test_the_image_is_always_the_same_uint8_picture() -> None:
    image = timed_process.generated_image(30, 50)
    assert (image.shape, image.dtype) == ((30, 50, 3), np.uint8)
    assert np.array_equal(image, timed_process.generated_image(30, 50))
    assert image.std() > 20


def test_the_images_grain_turns_nothing_dark_bright_nor_bright_dark() -> None:
    image = timed_process.generated_image(200, 200)
    around = cv2.medianBlur(image, 5)
    assert (around < 8).any() and (around > 247).any()
    assert np.abs(image.astype(int) - around).max() < 80


@pytest.mark.parametrize(
    ("returncode", "said", "told"),
    [
        (0, "", "the process ended with exit code 0: it said nothing"),
        (1, "Traceback\nKeyError: 'a'\n", "the process ended with exit code 1: KeyError: 'a'"),
        (-1, "", "the process was killed by SIGHUP"),
        (-9, "", "the process was killed by SIGKILL; probably out of memory"),
    ],
)
def test_how_a_process_without_an_answer_ended_is_told(
    returncode: int, said: str, told: str
) -> None:
    assert how_it_ended(returncode, said) == told


def test_the_call_that_is_timed_ends_with_detections_in_host_memory(model: Path) -> None:
    detector = tfzoo.load(model, device="cpu", runtime="tensorflow")
    seen = []

    class Spy:
        def detect(self, image: np.ndarray) -> object:
            seen.append((image, found := detector.detect(image)))
            return found

    image = standins.paint(60, 100, person=(10, 20, 50, 40))
    assert timed_process._timed_ms(Spy(), image) > 0  # type: ignore[arg-type]
    ((given, found),) = seen
    assert given.dtype == np.uint8
    assert isinstance(found.boxes, np.ndarray)
    assert len(found) == 1


@pytest.mark.parametrize(("min_images", "min_seconds"), [(7, 0.0), (1, 0.3)])
def test_timing_stops_when_both_minima_are_reached(min_images: int, min_seconds: float) -> None:
    class Clockwork:
        def detect(self, image: object) -> None:
            seen.append(image)

    seen: list[object] = []
    calls_ms = timed_process._time_calls(
        Clockwork(),  # type: ignore[arg-type]
        ["a", "b", "c"],  # type: ignore[list-item]
        min_images,
        min_seconds,
    )
    assert len(calls_ms) >= min_images
    assert seen[:7] == ["a", "b", "c", "a", "b", "c", "a"]
    if min_seconds == 0:
        assert len(calls_ms) == min_images
    else:
        # Each call takes microseconds: the minimum time must have gone on past the minimum count.
        assert len(calls_ms) > 1000


def test_every_shape_of_image_is_warmed_up() -> None:
    class Counter:
        def detect(self, image: np.ndarray) -> None:
            shapes.add(image.shape)

    shapes: set[tuple[int, ...]] = set()
    images = [np.zeros((4, width, 3), np.uint8) for width in range(1, 21)]
    assert timed_process._warm_up(Counter(), images) >= 20  # type: ignore[arg-type]
    assert len(shapes) == 20


def test_a_folder_of_images_is_timed_in_place_of_the_generated_one(
    model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(3):
        Image.new("RGB", (40 + i, 30)).save(folder / f"{i}.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    timing = benchmark(
        model, device="cpu", images=folder, min_images=4, min_seconds=0, results=None
    )
    assert timing.error is None
    assert timing.image_set == f"{folder}: 3 images"
    assert timing.images == 4


def test_a_failure_is_a_row_and_the_run_goes_on(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"no model")
    results = tmp_path / "results"
    command = [sys.executable, "-m", "tfzoo", "benchmark", str(broken), str(model)]
    options = ["--device", "cpu", "--min-images", "2", "--min-seconds", "0", "--json"]
    done = subprocess.run(
        [*command, *options, "--results", str(results)], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    failed, timed = rows(results / "timing.csv")
    assert "is damaged or not a SavedModel's graph" in failed["error"]
    assert failed["mean_ms"] == ""
    assert failed["runtime"] == timed["runtime"] and failed["precision"] == "float32"
    assert timed["error"] == ""
    assert float(timed["mean_ms"]) > 0
    assert [row["model"] for row in json.loads(done.stdout)] == [failed["model"], timed["model"]]


def test_the_command_fails_where_nothing_could_be_timed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"no archive")
    command = [sys.executable, "-m", "tfzoo", "benchmark", str(broken)]
    done = subprocess.run([*command, "--results", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 3
    assert rows(tmp_path / "timing.csv")[0]["error"]


def fake_python(folder: Path, body: str) -> str:
    """An interpreter that does `body` in place of timing a model."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{body}\n")
    python.chmod(0o755)
    return str(python)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("kill -9 $$", "killed by SIGKILL; probably out of memory"),
        ("kill -11 $$", "killed by SIGSEGV"),
        ("echo one >&2; echo the last word >&2; exit 7", "exit code 7: the last word"),
        ("exec sleep 60", "gave up after 0.5 s"),
    ],
)
def test_a_process_that_dies_or_hangs_leaves_a_row_that_says_how(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, error: str
) -> None:
    monkeypatch.setattr(sys, "executable", fake_python(tmp_path, body))
    timing = benchmark(model, timeout_s=0.5, results=tmp_path)
    assert timing.error is not None and error in timing.error
    (row,) = rows(tmp_path / "timing.csv")
    assert row["error"] == timing.error
    assert row["runtime"].startswith("tensorflow 2.")


def test_a_name_that_fits_no_model_is_refused_and_leaves_no_row(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError):
        benchmark("no such model at all", results=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_a_wrong_name_before_it_times_any(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tfzoo", "benchmark", str(model), "no such model at all"]
    done = subprocess.run([*command, "--results", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Closest" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_requests_without_sense_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 1 image"):
        benchmark(model, min_images=0)
    with pytest.raises(UsageError, match="is no folder"):
        benchmark(model, images=tmp_path / "none")
    with pytest.raises(UsageError, match="image size"):
        benchmark(model, image_size=(0, 5))


def test_image_sizes_are_height_then_width() -> None:
    assert parse_image_size("800x1333") == (800, 1333)
    for text in ("600", "600x", "0x5", "axb", "6x6x6", "-5x5"):
        with pytest.raises(UsageError, match="such as 600x600"):
            parse_image_size(text)


def test_a_table_of_somebody_elses_is_told_of_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "timing.csv").write_text("a shopping list")
    with pytest.raises(MeasurementError, match="no table of measurements"):
        benchmark("no model of this name", results=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["timing.csv"]
    assert (tmp_path / "timing.csv").read_text() == "a shopping list"
