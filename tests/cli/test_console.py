"""What the commands print for programs."""

import pytest

from tfzoo.cli.console import print_json


def test_json_is_printed_as_people_write_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Zoë", "figure": None})
    assert capsys.readouterr().out == '{\n  "name": "Zoë",\n  "figure": null\n}\n'


def test_what_is_no_number_is_not_printed_as_one() -> None:
    with pytest.raises(ValueError, match="JSON"):
        print_json({"figure": float("nan")})
