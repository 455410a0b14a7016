"""The standard streams of a command."""

from __future__ import annotations

import io
import sys

import pytest

from headrace.cli.printing import say
from headrace.cli.standard import fill_standard_streams


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("latin-1", b"\\u65e5 \xe9\n"), ("utf-8", "日 é\n".encode())],
)
def test_what_the_locale_has_no_characters_for_is_shown_nevertheless(
    monkeypatch: pytest.MonkeyPatch, encoding: str, shown: bytes
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    fill_standard_streams()
    say("日 é")
    sys.stdout.flush()
    assert written.getvalue() == shown
