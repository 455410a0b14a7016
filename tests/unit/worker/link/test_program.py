"""An embedded worker's program."""

from __future__ import annotations

import os
import sys

import pytest

from headrace_worker.link.program import Program


def test_a_slot_looks_for_modules_as_its_program_does(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ["/own", "/both"]
    monkeypatch.setattr(sys, "path", own)
    monkeypatch.setenv("PYTHONPATH", "/clean")
    Program(("/first", "/both"), ":/first").enter()
    assert sys.path == ["/first", "/both", "/own"]
    assert os.environ["PYTHONPATH"] == ":/first"
    Program(("/first",), None).enter()
    assert "PYTHONPATH" not in os.environ
