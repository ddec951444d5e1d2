"""Many machines: each node of a Ray cluster measures models as this machine does.

A node fetches models into its own cache, and keeps there what it detects; rows come back to who
runs the reproduction, who alone writes into the results folder. The annotated images, and models of
the user's own, must lie at the same path on every node.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfzoo import cluster
from tfzoo.accuracy.coco import CocoSet
from tfzoo.errors import MeasurementError, TfzooError, UsageError
from tfzoo.loading import RUNTIME_VARIABLE
from tfzoo.reproduction.places import OnCount, Place, PlaceLostError, Taken, local_places
from tfzoo.reproduction.settings import ReproduceSettings
from tfzoo.settings import (
    MIRROR_VARIABLE,
    OFFLINE_VARIABLE,
    PREPARE_VARIABLE,
    UNVERIFIED_VARIABLE,
    VERIFY_VARIABLE,
    cache_folder,
)
from tfzoo.zoo.manifest import MANIFEST_VARIABLE

#: What holds for the nodes as it does here; where their caches lie is their own affair.
_SHARED = (
    RUNTIME_VARIABLE,
    MIRROR_VARIABLE,
    OFFLINE_VARIABLE,
    PREPARE_VARIABLE,
    UNVERIFIED_VARIABLE,
    VERIFY_VARIABLE,
)
#: How often who waits for a node looks whether he still wants to, in seconds.
_BEAT_S = 0.2


@contextmanager
def node_places(settings: ReproduceSettings, check: Callable[[], None]) -> Iterator[list[Place]]:
    """The places of a cluster's nodes: one a GPU, else one a node or as many as were asked for.

    Whatever is done there ends with the context.

    Raises:
        UsageError: No cluster answers, or none of its nodes can measure.
        RuntimeUnavailableError, TfzooError: See `tfzoo.cluster.join`.
    """
    ray = cluster.join(settings.address)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    gpus = {} if settings.device == "cpu" else _counts(nodes, "GPU")
    if settings.device == "gpu" and not gpus:
        raise UsageError("no node of the Ray cluster has a GPU; measure there with --device cpu")
    chosen = gpus or _counts(nodes, "CPU")
    if not chosen:
        raise UsageError("no node of the Ray cluster has a processor to measure with")
    actors, places = [], list[Place]()
    try:
        for node, count in chosen.items():
            most = count if gpus else settings.jobs or 1
            jobs = min(settings.jobs or most, most)
            actor = _start(ray, node, _for_a_node(settings, jobs, count if gpus else 0), jobs)
            actors.append(actor)
            places += [NodePlace(actor, number, node, check) for number in range(jobs)]
        yield places
    finally:
        for actor in actors:
            ray.kill(actor)


def _counts(nodes: list[dict[str, Any]], resource: str) -> dict[str, int]:
    """How many of a resource each node has that has one."""
    counts = {node["NodeID"]: int(node["Resources"].get(resource, 0)) for node in nodes}
    return {node: count for node, count in counts.items() if count}


def _for_a_node(settings: ReproduceSettings, jobs: int, gpus: int) -> ReproduceSettings:
    """Settings that mean the same on a node."""
    device = ",".join(f"gpu:{number}" for number in range(gpus)) or "cpu"
    coco = settings.coco if isinstance(settings.coco, CocoSet) else _path(settings.coco)
    annotations = settings.annotations
    return replace(
        settings,
        coco=coco,
        images=_path(settings.images),
        annotations=[path for one in annotations if (path := _path(one))]
        if isinstance(annotations, list | tuple)
        else _path(annotations),  # type: ignore[arg-type]
        engine="local",
        device=device,
        jobs=jobs,
        on_step=None,
        on_row=None,
    )


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path).expanduser().absolute()


def _start(ray: Any, node: str, settings: ReproduceSettings, jobs: int) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    variables = {name: os.environ[name] for name in _SHARED if name in os.environ}
    if manifests := os.environ.get(MANIFEST_VARIABLE):
        paths = (os.path.abspath(path) for path in manifests.split(os.pathsep))  # noqa: PTH100
        variables[MANIFEST_VARIABLE] = os.pathsep.join(paths)
    options = {
        "num_cpus": 1,
        "num_gpus": len(settings.gpus),
        "max_concurrency": jobs,
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False),
    }
    return ray.remote(_Node).options(**options).remote(settings, variables)


def _silent(done: int, of: int) -> None:
    """What a node tells of how far it is."""


class _Node:
    """What runs on a node."""

    def __init__(self, settings: ReproduceSettings, variables: dict[str, str]) -> None:
        os.environ.update(variables)
        # Ray's: it would keep numerical libraries from using the machine.
        os.environ.pop("OMP_NUM_THREADS", None)
        self._places = local_places(replace(settings, results=cache_folder() / "reproduce"))

    def do(self, place: int, name: str, given: tuple[Any, ...]) -> tuple[str | None, Any]:
        """What a method of a place gives, or the text of its error."""
        try:
            return None, getattr(self._places[place], name)(*given)
        except TfzooError as error:
            return str(error), None

    def host(self) -> str:
        """Name of the machine."""
        return platform.node()


@dataclass(frozen=True)
class NodePlace:
    """A place on a node.

    Attributes:
        actor: What runs on the node.
        number: Of the place, there.
        node: Ray's id of the node.
        check: Raises `Stopped` when nobody wants it any more.
    """

    actor: Any
    number: int
    node: str
    check: Callable[[], None]

    @property
    def host(self) -> str:
        """See `Place`."""
        host: str = self._awaited(self.actor.host.remote())
        return host

    def digest(self, model: str) -> str | None:
        """See `Place`."""
        digest: str | None = self._done("digest", model)
        return digest

    def fetch(self, model: str, on_count: OnCount) -> str:
        """See `Place`."""
        digest: str = self._done("fetch", model, _silent)
        return digest

    def runs(self, model: str, runtime: str) -> bool:
        """See `Place`."""
        return bool(self._done("runs", model, runtime))

    def evaluate(self, model: str, runtime: str, on_count: OnCount) -> Taken:
        """See `Place`."""
        on_count(0, 0)
        taken: Taken = self._done("evaluate", model, runtime, _silent)
        return taken

    def time(self, model: str, runtime: str) -> Taken:
        """See `Place`."""
        taken: Taken = self._done("time", model, runtime)
        return taken

    def remove(self, model: str) -> None:
        """See `Place`."""
        self._done("remove", model)

    def _done(self, name: str, *given: Any) -> Any:
        error, value = self._awaited(self.actor.do.remote(self.number, name, given))
        if error is not None:
            raise MeasurementError(error)
        return value

    def _awaited(self, answer: Any) -> Any:
        import ray

        while not ray.wait([answer], timeout=_BEAT_S)[0]:
            self.check()
        try:
            return ray.get(answer)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise PlaceLostError(f"a node of the Ray cluster has left: {error}") from None
