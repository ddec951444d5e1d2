"""Which model suits images that nobody has labelled: each is run on them, timed and compared.

Agreement is not accuracy. It says how far a model sees what another sees, and where to look.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from tfzoo.candidates.objects import consensus, disputed
from tfzoo.candidates.settings import RankOptions
from tfzoo.detections.agreement_map import agreement_map
from tfzoo.detections.types import Detections
from tfzoo.errors import ImageError, TfzooError, UsageError
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.images.sources import find_images
from tfzoo.loading import load
from tfzoo.options import called_with
from tfzoo.report.points import reported_points
from tfzoo.report.recommend import recommend
from tfzoo.store.models import is_here
from tfzoo.zoo.manifest import load_manifest

#: Models that are tried unless others are named: each has to be fetched and run.
MOST_MODELS = 5
#: Runs that are not timed: a runtime warms up.
_WARM_UP = 2
#: Lower scores change no agreement that could be seen, and would fill the memory.
_LEAST_SCORE = 0.05


@dataclass(frozen=True)
class Dispute:
    """An image that the candidates see differently.

    Attributes:
        path: Of the image.
        objects: Objects in dispute, summed over the candidates.
        found: What each candidate sees in it, by its name: detections that count alone.
    """

    path: str
    objects: int
    found: dict[str, Detections]


@dataclass(frozen=True)
class Candidate:
    """How a model did.

    Attributes:
        name: As it was asked for.
        agreement: mAP, 0 to 1, with what it was held against taken as true; None for the
            strongest itself, where nothing was to be seen, and where it failed.
        objects: Detections from the score on that counts.
        disputed: Objects that only it, or only what it was held against, sees.
        latency_ms: Median time of one image, from pixels to detections, here.
        runtime: What ran it.
        device: Where.
        digest: Of the model.
        error: Why it could not be tried, or None.
    """

    name: str
    agreement: float | None = None
    objects: int | None = None
    disputed: int | None = None
    latency_ms: float | None = None
    runtime: str | None = None
    device: str | None = None
    digest: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Ranking:
    """What came of it.

    Attributes:
        candidates: Most agreement first.
        against: `strongest` or `consensus`.
        strongest: The model that the others were held against, or None.
        images: How many were tried.
        unreadable: How many could not be read.
        disputes: Images that are seen differently, the most disputed first.
    """

    candidates: tuple[Candidate, ...]
    against: str
    strongest: str | None
    images: int
    unreadable: int
    disputes: tuple[Dispute, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "against": self.against,
            "strongest": self.strongest,
            "images": self.images,
            "unreadable": self.unreadable,
            "candidates": [vars(candidate) for candidate in self.candidates],
            "disputes": [{"path": one.path, "objects": one.objects} for one in self.disputes],
        }


@called_with(RankOptions)
def rank_models(  # noqa: D417 - `called_with` tells of them
    settings: RankOptions,
) -> Ranking:
    """Runs models on images without labels: how fast each is here, and how far they agree.

    Args:
        min_map: Without `models`: the least mAP, in percent, that is reported of those tried.
        max_latency_ms: Without `models`: the longest time, in ms, that is reported of those tried.
        on_step: Told what is being done, how many steps of it are done and of how many (0: not
            known).

    Returns:
        The candidates, and the images that they dispute.

    Raises:
        UsageError: There are no images or too few models, or a setting makes no sense.
        TfzooError: None of the models could be tried.
    """
    names = list(dict.fromkeys(settings.models or _within(settings)))
    if len(names) < (3 if settings.against == "consensus" else 2):
        raise UsageError(
            f"{len(names)} models can't be compared by their {settings.against}: name "
            f"{'three' if settings.against == 'consensus' else 'two'} or more with --models"
        )
    strongest = _strongest(names) if settings.against == "strongest" else None
    paths, unreadable = _readable(settings)
    found: dict[str, list[Detections]] = {}
    tried: dict[str, Candidate] = {}
    ids: dict[str, int] = {}
    for name in names:
        try:
            tried[name], found[name] = _run(name, paths, settings, ids)
        except TfzooError as error:
            tried[name] = Candidate(name, error=str(error))
    if strongest is not None and strongest not in found:
        raise TfzooError(f"{strongest}, which all are held against: {tried[strongest].error}")
    if len(found) < 2:
        raise TfzooError(
            "; ".join(f"{one.name}: {one.error}" for one in tried.values() if one.error)
        )
    score = settings.true_score
    counted = {name: [one.above(score) for one in several] for name, several in found.items()}
    true = counted[strongest] if strongest else _seen_by_most(counted.values())
    for name in found:
        if name != strongest:
            tried[name] = replace(
                tried[name],
                agreement=agreement_map(true, found[name], 0),
                disputed=sum(map(disputed, true, counted[name])),
            )
    return Ranking(
        tuple(sorted(tried.values(), key=lambda one: _order(one, strongest))),
        settings.against,
        strongest,
        len(paths),
        unreadable,
        _disputes(paths, counted, true),
    )


def _within(settings: RankOptions) -> list[str]:
    """The models that a budget leaves: the best, those that are here already first."""
    chosen = recommend(
        reported_points(load_manifest()),
        min_map=settings.min_map,
        max_latency_ms=settings.max_latency_ms,
    )
    here = [point.id for point in chosen if is_here(point.id)]
    return (here + [point.id for point in chosen if point.id not in here])[:MOST_MODELS]


def _strongest(names: Sequence[str]) -> str:
    """The one of the highest reported box mAP.

    Raises:
        UsageError: One has none.
    """
    maps: dict[str, float] = {}
    for name in names:
        # A model of one's own, by its path, is in no manifest.
        with suppress(TfzooError):
            spec = load_manifest().find(name)
            if spec.box_map is not None:
                maps[name] = spec.box_map
    if not maps:
        raise UsageError(
            "no mAP is reported for any of these models, so that none is known as the strongest; "
            "hold them against what most of them see: --against consensus"
        )
    return max(maps, key=lambda name: maps[name])


def _readable(settings: RankOptions) -> tuple[list[str], int]:
    """Paths of the images that are tried, evenly from all, and how many could not be read."""
    listed = [
        one.path for one in find_images([settings.images], recursive=True) if not one.is_video
    ]
    step = max(1.0, len(listed) / settings.limit)
    chosen = [listed[int(i * step)] for i in range(min(len(listed), settings.limit))]
    paths = []
    for done, path in enumerate(chosen):
        settings.on_step("reading the images", done, len(chosen))
        try:
            read_image(path)
        except ImageError:
            continue
        paths.append(path)
    if not paths:
        raise UsageError(f"none of the {len(chosen)} images of {settings.images} can be read")
    return paths, len(chosen) - len(paths)


def _run(
    name: str,
    paths: Sequence[str],
    settings: RankOptions,
    ids: dict[str, int],
) -> tuple[Candidate, list[Detections]]:
    """What a model finds in the images, and in what time.

    Categories go by `ids`, one for each name that was seen: models may number them differently.
    """
    settings.on_step(f"opening {name}", 0, 0)
    detector = load(name, runtime=settings.runtime, device=settings.device, images=len(paths))
    found, times = [], []
    warm: Image = read_image(paths[0])
    for _ in range(_WARM_UP):
        detector.detect(warm)
    for done, path in enumerate(paths):
        settings.on_step(name, done, len(paths))
        image = read_image(path)
        began = time.perf_counter()
        found.append(detector.detect(image))
        times.append(1000 * (time.perf_counter() - began))
    seen = sum(int(np.count_nonzero(one.scores >= settings.true_score)) for one in found)
    candidate = Candidate(
        name,
        objects=seen,
        latency_ms=round(median(times), 2),
        runtime=detector.run_info.runtime,
        device=detector.run_info.device,
        digest=detector.model.digest,
    )
    return candidate, [_by_name(one.above(_LEAST_SCORE), ids) for one in found]


def _by_name(found: Detections, ids: dict[str, int]) -> Detections:
    names = [name.lower() for name in found.names]
    numbers = [ids.setdefault(name, len(ids) + 1) for name in names]
    return replace(
        found,
        class_ids=np.array(numbers, dtype=np.int32),
        labels=dict(zip(numbers, names, strict=True)),
        keypoints=None,
        keypoint_scores=None,
        masks=None,
        image=None,
    )


def _seen_by_most(found: Iterable[list[Detections]]) -> list[Detections]:
    """What most of the models see, image by image; each has a vote."""
    return [consensus(list(seen)) for seen in zip(*found, strict=True)]


def _order(one: Candidate, strongest: str | None) -> tuple[bool, bool, float]:
    return one.error is not None, one.name != strongest, -(one.agreement or 0)


def _disputes(
    paths: Sequence[str],
    counted: dict[str, list[Detections]],
    true: list[Detections],
) -> tuple[Dispute, ...]:
    listed = []
    for row, path in enumerate(paths):
        seen = {name: several[row] for name, several in counted.items()}
        count = sum(disputed(true[row], one) for one in seen.values())
        listed.append(Dispute(path, count, seen))
    return tuple(sorted((one for one in listed if one.objects), key=lambda one: -one.objects))
