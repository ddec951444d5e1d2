"""The commonest slips with category ids: counted from elsewhere, in a row, or another set's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tfzoo.accuracy.fields import Id, in_order
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.detections.labels import COCO


@dataclass(frozen=True)
class Slip:
    """What may have gone wrong with category ids.

    Attributes:
        cause: What it is.
        meant: The annotations' ids by those that the detections have.
        plain: Share of objects that are found as the detections are, 0 to 1.
        share: Share that is found with the ids that are meant.
    """

    cause: str
    meant: Mapping[Id, Id]
    plain: float
    share: float


def find_slip(
    truth: GroundTruth,
    given: Collection[Id],
    labels: Mapping[int, str] | None,
    found_with: Callable[[Mapping[Id, Id]], float],
) -> Slip | None:
    """The slip that explains detections far better than they are, or None.

    Args:
        truth: What they are scored against.
        given: Category ids of the detections.
        labels: The model's category names by id, where they are known.
        found_with: Gives the share of objects that are found with the ids that are meant; of an
            empty mapping as they are.
    """
    plain = found_with({})
    slips = [
        Slip(cause, meant, plain, found_with(meant))
        for cause, meant in _slips(truth, given, labels)
        if any(given_id != own for given_id, own in meant.items())
    ]
    best = max(slips, key=lambda slip: slip.share, default=None)
    # Far below what a slip explains, and the slip explains a good deal.
    return best if best and best.share >= 0.1 and plain <= best.share / 2 else None


def _slips(
    truth: GroundTruth, given: Collection[Id], labels: Mapping[int, str] | None
) -> Iterator[tuple[str, dict[Id, Id]]]:
    """What may have gone wrong, the likelier first."""
    known = sorted(truth.categories, key=in_order)
    if labels is not None:
        own = {name.strip().casefold(): one for one, name in truth.categories.items()}
        meant = {one: own.get(name.strip().casefold()) for one, name in labels.items()}
        named: dict[Id, Id] = {one: found for one, found in meant.items() if found is not None}
        yield "the annotations have the model's category names under other ids", named
    numbers = [one for one in given if isinstance(one, int)]
    listed = [one for one in known if isinstance(one, int)]
    if not numbers or len(listed) < len(known):
        return
    least, most = min(numbers), max(numbers)
    in_a_row = listed == list(range(listed[0], listed[0] + len(listed)))
    if not in_a_row and least >= 0 and most < len(listed):
        yield counted_from_zero(listed, most), _within(enumerate(listed), given)
    if not in_a_row and least >= 1 and most <= len(listed):
        yield counted_from_one(listed), _within(enumerate(listed, 1), given)
    if len(listed) == len(COCO) and in_a_row:
        cause = f"COCO's ids 1 to 90 with gaps instead of {listed[0]} to {listed[-1]} in a row"
        yield cause, _within(zip(COCO, listed, strict=True), given)
    low = "category ids one too low"
    if least == 0 and 0 not in listed:
        low = counted_from_zero(listed, most)
    elif listed[0] == least + 1:
        low += f": the detections count from {least}, the annotations from {listed[0]}"
    yield low, {one: one + 1 for one in numbers if one + 1 in truth.categories}
    high = "category ids one too high"
    if listed[0] == least - 1:
        high += f": the annotations count from {listed[0]}, the detections from {least}"
    yield high, {one: one - 1 for one in numbers if one - 1 in truth.categories}


def _within(pairs: Iterable[tuple[Id, Id]], given: Collection[Id]) -> dict[Id, Id]:
    return {one: meant for one, meant in pairs if one in given}


def counted_from_zero(known: Sequence[Id], most: Id) -> str:
    """The slip of ids that count from 0; `most` is the highest that was given."""
    in_a_row = in_order(most) < in_order(len(known)) < in_order(known[-1])
    kind = f"0 to {len(known) - 1} in a row" if in_a_row else "counted from 0"
    return f"class indices {kind} instead of {_whose(known)}"


def counted_from_one(known: Sequence[Id]) -> str:
    """The slip of ids in a row where the annotations' have gaps."""
    return f"ids 1 to {len(known)} in a row instead of {_whose(known, '')} with gaps"


def _whose(known: Sequence[Id], what: str = "ids ") -> str:
    whose = "COCO's" if known[0] == 1 and known[-1] == 90 else "the annotations'"
    return f"{whose} {what}{known[0]} to {known[-1]}"
