r"""Text that others made, fit to be printed: in tables, messages and logs.

A job's name, an error's text or a worker's host may hold what a terminal obeys, or line breaks that
make one line look like two. Such characters are shown as Python would write them, ``\x1b``.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

from headrace_wire.bounds import UNPRINTABLE
from headrace_wire.version import VERSION

_LINE = re.compile(f"[{UNPRINTABLE}]")
_TEXT = re.compile(f"(?![\\n\\t])[{UNPRINTABLE}]")


def clean_line(text: str) -> str:
    """A text as one line without control characters."""
    return _LINE.sub(_escape, text)


def clean_text(text: str) -> str:
    """A text with its own line breaks and tabs, and no other control characters."""
    return _TEXT.sub(_escape, text.replace("\r\n", "\n"))


def write_json(value: object) -> str:
    """A value as JSON in one line; numbers that JSON does not know become null."""
    known = json.loads(json.dumps(value), parse_constant=lambda _: None)
    return json.dumps(known)


class LineFormatter(logging.Formatter):
    """Writes a log record as one line, and a traceback beneath it in lines that are indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name there
        """The line itself."""
        return clean_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - its name there
        """The lines of a traceback."""
        return indent(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - its name there
        """The lines of a stack."""
        return indent(super().formatStack(stack_info))


def start_logging(level: str) -> None:
    """Log to standard error, from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger(__name__).debug("headrace %s", VERSION)


def indent(text: str) -> str:
    """Lines of which none looks like a record of its own."""
    return "    " + clean_text(text).replace("\n", "\n    ")


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()
