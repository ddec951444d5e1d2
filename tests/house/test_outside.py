"""Text from outside, made fit for terminals, records, spreadsheets and Markdown."""

from __future__ import annotations

import csv
import io
import json
import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfzoo.errors import ImageError, TfzooError
from tfzoo.outside import (
    bare,
    from_csv,
    in_csv,
    in_markdown,
    in_one_line,
    keep_secrets_in_logs,
    keyed,
    printable,
    public,
    shown,
    shown_json,
)

SECRETS = ("user", "hunter2", "S3CR", "d2l0aA", "abc123")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Gear [v2] [/beta]\tgrößer\n", "Gear [v2] [/beta]\tgrößer\n"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("\x1b]8;;http://evil\x1b\\", r"\x1b]8;;http://evil\x1b" + "\\"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\u2066a\u2069\u200f", r"\u2066a\u2069\u200f"),
        ("a\rb\x08\x00\x7f", r"a\x0db\x08\x00\x7f"),
        ("caf\udce9 \udc80\udcff", r"caf\xe9 \x80\xff"),
        ("\udc7f\udd00", r"\udc7f\udd00"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_would_steer_a_terminal_is_written_out(text: str, expected: str) -> None:
    assert shown(text) == expected
    assert "\n" not in in_one_line(text) and "\t" not in in_one_line(text)


@given(st.text())
def test_json_that_is_shown_means_the_same(text: str) -> None:
    written = shown_json(json.dumps({"name": text}, ensure_ascii=False, indent=1))
    assert json.loads(written) == {"name": text}
    assert shown(written) == written


def test_a_name_that_is_not_utf_8_can_be_printed() -> None:
    assert printable("caf\udce9 é") == r"caf\xe9 é"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org/a.jpg", "https://example.org/a.jpg"),
        ("https://user:hunter2@example.org/a.jpg", "https://***@example.org/a.jpg"),
        ("https://user:hun@ter2@example.org/", "https://***@example.org/"),
        ("https://user:<hunter2>'\"@example.org/", "https://***@example.org/"),
        ("HTTP://hunter2@example.org:8080/a", "HTTP://***@example.org:8080/a"),
        ("s3://user:hunter2/S3CR/x@bucket/a?region=abc123", "s3://***@bucket/a?region=***"),
        ("http://user:hunter2?S3CR@host/x", "http://***?***"),
        (
            "https://h/a?X-Amz-Signature=S3CR&X-Amz-Expires=900&pin=1234",
            "https://h/a?X-Amz-Signature=***&X-Amz-Expires=900&pin=***",
        ),
        ("https://h/a?sv=2020;sig=S3CR%3D", "https://h/a?sv=***;sig=***"),
        ("https://h/a?d2l0aA==", "https://h/a?***"),
        ("https://h/a?abc123", "https://h/a?***"),
        ("https://h/a#token=S3CR", "https://h/a"),
        ("https://h/a#S3CR", "https://h/a"),
        ("https://cocodataset.org/#format-data", "https://cocodataset.org/#format-data"),
        ("https:/user:hunter2@h/a", "https:/***@h/a"),
        ("https:\\\\user:hunter2@h\\a", "https:\\\\***@h\\a"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a"),
        ("https://h/@scope/pkg@1.2", "https://h/@scope/pkg@1.2"),
        ("file:///C:/photos", "file:///C:/photos"),
        ("/photos/a?b=c@d#e", "/photos/a?b=c@d#e"),
        ("C:\\photos\\a?b=c", "C:\\photos\\a?b=c"),
    ],
)
def test_what_an_address_hides_is_cut_from_it_and_from_a_sentence(
    address: str, expected: str
) -> None:
    assert bare(address) == bare(expected) == expected
    for before, after in (("", ""), ("'", "': no answer"), ("(", ")."), ("see ", ", then")):
        told = public(f"{before}{address}{after}")
        assert told == f"{before}{expected}{after}"
        assert str(ImageError(f"{before}{address}{after}")) == told
        assert not any(secret in told for secret in SECRETS)


