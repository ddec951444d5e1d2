"""`tfzoo fetch` and `tfzoo cache`: getting models and looking after what lies on this disk."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfzoo import settings
from tfzoo.cli.completion import models
from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    OfflineOption,
    err,
    out,
    plain_table,
    print_json,
)
from tfzoo.errors import TfzooError, UsageError
from tfzoo.store import upkeep
from tfzoo.store.cache import Entry, all_entries
from tfzoo.store.folders import size_of
from tfzoo.store.models import describe, expanded, listed_model
from tfzoo.zoo.manifest import Manifest, load_manifest
from tfzoo.zoo.schema import ModelSpec

if TYPE_CHECKING:
    from tfzoo.store.progress import Step

cache_app = typer.Typer(
    no_args_is_help=True,
    help="Look after the models on this disk: path, list, verify, remove, prune, add.",
)

UnverifiedOption = Annotated[
    bool,
    typer.Option(
        "--allow-unverified",
        help="Accept plain http where the manifest has no digest: nothing vouches for the bytes.",
    ),
]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        autocompletion=models,
        help="Names, ids, aliases or short forms; fetch also takes patterns such as 'centernet*'.",
    ),
]


def fetch_command(
    names: NamesArgument = None,
    all_models: Annotated[bool, typer.Option("--all", help="Every model of the zoo.")] = False,
    family: Annotated[str | None, typer.Option(help="Every model of one family.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many to download at a time.")] = 3,
    allow_unverified: UnverifiedOption = False,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Download, verify and cache models; what was interrupted goes on where it stopped.

    Example: tfzoo fetch "efficientdet d0" "centernet resnet50 v1 512"
    """
    from tfzoo.store.fetch import fetch_all
    from tfzoo.store.progress import ProgressBar

    specs = _chosen(load_manifest(), names or [], all_models, family)
    results: dict[str, Entry | TfzooError] = {}
    bar = ProgressBar(err, delay_s=0.0) if err.is_terminal else None
    with bar or nullcontext():
        for spec, result in fetch_all(
            specs,
            jobs=jobs,
            allow_unverified=allow_unverified or None,
            report=bar or _Lines(),
        ):
            results[spec.id] = result
            if isinstance(result, TfzooError):
                err.print("error: ", style="bold red", end="")
                err.print(str(result), soft_wrap=True)
            elif not as_json:
                out.print(_fetched(result), soft_wrap=True)
    if as_json:
        print_json([_as_dict(spec, results[spec.id]) for spec in specs])
    failed = sum(isinstance(result, TfzooError) for result in results.values())
    if failed:
        raise typer.Exit(3 if failed == len(specs) else 1)


class _Lines:
    """Progress where no terminal could show a bar: a line when something begins."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def __call__(self, step: Step) -> None:
        """Takes one step of one model's fetch."""
        if step.stage == "done" or (step.model, step.stage) in self._said:
            return
        self._said.add((step.model, step.stage))
        size = f" {_mb(step.total_bytes)} MB" if step.total_bytes else ""
        words = {"waiting": "waiting for another process that fetches it"}
        err.print(f"{step.model}: {words.get(step.stage, step.stage)}{size}")


def _as_dict(spec: ModelSpec, result: Entry | TfzooError) -> dict[str, Any]:
    if isinstance(result, TfzooError):
        return {"id": spec.id, "error": str(result)}
    return result.as_dict()


def _chosen(
    manifest: Manifest, names: list[str], all_models: bool, family: str | None
) -> list[ModelSpec]:
    specs = [listed_model(name) for name in expanded(names)]
    if all_models or family is not None:
        specs += manifest.select(family=family)
    if not specs:
        raise UsageError("say which models: tfzoo fetch NAME..., --family FAMILY or --all")
    return list({spec.id: spec for spec in specs}.values())


def _fetched(entry: Entry) -> str:
    return f"{entry.provenance.id}: {entry.path}\n  vouched for by: {entry.vouchers}"


@cache_app.command("path")
def path_command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", autocompletion=models, help="A cached model; none: the cache."
        ),
    ] = None,
    manifest: ManifestOption = None,
) -> None:
    """Print where the cache lies, or where it has a model.

    Example: tfzoo cache path "efficientdet d0"
    """
    if name is None:
        typer.echo(settings.cache_folder())
        return
    spec = listed_model(name)
    entry = describe(spec)
    if entry is None:
        raise UsageError(f"{spec.id} is in no cache; fetch it with: tfzoo fetch {spec.id}")
    typer.echo(entry.path)


