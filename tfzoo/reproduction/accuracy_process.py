"""The process that evaluates one model: `python -m tfzoo.reproduction.accuracy_process < SETTINGS`.

Reads pickled settings from standard input and writes lines of JSON to standard output: how many
images are done and of how many, then the rows of `accuracy.csv` and the warnings, or an error.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from dataclasses import replace
from typing import Any

from tfzoo.accuracy.evaluate import measure_accuracy
from tfzoo.errors import TfzooError
from tfzoo.processes import end_with_parent


def main() -> None:
    """Evaluates; a failure of ours is an answer too."""
    end_with_parent()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever libraries print must not stand between the answers.
    os.dup2(2, 1)

    def tell(**answer: Any) -> None:
        answers.write(json.dumps(answer, allow_nan=False) + "\n")
        answers.flush()

    settings = replace(
        pickle.load(sys.stdin.buffer),
        on_progress=lambda done, total: tell(done=done, total=total),
    )
    try:
        measured = measure_accuracy(settings)
    except TfzooError as error:
        tell(error=str(error))
    else:
        tell(rows=measured.to_rows(), warnings=measured.warnings)


if __name__ == "__main__":
    main()
