"""What can be told of trying models on images without labels; each option once."""

from collections.abc import Collection
from dataclasses import dataclass, field
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Literal, get_args

from tfzoo.errors import UsageError
from tfzoo.options import DEVICE, RUNTIME, OnStep, check_least, names_in, option, told

#: What the candidates are held against.
Against = Literal["strongest", "consensus"]


@dataclass(frozen=True)
class RankOptions:
    """How models are tried on images without labels.

    Raises:
        UsageError: A value makes no sense.
    """

    images: str | PathLike[str] = field(
        metadata=told(
            "Try the models on the images of this folder, which need no labels.",
            metavar="FOLDER",
            text=str,
        )
    )
    models: Collection[str] | None = option(
        None,
        "The models to try, by name or path, separated by commas; else those within the budget.",
        metavar="NAMES",
        flags=("--models",),
        text=list[str] | None,
        parse=names_in,
    )
    against: Against = option(
        "strongest",
        "Hold each against the strongest (of the highest reported mAP) or against what most of "
        "them see (consensus).",
    )
    limit: int = option(
        100, "Try them on so many of the images at most, from all over.", metavar="N", least=1
    )
    true_score: float = option(
        0.5, "Detections from this score on count as objects, 0 to 1.", metavar="SCORE"
    )
    runtime: str = option("auto", RUNTIME)
    device: str = option("auto", DEVICE)
    report: Path | None = option(
        None, "Write a page with the pictures that they dispute.", metavar="DIR", text=Path
    )

    min_map: float | None = None
    max_latency_ms: float | None = None
    on_step: OnStep = lambda doing, done, steps: None

    def __post_init__(self) -> None:
        if self.against not in get_args(Against):
            raise UsageError(
                f"against is {self.against!r}; expected {' or '.join(get_args(Against))}"
            )
        if not isinstance(self.true_score, Real) or not 0 < self.true_score <= 1:
            raise UsageError(f"true_score is {self.true_score!r}; expected a score from 0 to 1")
        check_least(self)
