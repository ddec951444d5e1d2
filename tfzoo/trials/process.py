"""A runtime tried in a process of its own: `python -m tfzoo.trials.process`.

Reads questions from standard input and answers on standard output, pickled: a question is the name
of a method of `_Tried` and its arguments, an answer either what it returns or an error's type and
text. See `tfzoo.trials.contestant`, which asks.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from dataclasses import fields
from itertools import cycle, islice
from typing import Any

from tfzoo.detections.types import Detections
from tfzoo.detector import Detector
from tfzoo.errors import ImageError, TfzooError
from tfzoo.images.image import Image
from tfzoo.loading import open_stored
from tfzoo.prepare.prepared import prepare
from tfzoo.processes import end_with_parent
from tfzoo.store.models import StoredModel
from tfzoo.trials.pictures import scenes, trial_pictures

#: Runtimes that compile a model otherwise for many images a second than for the latency of one.
_TUNED = {"openvino"}

#: What a picture's detections travel as, or why there are none.
Outcome = dict[str, Any] | str


class _Tried:
    """A model in one runtime, and what can be asked of it."""

    def __init__(self, model: StoredModel, runtime: str, device: str) -> None:
        self._model, self._runtime, self._device = model, runtime, device
        self._detector: Detector | None = None
        self._many: Detector | None = None
        self._scenes: list[Image] = []

    def prepare(self, runtime: str) -> str:
        """Makes the model's form for a runtime; gives the note on it."""
        return prepare(self._model, runtime).note

    def open(self) -> str:
        """Opens the model and detects a first picture; gives the runtime's version."""
        self._detector = open_stored(self._model, self._runtime, self._device)
        self._scenes = scenes()
        self._detector.detect(self._scenes[0])
        return self._detector.runtime.version

    def seconds(self) -> float:
        """How long one image takes."""
        return self._timed(self._scenes[-1])

    def detect(self, seconds: float, again: bool) -> list[Outcome]:
        """What is found in the trial pictures.

        Args:
            seconds: How long TensorFlow takes for one, which says how many there are.
            again: Whether to go through them backwards as well.
        """
        pictures = trial_pictures(seconds)
        if again:
            pictures += pictures[::-1]
        return [self._outcome(picture) for picture in pictures]

    def one_by_one(self, seconds: float) -> list[float]:
        """Seconds that images take alone; as many as fit into a time, at least one."""
        taken: list[float] = []
        for scene in cycle(self._scenes):
            taken.append(self._timed(scene))
            if sum(taken) > seconds:
                return taken
        return taken

    def together(self, seconds: float) -> float:
        """Images a second with several in flight, over about a time in seconds."""
        if self._many is None:
            self._many = self._detector
            if self._runtime in _TUNED:
                self._many = open_stored(self._model, self._runtime, self._device, throughput=True)
        assert self._many is not None
        ahead = 2 * self._many.workers
        count = ahead + max(ahead, int(seconds / max(self.seconds(), 1e-4)))
        found = self._many.detect_many(islice(cycle(self._scenes), count))
        began = 0.0
        for i, _ in enumerate(found):
            if i == ahead - 1:
                began = time.perf_counter()
        return (count - ahead) / max(time.perf_counter() - began, 1e-9)

    def _timed(self, image: Image) -> float:
        assert self._detector is not None
        began = time.perf_counter()
        self._detector.detect(image)
        return time.perf_counter() - began

    def _outcome(self, image: Image) -> Outcome:
        assert self._detector is not None
        try:
            found = self._detector.detect(image)
        except ImageError as error:
            return str(error)
        # Without the labels, the run and the image, which nobody compares.
        unwanted = ("labels", "run", "image")
        return {f.name: getattr(found, f.name) for f in fields(found) if f.name not in unwanted}


def found_in(outcome: Outcome) -> Detections | str:
    """An outcome as it was: the detections, or why there are none."""
    return outcome if isinstance(outcome, str) else Detections(**outcome)


def main() -> None:
    """Answers until nobody asks any more."""
    end_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever libraries print must not stand between the answers.
    os.dup2(2, 1)
    questions = sys.stdin.buffer
    tried = _Tried(*pickle.load(questions))
    while True:
        try:
            verb, arguments = pickle.load(questions)
        except EOFError:
            return
        try:
            answer: tuple[str, Any] = ("", getattr(tried, verb)(*arguments))
        except TfzooError as error:
            answer = (type(error).__name__, str(error))
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
