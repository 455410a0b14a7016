r"""Text that others made, fit to be printed: in tables, messages and logs.

A job's name, an error's text or a worker's host may hold what a terminal obeys, or line breaks that
make one line look like two. Such characters are shown as Python would write them, ``\x1b``.
"""

from __future__ import annotations

import json
import re

from headrace_wire.bounds import UNPRINTABLE

#: What one line of an error has at most; a value that is repeated in it may be of any length.
MAX_LINE_CHARACTERS = 1000

_LINE = re.compile(f"[{UNPRINTABLE}]")
_TEXT = re.compile(f"(?![\\n\\t])[{UNPRINTABLE}]")


def clean_line(text: str) -> str:
    """A text as one line without control characters."""
    return _LINE.sub(_escape, text)


def shorten_line(text: str) -> str:
    """A text as ``clean_line`` has it, of 1,000 characters at most.

    The middle of a longer one is left out: its start says what happened, and its end what to do.
    """
    line = clean_line(text)
    if len(line) <= MAX_LINE_CHARACTERS:
        return line
    half = (MAX_LINE_CHARACTERS - 1) // 2
    return f"{line[:half]}…{line[-half:]}"


def clean_text(text: str) -> str:
    """A text with its own line breaks and tabs, and no other control characters."""
    return _TEXT.sub(_escape, text.replace("\r\n", "\n"))


def write_json(value: object) -> str:
    """A value as JSON in one line; numbers that JSON does not know become null."""
    known = json.loads(json.dumps(value), parse_constant=lambda _: None)
    return json.dumps(known)


def indent(text: str) -> str:
    """Lines of which none looks like a record of its own."""
    return "    " + clean_text(text).replace("\n", "\n    ")


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()