def test_addresses_that_hide_something_stay_apart_in_records() -> None:
    one, other = (keyed(f"https://u:p@h/a.jpg?sig={sig}") for sig in ("one", "two"))
    assert one != other and one.partition("#")[0] == other.partition("#")[0]
    assert keyed(one) == bare(one) == public(one) == one
    for plain in ("https://h/a.jpg", "https://h/a?size=1", "a?b=c", "C:/a"):
        assert keyed(plain) == plain


def test_a_name_without_end_is_cut_in_a_message_and_a_path_is_not() -> None:
    path = "/" + "a" * 254 + "/" + "b" * 254
    assert str(TfzooError(f"{path} is gone")) == f"{path} is gone"
    told = str(TfzooError(f"{'[' * 5000}.jpg is missing, and https://u:p@h/{'x' * 5000}"))
    assert len(told) < 1200 and told.startswith("[[[") and ".jpg is missing" in told
    assert "u:p" not in told


def test_a_long_text_takes_no_longer_than_it_is_long() -> None:
    began = time.monotonic()
    for piece in ("a", "a.", "http:", "http://", "ab:/", "https://u:p@", "a://b?c=d&", "."):
        public(piece * 50_000)
        public(f"ab://{piece * 50_000} and")
    for piece in ("_", " ", "'", "[", "1"):
        in_markdown(piece * 50_000)
        in_csv(piece * 50_000)
    assert time.monotonic() - began < 20


def test_logs_of_libraries_keep_secrets(caplog: pytest.LogCaptureFixture) -> None:
    keep_secrets_in_logs()
    for name, said in [("httpx", "GET %s"), ("httpcore.http11", "headers=[(b'Location', b'%s')]")]:
        with caplog.at_level(logging.DEBUG, name):
            logging.getLogger(name).debug(said, "https://user:hunter2@h/a?sig=S3CR")
        assert caplog.messages.pop() == said % "https://***@h/a?sig=***"


@pytest.mark.parametrize(
    "name", ["=1+1", "+cmd|' /C calc'!A0", "-x", "@SUM(1)", " =1", "\t=1", "\r=1", "\n", "\uff1dx"]
)
def test_a_spreadsheet_runs_no_name_and_it_is_read_back_unharmed(name: str) -> None:
    for text in (name, f"'{name}", f"''{name}"):
        assert in_csv(text) == f"'{text}"
        assert from_csv(in_csv(text)) == text


@given(st.text(alphabet="'=+-@\t\r\n 1a") | st.text())
def test_every_name_survives_a_spreadsheets_cell(name: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([in_csv(name)])
    ((cell,),) = csv.reader(io.StringIO(file.getvalue(), newline="")) or [[""]]
    assert from_csv(cell) == name


@pytest.mark.parametrize("number", ["-0.5", "+3", "-1e-05", "12", "-inf"])
def test_numbers_stay_numbers_in_a_spreadsheet(number: str) -> None:
    assert in_csv(number) == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SSD MobileNet v2 (COCO), 320x320", "SSD MobileNet v2 (COCO), 320x320"),
        ("my_own_model.v2", "my_own_model.v2"),
        ("_a_ *b* ~c~ `d`", r"\_a\_ \*b\* \~c\~ \`d\`"),
        ("a | b", r"a \| b"),
        ("a\\| b", r"a\\\| b"),
        ("two\nlines", r"two\\nlines"),
        ("Gear [v2](http://evil)", r"Gear \[v2\](http&#58;//evil)"),
        ("www.evil.org", "www&#46;evil.org"),
        ("<script>&lt;", "&lt;script&gt;&amp;lt;"),
        ("# head", r"\# head"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("\x1b[0m", r"\\x1b\[0m"),
    ],
)
def test_markdown_shows_a_name_as_it_is(text: str, expected: str) -> None:
    assert in_markdown(text) == expected
