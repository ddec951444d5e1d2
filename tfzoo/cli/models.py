"""`tfzoo list` and `tfzoo info`: which models there are and what is known of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tfzoo.cli.completion import models
from tfzoo.cli.console import JsonOption, ManifestOption, out, plain_table, print_json
from tfzoo.outside import bare
from tfzoo.runtimes.runtime import installed
from tfzoo.zoo.manifest import Manifest, load_manifest
from tfzoo.zoo.schema import SINGLE_FILES, Figure, ModelSpec

if TYPE_CHECKING:
    from tfzoo.store.models import StoredModel

SortKey = Literal["zoo", "name", "speed", "box", "keypoint", "mask", "size"]

_SORTS: dict[str, Callable[[ModelSpec], Any]] = {
    "name": lambda spec: spec.name.casefold(),
    "speed": lambda spec: spec.speed_ms,
    "box": lambda spec: spec.box_map and -spec.box_map,
    "keypoint": lambda spec: spec.keypoint_map and -spec.keypoint_map,
    "mask": lambda spec: spec.mask_map and -spec.mask_map,
    "size": lambda spec: spec.download_mb,
}


def runnable(spec: ModelSpec) -> bool:
    """Whether this installation has a runtime for a model."""
    return installed(SINGLE_FILES.get(Path(spec.archive).suffix, "tensorflow"))


def summary(spec: ModelSpec) -> dict[str, Any]:
    """One model as `tfzoo list --json` prints it."""
    return {
        "id": spec.id,
        "name": spec.name,
        "family": spec.family,
        "outputs": list(spec.outputs),
        "speed_ms": spec.speed_ms,
        "box_map": spec.box_map,
        "keypoint_map": spec.keypoint_map,
        "mask_map": spec.mask_map,
        "download_mb": spec.download_mb,
        "runnable": runnable(spec),
    }


def list_command(
    pattern: Annotated[
        str | None,
        typer.Argument(metavar="[PATTERN]", help="Words or a shell pattern, such as 'centernet*'."),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(
            help="One of centernet, efficientdet, extremenet, faster_rcnn, mask_rcnn, ssd, yolov5."
        ),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option(help="Keep models that give boxes, keypoints or masks; may be repeated."),
    ] = None,
    sort: Annotated[
        SortKey, typer.Option(help="Order of the rows; models without the figure come last.")
    ] = "zoo",
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """List the models, with the figures that were reported for them.

    Example: tfzoo list 'centernet*' --outputs keypoints --sort speed
    """
    models = load_manifest().select(pattern, family=family, outputs=outputs)
    if sort != "zoo":
        key = _SORTS[sort]
        # A missing figure sorts last, whatever the order.
        models.sort(key=lambda spec: (key(spec) is None, key(spec) or 0))
    if as_json:
        print_json([summary(spec) for spec in models])
        return

    table = plain_table()
    for title in ("name", "family"):
        table.add_column(title, no_wrap=True)
    for title in ("speed ms", "box mAP", "keypoint mAP", "mask mAP", "MB"):
        table.add_column(title, justify="right")
    for spec in models:
        figures = (spec.speed_ms, spec.box_map, spec.keypoint_map, spec.mask_map, spec.download_mb)
        table.add_row(spec.name, spec.family, *(_text(figure) for figure in figures))
    out.print(table)
    out.print(
        f"{len(models)} models. Figures as reported (see: tfzoo info NAME); speed on hardware the "
        "zoo does not state.",
        style="dim",
    )


def _text(figure: float | None) -> str:
    return "" if figure is None else f"{figure:g}"


def info_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=models,
            help="Name, id, alias, short form, path or address.",
        ),
    ],
    runtimes: Annotated[
        bool,
        typer.Option("--runtimes", help="Show how each runtime did with it on this machine."),
    ] = False,
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Show all that is known of one model: figures with their sources, notes, where it lies.

    Example: tfzoo info "efficientdet d0"
    """
    if runtimes:
        _show_runtimes(name, as_json)
        return
    from tfzoo.store.addresses import is_address
    from tfzoo.store.models import describe, get_model, listed_model, own_model

    if own := get_model(name) if is_address(name) else own_model(name):
        _show_own(own, as_json)
        return
    whole = load_manifest()
    spec = listed_model(name)

    cached = describe(spec)
    if as_json:
        entry = {key: value for key, value in asdict(spec).items() if value not in (None, ())}
        entry["sources"] = [{"kind": s.kind, "url": bare(s.url)} for s in spec.sources]
        print_json(summary(spec) | entry | {"cached": cached and cached.as_dict()})
        return
    from rich.table import Table

    out.print(spec.name, style="bold")
    rows = {
        "id": spec.id,
        "also called": ", ".join(spec.aliases),
        "family": f"{spec.family}, {'one' if spec.stages == 1 else 'two'}-stage, "
        f"{'with' if spec.anchors else 'without'} anchors",
        "backbone": spec.backbone,
        "input": f"{spec.input.text} {(spec.input.resizer or '').replace('_', ' ')}".strip(),
        "operations": _counted(spec, whole),
        "outputs": ", ".join(spec.outputs),
        "licence": spec.license,
        "download": f"about {spec.download_mb:g} MB" if spec.download_mb else "",
        "from": "\n".join(source.url for source in spec.sources),
    }
    if cached is not None:
        rows["cached at"] = str(cached.path)
        rows["came from"] = f"{cached.provenance.source}, {cached.provenance.date}"
        rows["digest"] = cached.provenance.digest
        rows["vouched for by"] = "\n".join(cached.provenance.vouched_by) or cached.vouchers
    grid = Table.grid(padding=(0, 2))
    for title, text in rows.items():
        if text:
            grid.add_row(title, text)
    for figure in spec.reported:
        grid.add_row(f"reported {figure.metric}", _cited(figure, whole))
    if spec.as_printed:
        printed = {
            metric: getattr(spec.as_printed, metric)
            for metric in ("box_map", "keypoint_map", "fps")
        }
        shown = ", ".join(f"{metric} {value:g}" for metric, value in printed.items() if value)
        grid.add_row("blog prints", shown)
    for note in (*spec.notes, *(spec.as_printed.slips if spec.as_printed else ())):
        grid.add_row("note", note)
    out.print(grid)


