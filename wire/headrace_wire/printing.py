r"""Text from others, made safe for printing: in tables, messages and logs.

A job's name, an error's text or a worker's host may contain control characters, or line breaks that
make one line look like two. Such characters are shown as Python would write them, ``\x1b``.
"""

from __future__ import annotations

import json
import re

from headrace_wire.bounds import UNPRINTABLE

#: The maximum length of one line of an error, in which a value of any length may be repeated.
MAX_LINE_CHARACTERS = 1000

_LINE = re.compile(f"[{UNPRINTABLE}]")
_TEXT = re.compile(f"(?![\\n\\t])[{UNPRINTABLE}]")


def clean_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return _LINE.sub(_escape, text)


def shorten_line(text: str) -> str:
    """Return a text as ``clean_line`` does, with at most 1,000 characters.

    The middle of a longer text is left out: its beginning says what happened, and its end what to
    do.
    """
    line = clean_line(text)
    if len(line) <= MAX_LINE_CHARACTERS:
        return line
    half = (MAX_LINE_CHARACTERS - 1) // 2
    return f"{line[:half]}…{line[-half:]}"


def clean_text(text: str) -> str:
    """Return a text with its line breaks and tabs, and no other control characters."""
    return _TEXT.sub(_escape, text.replace("\r\n", "\n"))


def write_json(value: object) -> str:
    """Return a value as JSON in one line; numbers that JSON cannot represent become null."""
    known = json.loads(json.dumps(value), parse_constant=lambda _: None)
    return json.dumps(known)


def indent(text: str) -> str:
    """Indent lines, so that none looks like a separate record."""
    return "    " + clean_text(text).replace("\n", "\n    ")


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()
