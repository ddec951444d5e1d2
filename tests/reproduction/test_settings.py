"""The settings of a reproduction."""

import shlex

import pytest

from tfzoo.errors import UsageError
from tfzoo.reproduction.settings import ReproduceSettings, command_of


def test_the_command_of_a_row_says_what_was_asked_and_no_more() -> None:
    settings = ReproduceSettings(["a*"], coco="my coco", limit=50, free_disk=True, device="cpu")
    words = shlex.split(command_of("a1", "openvino", settings))
    assert words[:3] == ["tfzoo", "reproduce", "a1"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options == {
        "--runtime": "openvino",
        "--limit": "50",
        "--coco": "my coco",
        "--device": "cpu",
    }


def test_all_runtimes_are_those_installed() -> None:
    assert ReproduceSettings(["a"], runtimes=["all"]).runtimes[:2] == ("tensorflow", "frozen")
    assert ReproduceSettings(["a"], runtimes="auto").runtimes == ("auto",)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"device": "cpu,gpu:0"}, "several are GPUs"),
        ({"device": "gpu:0,gpu:0"}, "named once"),
        ({"device": "gpu:1", "engine": "ray"}, "Ray takes every GPU"),
        ({"engine": "spark"}, "expected local or ray"),
        ({"jobs": 0}, "jobs is 0"),
    ],
)
def test_places_that_make_no_sense_are_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        ReproduceSettings(["a"], **given)


def test_several_gpus_are_known_by_their_numbers() -> None:
    assert ReproduceSettings(["a"], device="gpu:0, gpu:2").gpus == (0, 2)
    assert ReproduceSettings(["a"], device="gpu").gpus == ()