@cache_app.command("list")
def list_command(as_json: JsonOption = False) -> None:
    """List the cached models: size, last use, what vouches for them.

    Example: tfzoo cache list
    """
    entries = all_entries()
    root = settings.cache_folder()
    kept = {name: size_of(root / name) for name in ("downloads", "prepared")}
    if as_json:
        models = [entry.as_dict() for entry in entries]
        names = {"downloads": "unfinished_bytes", "prepared": "prepared_bytes"}
        sizes = {names[name]: size for name, size in kept.items()}
        print_json({"path": str(root), "models": models, **sizes})
        return
    table = plain_table()
    table.add_column("model", no_wrap=True)
    table.add_column("MB", justify="right")
    table.add_column("last used", no_wrap=True)
    table.add_column("vouched for by")
    for entry in entries:
        shared = " (shared)" if entry.shared else ""
        table.add_row(
            entry.provenance.id + shared, _mb(entry.bytes), entry.last_used[:10], entry.vouchers
        )
    out.print(table)
    total = sum(entry.bytes for entry in entries if not entry.shared) + sum(kept.values())
    out.print(
        f"{len(entries)} models. {root} has {_mb(total)} MB, of it {_mb(kept['prepared'])} MB "
        f"prepared models and {_mb(kept['downloads'])} MB of unfinished downloads.",
        style="dim",
        soft_wrap=True,
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f}"


@cache_app.command("verify")
def verify_command(
    names: NamesArgument = None, as_json: JsonOption = False, manifest: ManifestOption = None
) -> None:
    """Read every byte of cached models again and compare with the record; all, or those named.

    Exits with 1 if one is damaged. Example: tfzoo cache verify
    """
    rows = []
    for entry in _entries(names or []):
        damages = entry.damages()
        rows.append({"id": entry.provenance.id, "path": str(entry.path), "damages": damages})
        if as_json:
            continue
        if damages:
            out.print(f"{entry.provenance.id}: damaged", style="bold red")
            for damage in damages:
                out.print(f"  {damage}", soft_wrap=True)
            out.print(f"  fetch it anew: tfzoo cache remove {entry.provenance.id}")
        else:
            out.print(f"{entry.provenance.id}: {len(entry.provenance.files)} files are as recorded")
    if as_json:
        print_json(rows)
    if any(row["damages"] for row in rows):
        raise typer.Exit(1)


@cache_app.command("remove")
def remove_command(
    names: NamesArgument = None,
    all_models: Annotated[bool, typer.Option("--all", help="Every model of the cache.")] = False,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget", help="Also forget the recorded digest, so that another object is accepted."
        ),
    ] = False,
    manifest: ManifestOption = None,
) -> None:
    """Remove models from the cache, with their prepared forms and unfinished downloads.

    Example: tfzoo cache remove "efficientdet d0"
    """
    if not names and not all_models:
        raise UsageError("say which models: tfzoo cache remove NAME..., or --all")
    ids = [_model_id(name) for name in names or []]
    if all_models:
        ids += upkeep.known_ids()
    for model_id in dict.fromkeys(ids):
        freed = upkeep.remove(model_id, forget=forget)
        out.print(f"{model_id}: {_mb(freed)} MB removed")


@cache_app.command("prune")
def prune_command(
    unused_days: Annotated[
        float | None,
        typer.Option(metavar="DAYS", help="Also remove models not used for so many days."),
    ] = None,
) -> None:
    """Remove what no fetch needs: unfinished downloads, leftovers, forms of models that are gone.

    Example: tfzoo cache prune --unused-days 90
    """
    freed = upkeep.prune(unused_days)
    out.print(f"{_mb(freed)} MB removed")


@cache_app.command("add")
def add_command(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="A downloaded archive.")],
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Which model it is; else by its file name."),
    ] = None,
    manifest: ManifestOption = None,
) -> None:
    """Put a model's archive into the cache by hand, for machines without a network.

    Example: tfzoo cache add efficientdet_d0_coco17_tpu-32.tar.gz
    """
    from tfzoo.store.fetch import add

    whole = load_manifest()
    if name is not None:
        spec = listed_model(name)
    else:
        fitting = [spec for spec in whole.all_models if spec.archive == archive.name]
        if not fitting:
            raise UsageError(
                f"no model of the manifest has an archive called {archive.name}; say which it is "
                "with --as NAME, or use the archive's path wherever a model is asked for"
            )
        if len(fitting) > 1:
            listed = ", ".join(spec.id for spec in fitting)
            raise UsageError(f"{archive.name} may be {listed}; say which with --as NAME")
        spec = fitting[0]
    out.print(_fetched(add(spec, settings.at_home(archive))), soft_wrap=True)


def _entries(names: list[str]) -> list[Entry]:
    entries = all_entries()
    if not names:
        return entries
    ids = [_model_id(name) for name in names]
    return [entry for entry in entries if entry.provenance.id in ids]


def _model_id(name: str) -> str:
    """The id of a cached model: a name of the manifest's, or the stem of a local archive."""
    if name in upkeep.known_ids():
        return name
    return listed_model(name).id
