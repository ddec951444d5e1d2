"""What a prepared graph leaves to do outside: before its input and after its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfzoo.errors import ModelFormatError
from tfzoo.prepare.postprocess import PostProcessing
from tfzoo.prepare.preprocess import Preprocessing, Resizer


@dataclass(frozen=True)
class Cut:
    """What is left to do outside of a graph.

    Attributes:
        before: From an image to the graph's input; None where the graph takes the image.
        after: From raw outputs to detections; None where the graph gives those.
        true_shapes: Whether the graph also takes the shape of what each image fills of its input.
    """

    before: Preprocessing | None = None
    after: PostProcessing | None = None
    true_shapes: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Cut:
        """The same as `to_json` was given."""
        before, after = values["before"], values["after"]
        return cls(
            before and Preprocessing(**_typed(before)),
            after and PostProcessing(**_typed(after)),
            values["true_shapes"],
        )


#: Of a graph that takes images and gives detections.
WHOLE = Cut()


def takes_more(source: Path, names: Sequence[str]) -> ModelFormatError:
    """The error for a model with side inputs: its forms are made of what the image alone tells.

    Args:
        source: The SavedModel folder.
        names: Of all its inputs.
    """
    return ModelFormatError(
        f"{source} takes more than an image ({', '.join(names)}), and only models that take an "
        "image alone are prepared; run it with --runtime tensorflow"
    )


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tuples are lists in JSON, and the resizer is a dictionary."""
    typed = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    resizer = values["resizer"]
    if resizer is not None:
        typed["resizer"] = Resizer(**resizer | {"size": tuple(resizer["size"])})
    return typed
