"""What the shell completes values with (`tfzoo --install-completion`): models, categories.

No word holds a space: a shell would take it for two. Categories may be written so everywhere.
"""

from __future__ import annotations

import os
from contextlib import suppress

import typer

from tfzoo.errors import TfzooError


def models(incomplete: str) -> list[str]:
    """The ids of the models that begin with what was typed."""
    from tfzoo.zoo.manifest import list_models

    try:
        return _fitting([spec.id for spec in list_models()], incomplete)
    except TfzooError:  # A manifest of the user's own that can't be read: the command will tell.
        return []


def categories(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of categories, of the model and labels that were given, after the last comma."""
    before, comma, typed = incomplete.rpartition(",")
    names = [name.replace(" ", "_") for name in _labels(ctx).values()]
    return [f"{before}{comma}{name}" for name in _fitting(names, typed)]


#: By what `Option.complete` calls them.
COMPLETIONS = {"models": models, "categories": categories}


def _fitting(names: list[str], typed: str) -> list[str]:
    return sorted(name for name in names if name.startswith(typed))


def _labels(ctx: typer.Context) -> dict[int, str]:
    from tfzoo.detections.label_files import read_labels
    from tfzoo.detections.labels import COCO
    from tfzoo.zoo.manifest import find_model

    with suppress(TfzooError, OSError):
        if given := ctx.params.get("labels"):
            return read_labels(os.fspath(given))
        if (model := ctx.params.get("model")) and (found := find_model(model).labels):
            return found
    return dict(COCO)
