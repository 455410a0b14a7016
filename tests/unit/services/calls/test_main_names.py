"""What a slot finds in its main module, read from the program's file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from headrace_services.calls.main_names import ALL_NAMES, MainNames, read_main_names

PROGRAM = """
import os.path, json as j
from math import *
from queue import Queue
first: int = 1
for loop in range(2): within = loop
try: tried = 1
except ValueError as error: pass
squares = [inner for inner in range(3)]
if (walrus := 1): pass
def function(): local = 1
class Class: attribute = 1
if __name__ != "__main__": elsewhere = 1
else: here = 1
removed = 1
del removed
if __name__ == "__main__" and first:
    table = [1]
    first = 2
    def guarded(): pass
    with open("x") as opened: pass
elif first: other = 1
"""


def read(tmp_path: Path, text: str) -> MainNames:
    main = ModuleType("__main__")
    path = tmp_path / "program.py"
    path.write_text(text)
    main.__file__ = str(path)
    return read_main_names(main)


def test_what_is_bound_wherever_the_file_runs_is_there(tmp_path: Path) -> None:
    names = read(tmp_path, PROGRAM)
    for name in (
        "os", "j", "Queue", "first", "loop", "within", "tried", "squares", "walrus", "function",
        "Class", "elsewhere", "other", "__name__",
    ):  # fmt: skip
        assert names.has(name), name


def test_what_is_bound_in_the_main_program_alone_is_not(tmp_path: Path) -> None:
    names = read(tmp_path, PROGRAM)
    for name in ("table", "guarded", "opened", "here"):
        assert not names.has(name), name
    assert names.guarded == {"table", "guarded", "opened", "here"}


def test_unknown_names_are_there_only_where_all_may_have_been_imported(tmp_path: Path) -> None:
    assert read(tmp_path, PROGRAM).has("sqrt")
    names = read(tmp_path, PROGRAM.replace("from math import *", ""))
    for name in ("sqrt", "inner", "local", "attribute", "removed"):
        assert not names.has(name), name


@pytest.mark.parametrize("text", ["def (", "\0"])
def test_a_file_that_cannot_be_read_hides_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == ALL_NAMES
    assert read_main_names(ModuleType("__main__")) == ALL_NAMES
    assert ALL_NAMES.has("anything")
