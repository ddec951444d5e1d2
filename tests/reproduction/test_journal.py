"""Nothing is measured twice, whatever ended the run before."""

import json
import platform
from pathlib import Path

import pytest

from tfzoo.errors import MeasurementError
from tfzoo.reproduction.journal import NAME, Measured, open_journal, read_journal
from tfzoo.results import read_rows

ASKED = {"runtime": "tensorflow", "limit": 10}
ROW = {"model": "mine", "date": "2026-01-01T00:00:00+00:00", "runtime": "tensorflow 2.20.0"}
ACCURACY = Measured("mine", "accuracy", ASKED, [{**ROW, "kind": "box", "AP": 0.5}])
SPEED = Measured("mine", "speed", ASKED, [{**ROW, "mean_ms": 12.0}])


def test_what_is_kept_is_found_again_and_stands_in_its_table_once(tmp_path: Path) -> None:
    for _ in range(2):
        with open_journal(tmp_path) as journal:
            if journal.find("mine", "accuracy", ASKED) is None:
                journal.keep(ACCURACY)
                journal.keep(SPEED)
    assert read_journal(tmp_path).find("mine", "speed", ASKED) == SPEED
    assert [row["AP"] for row in read_rows(tmp_path / "accuracy.csv")] == ["0.5"]
    assert [row["mean_ms"] for row in read_rows(tmp_path / "timing.csv")] == ["12.0"]


def test_other_settings_another_step_or_model_are_not_found(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.keep(ACCURACY)
        assert journal.find("mine", "accuracy", {**ASKED, "limit": 20}) is None
        assert journal.find("mine", "speed", ASKED) is None
        assert journal.find("yours", "accuracy", ASKED) is None


def test_what_a_killed_run_had_no_time_to_add_is_added_by_the_next(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.keep(ACCURACY)
    (tmp_path / "accuracy.csv").unlink()
    with open_journal(tmp_path):
        pass
    assert [row["model"] for row in read_rows(tmp_path / "accuracy.csv")] == ["mine"]


def test_a_last_line_that_was_cut_short_is_cut_off(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.keep(ACCURACY)
        journal.fetching("mine", "here")
    whole = (tmp_path / NAME).read_bytes()
    for cut in range(len(whole.splitlines(keepends=True)[0]), len(whole)):
        (tmp_path / NAME).write_bytes(whole[:cut])
        with open_journal(tmp_path) as journal:
            assert journal.find("mine", "accuracy", ASKED) == ACCURACY
            assert not journal.fetched("mine", "here")
            journal.fetching("yours", "here")
        assert read_journal(tmp_path).fetched("yours", "here")


def test_a_damaged_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("no JSON\n" + json.dumps({"fetching": "mine"}) + "\n")
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(MeasurementError, match=r"damaged.*Move it away"), open_journal(tmp_path):
        pass
    assert (tmp_path / NAME).read_bytes() == before


def test_what_was_removed_and_is_there_again_is_the_users(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.fetching("mine", "here")
        assert journal.fetched("mine", "here")
        journal.removed("mine", "here")
        assert not journal.fetched("mine", "here")
    assert not read_journal(tmp_path).fetched("mine", "here")
    with open_journal(tmp_path) as journal:
        journal.fetching("mine", "here")
    assert read_journal(tmp_path).fetched("mine", "here")


def test_two_runs_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path),
        pytest.raises(MeasurementError, match="another run"),
        open_journal(tmp_path),
    ):
        pass


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert not read_journal(tmp_path / "results").fetched("mine", "here")
    assert not (tmp_path / "results").exists()


def test_what_one_machine_fetched_is_the_users_on_another(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.fetching("mine", "here")
        assert not journal.fetched("mine", "there")
        journal.fetching("mine", "there")
        journal.removed("mine", "here")
    assert read_journal(tmp_path).fetched("mine", "there")
    assert not read_journal(tmp_path).fetched("mine", "here")


def test_a_journal_without_machines_is_of_this_one(tmp_path: Path) -> None:
    old = {"model": "mine", "step": "speed", "asked": ASKED, "rows": [ROW]}
    lines = [{"fetching": "mine"}, {"measured": old}]
    (tmp_path / NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    journal = read_journal(tmp_path)
    assert journal.fetched("mine", platform.node())
    assert journal.find("mine", "speed", ASKED) is not None