def _counted(spec: ModelSpec, manifest: Manifest) -> str:
    if (found := spec.operations) is None:
        return ""
    source = manifest.references[found.source].title
    return f"{found.gmacs:g} G multiply-adds, {found.macts:g} M outputs an image  ({source})"


def _show_own(model: StoredModel, as_json: bool) -> None:
    """What is known of a model that no manifest lists."""
    from tfzoo.store.folders import size_of

    folder = model.path.is_dir()
    size = size_of(model.path) if folder else model.path.stat().st_size
    told = _told_by_file(model)
    if as_json:
        known = {"id": model.id, "path": str(model.path), "bytes": size, "digest": model.digest}
        print_json(known | told)
        return
    out.print(model.id, style="bold", soft_wrap=True)
    out.print(f"path    {model.path}", soft_wrap=True)
    out.print(f"size    {size / 1e6:.1f} MB")
    out.print(f"digest  {model.digest}")
    for title, text in told.items():
        out.print(f"{title:6}  {text}", soft_wrap=True)
    out.print("A model of your own: no manifest lists it, so no figures are reported for it.")


def _told_by_file(model: StoredModel) -> dict[str, Any]:
    """What a `.tflite` file is, and what pixels it takes, which it need not say itself."""
    if model.path.suffix != ".tflite" or not installed("litert"):
        return {}
    from tfzoo.loading import open_stored

    opened = open_stored(model, "litert")
    return {
        "kind": opened.kind,
        "takes": str(opened.runtime.signature.inputs[0]),
        "pixels": opened.pixels,
        "labels": f"{len(opened.labels)} categories",
    }


def _show_runtimes(name: str, as_json: bool) -> None:
    from tfzoo.cli.prepare import choice_json, print_choice
    from tfzoo.prepare.choice import known_choice, on_gpu, with_int8
    from tfzoo.store.models import get_model

    model = get_model(name, offline=True)
    known = known_choice(model, on_gpu())
    known = None if known is None else with_int8(known, model)
    if as_json:
        print_json(known and choice_json(known))
    elif known is None:
        out.print(f"not measured on this machine yet; do so with: tfzoo prepare '{name}'")
    else:
        print_choice(known)


def _cited(figure: Figure, manifest: Manifest) -> str:
    return f"{figure.value:g}  ({manifest.references[figure.source].title})"
