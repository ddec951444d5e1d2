"""What `tfzoo recommend --images` shows: models tried on images that nobody has labelled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfzoo.cli.console import err, out, plain_table, print_json

if TYPE_CHECKING:
    from tfzoo.candidates.ranking import Ranking


def rank_and_print(images: Path, values: dict[str, Any], as_json: bool) -> None:
    """Tries models on a folder of images, and prints how they did.

    Args:
        images: The folder.
        values: Of `tfzoo.candidates.settings.RankOptions`, but for the images.
        as_json: Prints JSON.
    """
    from tfzoo.candidates.page import write_page
    from tfzoo.candidates.ranking import rank_models
    from tfzoo.cli.progress import progress_bar

    with progress_bar("trying the models", "images") as bar:
        ranked = rank_models(images, **values, on_step=bar.step)
    page = None if values["report"] is None else write_page(ranked, values["report"])
    if as_json:
        print_json(ranked.to_json())
    else:
        _print(ranked)
    if page is not None:
        err.print(f"report: {page}", soft_wrap=True)


def _print(ranked: Ranking) -> None:
    from tfzoo.candidates.page import CAUTION, about

    table = plain_table("model", "agreement %", "objects", "disputed", "ms", "runtime")
    for one in ranked.candidates:
        if one.error is not None:
            err.print(f"error: {one.name}: {one.error}", style="red", soft_wrap=True)
            continue
        figures = (
            None if one.agreement is None else f"{100 * one.agreement:.1f}",
            one.objects,
            one.disputed,
            f"{one.latency_ms:.4g}",
            f"{one.runtime} on {one.device}",
        )
        table.add_row(one.name, *("" if figure is None else str(figure) for figure in figures))
    out.print(table)
    out.print(about(ranked), soft_wrap=True)
    for dispute in ranked.disputes[:3]:
        out.print(f"most disputed: {dispute.path}: {dispute.objects} objects", soft_wrap=True)
    out.print(CAUTION, style="dim", soft_wrap=True)
