"""`tfzoo compare`: two models, runtimes or results files on the same images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfzoo.cli.completion import models
from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    OfflineOption,
    VerifyOption,
    err,
    out,
    plain_table,
    print_json,
)
from tfzoo.cli.options import takes
from tfzoo.comparison.settings import CompareSettings

if TYPE_CHECKING:
    from tfzoo.comparison.compared import Comparison
    from tfzoo.comparison.paired import KindDifference

#: Classes that the terminal shows; the page and JSON have all.
_CLASSES = 8


@takes(CompareSettings, without=("a", "b"))
def compare_command(
    values: dict[str, Any],
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            autocompletion=models,
            help="A model by name or path, or a COCO results file (.json).",
        ),
    ],
    b: Annotated[
        str | None,
        typer.Argument(
            metavar="[B]",
            autocompletion=models,
            help="What A is compared with; left out, A with the other --runtime or --precision.",
        ),
    ] = None,
    fail_if_worse: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            min=0,
            help="Exit with 1 where B is shown worse by more than so many points of mAP: the whole "
            "95 % interval of B - A lies below -POINTS, for any kind.",
        ),
    ] = None,
    as_json: JsonOption = False,
    offline: OfflineOption = False,
    verify: VerifyOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Compare two models, or two results files, on the same images: is B better than A?

    The difference of mAP is B minus A, with a 95 % interval from a paired bootstrap over the
    images. A verdict is on what is shown: better, worse, no difference (within --margin), or
    undecided, with how many more images would decide.

    Example: tfzoo compare "ssd mobilenet v2" --runtime tensorflow,openvino --coco coco
    """
    from tfzoo.cli.progress import progress_bar
    from tfzoo.comparison.compare import compare

    with progress_bar("detecting", "images") as bar:
        compared = compare(a, b, **values, on_progress=bar.count)
    if as_json:
        print_json(compared.to_json())
    else:
        _print(compared)
    if values["report"] is not None:
        err.print(f"report: {values['report'] / 'index.html'}", soft_wrap=True)
    if fail_if_worse is not None and compared.worse_by_more_than(fail_if_worse):
        err.print(
            f"error: B is worse by more than {fail_if_worse:g} points of mAP (--fail-if-worse)",
            style="red",
            soft_wrap=True,
        )
        raise typer.Exit(1)


def _print(compared: Comparison) -> None:
    from tfzoo.comparison.page import side_text, verdict_text

    out.print(f"A: {side_text(compared.a)}", style="bold", soft_wrap=True)
    out.print(f"B: {side_text(compared.b)}", style="bold", soft_wrap=True)
    out.print(f"{compared.images} images ({compared.image_set}), {compared.evaluator}", style="dim")
    for kind, one in compared.kinds.items():
        _print_kind(kind, one)
    for kind, one in compared.kinds.items():
        out.print(verdict_text(one, kind, compared.margin), style="bold", soft_wrap=True)


def _print_kind(kind: str, one: KindDifference) -> None:
    from tfzoo.explain.html import percent, points

    changed = sorted(
        ((name, row) for name, row in one.per_class.items() if row.difference is not None),
        key=lambda item: -abs(item[1].difference or 0.0),
    )
    table = plain_table(kind)
    for name in ("A", "B", "B - A", "low", "high", "images"):
        table.add_column(name, justify="right")
    table.add_column("")
    for name, row in [("all", one.overall), *one.per_size.items(), *changed[:_CLASSES]]:
        table.add_row(
            name,
            percent(row.a),
            percent(row.b),
            points(row.difference),
            points(row.low),
            points(row.high),
            str(row.images),
            row.verdict,
        )
    out.print(table)
    if len(changed) > _CLASSES:
        rest = len(changed) - _CLASSES
        out.print(f"{rest} more classes, which changed less: --report, --json", style="dim")
