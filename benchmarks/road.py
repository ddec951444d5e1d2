"""The user's road: the installed command, in a cache that is new or that was used before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.in_turn import NotRun, call, reason, seconds_of

TFZOO = Path(sys.executable).parent / "tfzoo"
TUTORIAL = Path(__file__).parent / "tutorial.py"

#: What a run leaves; when the last of these is there, so are the results.
RESULTS = ("detections.json", "images.json", "detections.csv")
# How exactly it is seen when they come, in seconds.
_LOOK_S = 0.01


@dataclass(frozen=True)
class Model:
    """A model to measure.

    Attributes:
        name: What the rows call it.
        given: What the command is given: an archive, a folder or a name.
        saved_model: The SavedModel, for the tutorial script.
        images: Folder of its images.
        second: What the second command on one image may take of the tutorial script's time.
        folder: The speed over a folder to reach, in the tutorial script's; 0 where none is asked.
    """

    name: str
    given: str
    saved_model: Path
    images: Path
    second: float
    folder: float


@dataclass(frozen=True)
class Detected:
    """A `tfzoo detect`.

    Attributes:
        results_s: Seconds until the results were on disk.
        whole_s: Seconds until the command ended.
        summary: What it printed: images a second, the runtime, ...
    """

    results_s: float
    whole_s: float
    summary: dict[str, Any]


class Road:
    """A place for caches and results, and the commands of a user."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._number = count()

    def new_cache(self) -> Path:
        """A folder for a cache, where nothing is yet."""
        return Path(tempfile.mkdtemp(prefix="cache-", dir=self.place))

    def tfzoo(self, cache: Path, *words: str | Path) -> dict[str, Any]:
        """Any command; its JSON.

        Raises:
            NotRun: It failed.
        """
        done = subprocess.run(
            [TFZOO, *words, "--json"], capture_output=True, text=True, env=environment(cache)
        )
        if done.returncode:
            raise NotRun(reason(done.stderr))
        found = json.loads(done.stdout)
        return found if isinstance(found, dict) else {"rows": found}

    def detect(
        self, cache: Path, model: Model, source: Path, *options: str, keep: Path | None = None
    ) -> Detected:
        """Detects with `auto`, or as the options say.

        Args:
            cache: Folder of the cache.
            model: The model.
            source: An image or a folder.
            options: More of the command line.
            keep: Where the results stay; else they are deleted.

        Raises:
            NotRun: The command failed.
        """
        out = keep or self.place / f"found-{next(self._number)}"
        command: list[str | Path] = [TFZOO, "detect", source, "--model", model.given, "--out", out]
        command += ["--overwrite", "--no-images", "--json", *options]
        files = [out / name for name in RESULTS]
        results_s = None
        with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as errors:
            started = time.perf_counter()
            process = subprocess.Popen(
                command, stdout=printed, stderr=errors, env=environment(cache)
            )
            while process.poll() is None:
                if results_s is None and all(file.exists() for file in files):
                    results_s = time.perf_counter() - started
                time.sleep(_LOOK_S)
            whole_s = time.perf_counter() - started
            errors.seek(0)
            if process.returncode:
                raise NotRun(reason(errors.read()))
            printed.seek(0)
            summary = json.load(printed)
        if keep is None:
            shutil.rmtree(out)
        return Detected(results_s or whole_s, whole_s, summary)

    def warm_cache(self, model: Model, image: Path) -> Path:
        """A cache in which one image was detected twice, and all images once."""
        cache = self.new_cache()
        for source in (image, image, model.images):
            self.detect(cache, model, source)
        return cache


def tutorial_s(model: Model, *images: Path) -> float:
    """Seconds of the whole tutorial script; without images, of opening the export."""
    return seconds_of(sys.executable, TUTORIAL, model.saved_model, *images)


def tutorial_speed(model: Model, *images: Path) -> float:
    """Images a second of the tutorial script, after its first."""
    return float(call(sys.executable, TUTORIAL, model.saved_model, *images)["images_per_s"])


def environment(cache: Path) -> dict[str, str]:
    """The environment of a user who has set nothing but where the cache lies."""
    mine = {name: text for name, text in os.environ.items() if not name.startswith("TFZOO_")}
    return {**mine, "TFZOO_CACHE": str(cache)}
