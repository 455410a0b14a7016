"""An embedded worker's program, and what is kept out of our own processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from headrace_worker.link.program import Program, clean_pythonpath, describe_program
from support.places import REPOSITORY


def test_the_present_folder_is_left_out_of_the_python_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert clean_pythonpath(None) is None
    assert clean_pythonpath(":/usr:.:" + str(tmp_path)) == "/usr"
    assert clean_pythonpath(".") is None
    monkeypatch.chdir(REPOSITORY / "client")
    assert clean_pythonpath(":/usr") == ":/usr"  # for our own modules are there


def test_a_present_folder_that_was_removed_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setattr(sys, "path", ["", "beside", "/usr"])
    assert describe_program().path == ("/usr",)
    assert clean_pythonpath(":/usr:beside") == "/usr"


def test_a_slot_looks_for_modules_as_its_program_does(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ["/own", "/both"]
    monkeypatch.setattr(sys, "path", own)
    monkeypatch.setenv("PYTHONPATH", "/clean")
    Program(("/first", "/both"), ":/first").enter()
    assert sys.path == ["/first", "/both", "/own"]
    assert os.environ["PYTHONPATH"] == ":/first"
    Program(("/first",), None).enter()
    assert "PYTHONPATH" not in os.environ
