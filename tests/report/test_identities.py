"""A measurement's identity: what is of the same goes together, what is not stays apart."""

from pathlib import Path

import pytest

from tests.helpers.measurements import add, rate
from tfzoo.report.identities import Identity, most_complete, read_measurements, tell_apart

TF, OPENVINO = "tensorflow 2.20.0", "openvino 2026.4.1"
HERE = {"device": "cpu", "hardware": "Some CPU, 2 cores"}


def times(results: Path, model: str = "a") -> list[tuple[str, float | None, float | None]]:
    """Runtime, AP and ms of each identity of a model, best first."""
    return [
        (
            one.identity.runtime,
            float(one.accuracy["box"]["AP"]) if one.accuracy else None,
            float(one.time["mean_ms"]) if one.time else None,
        )
        for one in read_measurements(results).models[model]
    ]


def test_a_map_and_a_time_go_together_where_every_part_is_the_same(tmp_path: Path) -> None:
    for runtime, ap, ms in ((TF, 0.3, 30.0), (OPENVINO, 0.29, 10.0)):
        rate(tmp_path, "a", ap, runtime=runtime, model_digest="sha256:1", batch=1, **HERE)
        add(tmp_path, "a", ms, runtime=runtime, model_digest="sha256:1")
    assert sorted(times(tmp_path)) == [(OPENVINO, 0.29, 10.0), (TF, 0.3, 30.0)]


@pytest.mark.parametrize(
    "other",
    [
        {"model_digest": "sha256:2"},
        {"runtime": "tensorflow 2.21.0"},
        {"precision": "int8"},
        {"batch": 8},
        {"device": "gpu:0"},
        {"gpu": "Some GPU"},
        {"cores": 4},
    ],
    ids=lambda other: next(iter(other)),
)
def test_one_part_that_differs_keeps_them_apart(tmp_path: Path, other: dict[str, object]) -> None:
    rate(tmp_path, "a", 0.3, runtime=TF, model_digest="sha256:1", batch=1, **HERE)
    add(tmp_path, "a", 30.0, **{"model_digest": "sha256:1", **other})
    assert [(ap is None, ms is None) for _, ap, ms in times(tmp_path)].count((False, False)) == 0
    assert len(times(tmp_path)) == 2


def test_what_was_found_by_other_rules_of_suppression_is_left_out(tmp_path: Path) -> None:
    rate(tmp_path, "a", 0.3, runtime=TF)
    rate(tmp_path, "a", 0.4, runtime=TF, suppression="max_detections 300")
    assert times(tmp_path) == [(TF, 0.3, None)]


def test_a_row_of_an_older_version_fits_whatever_it_does_not_know(tmp_path: Path) -> None:
    rate(tmp_path, "a", 0.3, runtime=TF, device="cpu", model_digest="sha256:1")
    assert times(tmp_path) == [(TF, 0.3, None)]
    add(tmp_path, "a", 30.0, model_digest="sha256:1")
    add(tmp_path, "a", 20.0, model_digest="sha256:1", cpu="Other CPU")
    assert times(tmp_path) == [(TF, 0.3, 20.0), (TF, 0.3, 30.0)]
    # Without a precision it is of full precision, not of any.
    add(tmp_path, "a", 10.0, model_digest="sha256:1", precision="int8")
    assert times(tmp_path)[2] == (TF, None, 10.0)


def test_what_is_known_of_two_rows_tells_them_from_a_third(tmp_path: Path) -> None:
    rate(tmp_path, "a", 0.3, runtime=TF, device="cpu", model_digest="sha256:1")
    add(tmp_path, "a", 30.0)
    rate(tmp_path, "a", 0.4, runtime=TF, device="cpu", hardware="Other CPU, 2 cores")
    assert times(tmp_path) == [(TF, 0.3, 30.0), (TF, 0.4, None)]
    # The time is of the first one's files by now.
    rate(tmp_path, "a", 0.5, runtime=TF, device="cpu", model_digest="sha256:2")
    assert (TF, 0.3, 30.0) in times(tmp_path) and (TF, 0.5, 30.0) not in times(tmp_path)


