"""Which terminals obey escape sequences."""

from __future__ import annotations

import sys

import pytest

from headrace.cli.printing import is_plain_terminal


@pytest.mark.parametrize(
    ("system", "terminal", "plain"),
    [
        ("linux", "xterm-256color", False),
        ("linux", "dumb", True),
        ("linux", None, True),
        ("win32", None, False),  # its consoles say nothing of themselves
        ("win32", "dumb", True),
    ],
)
def test_a_terminal_is_plain_where_it_says_so_or_nothing(
    monkeypatch: pytest.MonkeyPatch, system: str, terminal: str | None, *, plain: bool
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    if terminal is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", terminal)
    assert is_plain_terminal() is plain
