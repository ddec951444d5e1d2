"""`tfzoo demo`: which model it takes and why, and the table it prints."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from tfzoo.batch import folder
from tfzoo.batch.folder import Summary
from tfzoo.cli.main import app

asked: list[dict[str, Any]] = []


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the pictures that a run finds a cat and two dogs in each of."""
    names = ["[bold].png"]
    monkeypatch.setenv("TFZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFZOO_OFFLINE", "0")

    def detect(source: Path, model: str, out: Path, **options: Any) -> Summary:
        out.mkdir()
        images = [{"image_id": n, "file_name": name} for n, name in enumerate(names)]
        rows = [
            {"image_id": image["image_id"], "category_id": category}
            for image in images
            for category in (18, 17, 18)
        ]
        (out / "images.json").write_text(json.dumps(images))
        (out / "detections.json").write_text(json.dumps(rows))
        return Summary(len(names), 0, len(rows), {}, 0, 0, 1.0, 2.0, model, "onnx 1", "cpu", out)

    monkeypatch.setattr(folder, "detect_folder", detect)
    return names


def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int | httpx.HTTPError) -> Any:
    """Runs it where the zoo gives an answer, after a time that is noted, or fails."""

    def head(client: httpx.Client, url: str) -> httpx.Response:
        patience = client.timeout.read
        asked.append({"timeout": patience, "follow_redirects": client.follow_redirects})
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return httpx.Response(answer)

    asked.clear()
    monkeypatch.setattr(httpx.Client, "head", head)
    done = CliRunner().invoke(app, ["demo", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (200, "the zoo's own"),
        (503, "because the zoo answers 503"),
        (httpx.ConnectError("no route"), "because the zoo does not answer within 4 s"),
    ],
)
def test_the_zoos_own_model_is_taken_where_it_answers_soon(
    answer: int | httpx.HTTPError, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = " ".join(demo(tmp_path, monkeypatch, answer).stderr.split())
    assert why in told
    assert ("SSD MobileNet v2 320x320" in told) == (answer == 200)
    assert asked == [{"timeout": 4.0, "follow_redirects": True}]


def test_twelve_pictures_are_shown_with_what_was_found_and_the_others_counted(
    pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures += [f"{n}.png" for n in range(13)]
    printed = demo(tmp_path, monkeypatch, 200).stdout
    shown = [line.split(maxsplit=1) for line in printed.splitlines() if ".png" in line]
    assert [name for name, _ in shown] == pictures[:12]
    assert {found.strip() for _, found in shown} == {"2 dog, 1 cat"}
    assert "... and 2 more" in printed


def test_twelve_pictures_are_all_that_is_shown_of_twelve(
    pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures += [f"{n}.png" for n in range(11)]
    assert "more" not in demo(tmp_path, monkeypatch, 200).stdout