def test_full_precision_then_what_has_both_then_the_whole_set_then_the_newest_is_shown(
    tmp_path: Path,
) -> None:
    def shown() -> tuple[str, float | None]:
        runtime, ap, _ = times(tmp_path)[0]
        return runtime, ap

    rate(tmp_path, "a", 0.10, runtime="r 1", date="2026-01-02")
    rate(tmp_path, "a", 0.11, runtime="r 2", date="2026-01-01")
    assert shown() == ("r 1", 0.10)
    rate(tmp_path, "a", 0.12, runtime="r 3", date="2026-01-03")
    assert shown() == ("r 3", 0.12)
    rate(tmp_path, "a", 0.13, runtime="r 4", image_set="other", date="2026-01-04")
    assert shown() == ("r 3", 0.12)
    add(tmp_path, "a", 30.0, runtime="r 4", date="2026-01-01")
    assert shown() == ("r 4", 0.13)
    rate(tmp_path, "a", 0.14, runtime="r 5", precision="int8", date="2026-01-09")
    add(tmp_path, "a", 10.0, runtime="r 5", precision="int8", date="2026-01-09")
    assert shown() == ("r 4", 0.13)
    rate(tmp_path, "a", 0.15, runtime="r 1", image_set="val2017", date="2026-01-01")
    add(tmp_path, "a", 31.0, runtime="r 1", date="2026-01-01")
    assert shown() == ("r 1", 0.15)


def test_figures_of_two_are_laid_side_by_side_only_where_none_has_both(tmp_path: Path) -> None:
    rate(tmp_path, "a", 0.3, runtime=TF, device="cpu")
    add(tmp_path, "a", 10.0, runtime=OPENVINO)
    one = most_complete(read_measurements(tmp_path).models["a"])
    assert one is not None and one.time is not None
    assert (one.accuracy["box"]["AP"], one.time["mean_ms"]) == ("0.3", "10.0")
    assert one.laid_beside == (OPENVINO, TF)
    assert (one.identity.runtime, one.identity.device) == ("", "cpu")
    add(tmp_path, "a", 30.0, runtime=TF)
    one = most_complete(read_measurements(tmp_path).models["a"])
    assert one is not None and one.laid_beside is None
    assert one.time is not None and one.time["mean_ms"] == "30.0"
    assert most_complete(()) is None


def test_a_time_that_is_worth_more_than_a_map_is_laid_beside_it_too(tmp_path: Path) -> None:
    rate(tmp_path, "a", 0.3, runtime=TF, device="cpu", image_set="other", model_digest="sha256:1")
    add(tmp_path, "a", 10.0, runtime=OPENVINO, model_digest="sha256:1")
    # The best of all, but of other files than the next: those that fit are laid beside.
    add(tmp_path, "a", 20.0, runtime="onnx 1.22.0", model_digest="sha256:1", date="2026-01-01")
    rate(tmp_path, "a", 0.4, runtime="xla 2.20.0", model_digest="sha256:2", image_set="other")
    one = most_complete(read_measurements(tmp_path).models["a"])
    assert one is not None and one.laid_beside == ("onnx 1.22.0", TF)
    assert one.accuracy["box"]["AP"] == "0.3"


@pytest.mark.parametrize("other", [{"precision": "int8"}, {"model_digest": "sha256:2"}])
def test_another_precision_and_other_files_are_never_laid_beside(
    tmp_path: Path, other: dict[str, str]
) -> None:
    rate(tmp_path, "a", 0.3, model_digest="sha256:1")
    add(tmp_path, "a", 10.0, **{"model_digest": "sha256:1", **other})
    one = most_complete(read_measurements(tmp_path).models["a"])
    assert one is not None and (len(one.accuracy) == 0) != (one.time is None)


def test_identities_are_called_by_what_tells_them_apart(tmp_path: Path) -> None:
    def called() -> set[str]:
        return set(tell_apart(read_measurements(tmp_path).models["a"]))

    add(tmp_path, "a", 30.0)
    assert called() == {""}
    add(tmp_path, "a", 10.0, precision="int8")
    assert called() == {"", "int8"}
    add(tmp_path, "a", 20.0, runtime=OPENVINO)
    assert called() == {TF, f"{TF}, int8", OPENVINO}
    digest = "sha256:0123456789abcdef"
    assert Identity(digest, TF, "float32", "8", "cpu", "X").text(
        ["hardware", "device", "batch", "precision", "runtime", "model_digest"]
    ) == (f"{TF}, batch 8, cpu, X, sha256:01234567")


def test_a_time_that_is_none_is_a_failure(tmp_path: Path) -> None:
    for ms in (0.0, -1.0):
        add(tmp_path, "a", ms)
    add(tmp_path, "b", None, error="no room on the disk")
    found = read_measurements(tmp_path)
    assert found.errors == {"a": "no time", "b": "no room on the disk"}
    assert found.models == {"a": [], "b": []}
