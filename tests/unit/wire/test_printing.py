"""Text of others, fit for terminals, tables and logs."""

from __future__ import annotations

import io
import json
import logging
import math

import pytest

from headrace_wire.log_format import LineFormatter
from headrace_wire.printing import clean_line, clean_text, shorten_line, write_json

HOSTILE = "\x1b]0;pwned\x07\x1b[2J a\nb\r\x9b31m\u202e\u2028\udcff\x00\x7f"


def test_a_line_has_no_breaks_and_nothing_that_a_terminal_obeys() -> None:
    assert clean_line(HOSTILE).isprintable()
    assert clean_line("\x1b[2Ja\nb") == "\\x1b[2Ja\\nb"
    assert clean_line("née \u4e2d\u3000\U0001f600") == "née \u4e2d\u3000\U0001f600"


@pytest.mark.parametrize("middle", ["x", "x ", "\x1b"])
def test_a_long_line_keeps_its_start_and_its_end(middle: str) -> None:
    line = shorten_line(f"what happened: {middle * 5000}: what to do")
    assert line.startswith("what happened: ")
    assert line.endswith(": what to do")
    assert "…" in line
    assert line.isprintable()
    assert len(line) <= 1000
    assert shorten_line("x" * 1000) == "x" * 1000


def test_a_text_keeps_its_own_line_breaks() -> None:
    assert clean_text("a\r\n\tb\x1b\nc\rd") == "a\n\tb\\x1b\nc\\rd"


def test_json_stays_json() -> None:
    value = {"a": [math.nan, math.inf, (1.5, -math.inf)], "b": HOSTILE, "c": None}
    line = write_json(value)
    assert json.loads(line, parse_constant=pytest.fail) == {
        "a": [None, None, [1.5, None]],
        "b": HOSTILE,
        "c": None,
    }
    assert line.isprintable()


def test_nothing_that_is_logged_looks_like_another_record() -> None:
    stream = io.StringIO()
    log = logging.getLogger("hostile")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)-7s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    forged = "\n2026-11-27 00:00:00,000 INFO    forged\x1b[2J\u2028more"
    log.warning("worker %s is here", forged)
    try:
        raise ValueError(forged)
    except ValueError:
        log.exception("it failed: %s", forged, stack_info=True)
    lines = stream.getvalue().splitlines()
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if not line.startswith("    ")] == [lines[0], lines[1]]
    assert "ValueError" in stream.getvalue()
