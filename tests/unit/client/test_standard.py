"""The standard streams of a command."""

from __future__ import annotations

import builtins
import io
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace import cli
from headrace.cli import entry
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


def test_a_standard_error_that_refuses_what_is_written_has_its_name_and_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Path("/dev/full").open("w", encoding="latin-1") as full:
        monkeypatch.setattr(sys, "stderr", full)
        fill_standard_streams()
        assert sys.stderr is not full
        print("lost", file=sys.stderr, flush=True)
        assert (sys.stderr.name, sys.stderr.fileno()) == ("/dev/full", full.fileno())
        assert sys.stderr.encoding == "latin-1"
        assert not sys.stderr.isatty()


def test_an_interruption_while_the_command_line_is_loaded_is_no_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    load = builtins.__import__

    def watch(name: str, *rest: Any) -> Any:
        if name == "headrace.cli":
            seen.append(signal.getsignal(signal.SIGINT))
        return load(name, *rest)

    def run(arguments: list[str] | None) -> None:
        seen.append((arguments, signal.getsignal(signal.SIGINT)))

    monkeypatch.setattr(entry, "main", run)
    monkeypatch.setattr(builtins, "__import__", watch)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli.main(["jobs"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIG_DFL, (["jobs"], signal.default_int_handler)]
