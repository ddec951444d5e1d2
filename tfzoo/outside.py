r"""Text from outside: names, paths and addresses that files, servers and users bring.

Each place that such a text goes to can be led astray by it: a terminal by escape sequences, a
spreadsheet by formulas, a page of Markdown by its marks, and every record by the password in an
address. Here, and nowhere else, a text is made fit for each of them.
"""

from __future__ import annotations

import re
from typing import Any

#: Escape sequences begin with a control character (C0 or C1); marks of direction let a text be read
#: in another order than it has. A line break and a tab steer nothing but the place on a page.
STEERING = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
# Surrogates stand for bytes that are no text.
_STEERING = re.compile(f"{STEERING}|[\ud800-\udfff]")

#: Stands where a secret was.
HIDDEN = "***"

# One slash too few, or backslashes, are slips in an address that hides its password no less. One
# letter alone is a drive of Windows.
_BEGINNING = r"[A-Za-z][A-Za-z0-9+.-]{1,30}:[/\\]+"
_ADDRESS = re.compile(rf"(?<![A-Za-z0-9]){_BEGINNING}\S+")
_PARTS = re.compile(rf"({_BEGINNING})([^/\\]*)([/\\]?)(.*)", re.DOTALL)

#: Logs that tell of addresses: those asked, and those that servers lead on to.
_LOGS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy")))

#: What of a sentence follows an address.
_AFTER = "[](){}<>,.;:!'\"`"
_NO_SECRET = re.compile(r"\d{1,3}")
#: A mark that `keyed` makes, or a place on a page.
_FRAGMENT = re.compile(r"[0-9a-f]{12}|(?=.{1,24}$)[a-z]+(-[a-z]+)*")

#: What a spreadsheet takes for a formula, also written as wide as East Asian letters, or for the
#: beginning of another cell. Apostrophes before it may be those that `in_csv` writes. Understood by
#: `re` and by Arrow alike.
FORMULA = "^'*([ ]*[=+@\uff1d\uff0b\uff0d\uff20-]|[\t\r\n])"
_FORMULA = re.compile(FORMULA)

# What Markdown, and GitHub's kind of it, reads as something else than itself. What not every kind
# of it lets be escaped by a backslash is written as HTML's entity.
_MARKS = re.compile(r"[\\`*\[\]<>|&~#$]|(?<![^\W_])_|_(?![^\W_])|(?<=\w):(?=//)|(?<=\bwww)\.")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", ":": "&#58;", ".": "&#46;"}
_LINE_START = re.compile(r"^\s*(?=[-+=])|^\s*\d+(?=[.)])")


#: Longer than the paths that people have; what files hold in place of a name may have any length.
_LONGEST_WORD = 1000
_LONG = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")


def in_a_message(text: str) -> str:
    """A text as a message may hold it: no secret in it, and no word that fills the screen."""
    return _LONG.sub(lambda word: f"{word[0][:300]}[...]{word[0][-200:]}", public(text))


def printable(name: str) -> str:
    r"""A file's name as text: bytes that are not UTF-8 become `\xNN`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def shown(text: str) -> str:
    r"""A text as a terminal or a picture may show it: what would steer them is written out.

    An escape character becomes `\x1b`, a mark of direction `\u202e`, a byte that is not UTF-8
    `\xff`. Line breaks and tabs stay.
    """
    return _STEERING.sub(_written_out, text)


def in_one_line(text: str) -> str:
    """As `shown`, line breaks and tabs written out too."""
    return shown(text).replace("\n", "\\n").replace("\t", "\\t")


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # How Python holds a byte that is not UTF-8.
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def shown_json(text: str) -> str:
    """JSON that means the same, with what would steer a terminal escaped as JSON escapes it."""
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def bare(address: str) -> str:
    """An address without user, password and the values that it asks with, such as signatures.

    Which of the values is a secret can't be known, so that none is kept but numbers too short for
    one, such as a size. Nor is a fragment, but for the mark that `keyed` makes and for places on a
    page. What is no address, such as a path, stays as it is.
    """
    whole, _, fragment = address.partition("#")
    place, asked, query = whole.partition("?")
    parts = _PARTS.fullmatch(place)
    if parts is None:
        return address
    scheme, authority, slash, path = parts.groups()
    _, at, host = authority.rpartition("@")
    if at:
        authority = f"{HIDDEN}@{host}"
    elif _is_no_port(authority):
        # The beginning of a password with a slash in it, as secret keys of S3 have.
        _, at, host = path.rpartition("@")
        authority, slash, path = (f"{HIDDEN}@{host}", "", "") if at else (HIDDEN, slash, path)
    values = re.sub(r"[^&;]+", _without_value, query)
    kept = f"#{fragment}" if _FRAGMENT.fullmatch(fragment) else ""
    return f"{scheme}{authority}{slash}{path}{asked}{values}{kept}"


def _is_no_port(authority: str) -> bool:
    host, colon, port = authority.rpartition(":")
    return bool(colon and port and not port.isdecimal() and not host.startswith("["))


def _without_value(part: re.Match[str]) -> str:
    name, equals, value = part[0].partition("=")
    if _NO_SECRET.fullmatch(value):
        return part[0]
    # What ends with `=` may be a key that is filled up with them.
    return f"{name}={HIDDEN}" if equals and value.strip("=") else HIDDEN


def public(text: str) -> str:
    """A text with every address in it as `bare` gives it."""
    return _ADDRESS.sub(_bare_in_text, text)


def _bare_in_text(match: re.Match[str]) -> str:
    address = match[0].rstrip(_AFTER)
    return bare(address) + match[0][len(address) :]


def keep_secrets_in_logs() -> None:
    """Lets the libraries that fetch for us log no more of an address than we tell."""
    import logging

    for name in _LOGS:
        logging.getLogger(name).addFilter(_without_secrets)


def _without_secrets(record: Any) -> bool:
    record.msg, record.args = public(record.getMessage()), ()
    return True


def keyed(address: str) -> str:
    """An address as records hold it: `bare`, and told apart from others by the digest of its whole.

    One that hides nothing stays as it is; so does what was keyed before.
    """
    without = bare(address)
    if without == address:
        return address
    from hashlib import sha256

    whole = sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{without.partition('#')[0]}#{whole[:12]}"


def in_csv(text: str) -> str:
    """A text as a cell that no spreadsheet runs: an apostrophe before what begins a formula.

    Numbers stay as they are. `from_csv` gives the text back.
    """
    if _FORMULA.match(text) is None or _is_number(text):
        return text
    return f"'{text}"


def from_csv(cell: str) -> str:
    """The text that `in_csv` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def in_page(text: str) -> str:
    """A text as HTML shows it: no markup in it, and nothing that steers."""
    import html

    return html.escape(shown(text))


def in_markdown(text: str) -> str:
    """A text that Markdown shows as it is, in one line: no mark-up, link, page code or new cell."""
    marked = _MARKS.sub(lambda mark: _ENTITIES.get(mark[0], f"\\{mark[0]}"), in_one_line(text))
    return _LINE_START.sub(r"\g<0>\\", marked)
