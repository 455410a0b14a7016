"""What an embedded worker is told of this program, and what is kept out of our own processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headrace.program import clean_pythonpath, describe_program
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
