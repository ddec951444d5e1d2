"""The settings of a reproduction."""

import shlex

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
