"""The other end of `tfzoo.trials.process`: starts a runtime's process, asks it, ends it."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any, Self

from tfzoo import errors
from tfzoo.errors import ModelFormatError, TfzooError
from tfzoo.processes import end, environment, how_it_ended
from tfzoo.store.derived import sweep_derived
from tfzoo.store.models import StoredModel


class Contestant:
    """A runtime in a process of its own; a crash of it is an error here and no more.

    Attributes:
        runtime: One of `tfzoo.runtimes.NEEDS`.
        born: When its process was started, by `time.perf_counter`.
    """

    def __init__(self, model: StoredModel, runtime: str, device: str) -> None:
        self.runtime = runtime
        self._model = model
        self._last_words = TemporaryFile()  # noqa: SIM115 - closed by `close`
        self.born = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tfzoo.trials.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._last_words,
            env=environment(),
        )
        self._send((model, runtime, device))

    def ask(self, verb: str, *arguments: Any) -> Any:
        """What a method of the process returns; see `tfzoo.trials.process`.

        Raises:
            TfzooError: As it was raised there, or that the process has ended.
        """
        self.begin(verb, *arguments)
        return self.answer()

    def begin(self, verb: str, *arguments: Any) -> None:
        """Asks; `answer` waits for what comes of it."""
        self._send((verb, arguments))

    def answer(self) -> Any:
        """What comes of the question that was begun; see `ask`."""
        assert self._process.stdout is not None
        try:
            kind, value = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            raise ModelFormatError(self._how_it_ended()) from None
        if kind:
            raised = getattr(errors, kind, TfzooError)
            raise raised(value)
        return value

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):  # What was not sent is not missed.
                pipe.close()
        end(self._process)
        self._last_words.close()
        sweep_derived(self._model.id, by=self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # It has ended: `answer` says how.
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()

    def _how_it_ended(self) -> str:
        code = self._process.wait()
        self._last_words.seek(0)
        words = self._last_words.read().decode(errors="replace")
        return f"{self.runtime} can't be run: {how_it_ended(code, words)}"
