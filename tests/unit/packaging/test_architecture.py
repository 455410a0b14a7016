"""docs/architecture.md stays true: what it names exists, where it says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from support.places import REPOSITORY

PAGE = (REPOSITORY / "docs" / "architecture.md").read_text()
FOLDERS = ("client", "coordinator", "worker", "services", "wire")
SOURCES = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py")]

#: One line of a table or one paragraph: what is named in it is in the files that it names.
PASSAGES = [
    line
    for passage in re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL).split("\n\n")
    for line in (passage.splitlines() if passage.startswith("|") else [passage])
]

#: What is named as a way of speaking, or is the standard library's.
NOT_OURS = {"get()", "create()"}


def list_files(passage: str) -> list[str]:
    return re.findall(r"`([\w/]+\.py)`", passage)


def list_names(passage: str) -> list[str]:
    """Names of classes' functions and of functions, as ``Class.function`` and ``function()``."""
    found = re.findall(r"`([A-Z]\w*\.[a-z_]\w*)(?:\([^`]*\))?`|`([a-z_]\w*\(\))`", passage)
    return [name for pair in found for name in pair if name and name not in NOT_OURS]


def list_classes(passage: str) -> list[str]:
    return re.findall(r"`([A-Z][a-z]\w*)` in `", passage)


def find(shortened: str) -> list[Path]:
    return [path for path in SOURCES if f"/{path.as_posix()}".endswith(f"/{shortened}")]


@cache
def list_definitions(path: Path) -> set[str]:
    """Every class and function of a module, as the page would name it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
            found.update(
                f"{node.name}.{one.name}"
                for one in node.body
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            )
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(f"{node.name}()")
    return found


@pytest.mark.parametrize("shortened", sorted(set(list_files(PAGE))))
def test_a_file_that_the_page_names_is_one_file(shortened: str) -> None:
    assert len(find(shortened)) == 1, [str(path) for path in find(shortened)]


@pytest.mark.parametrize("passage", [one for one in PASSAGES if list_names(one)])
def test_a_function_that_the_page_names_is_where_it_says(passage: str) -> None:
    files = [path for shortened in list_files(passage) for path in find(shortened)]
    defined = {name for path in files or SOURCES for name in list_definitions(path)}
    assert set(list_names(passage)) | set(list_classes(passage)) <= defined


def test_the_page_names_the_places_that_a_reader_looks_for() -> None:
    table = PAGE.partition("## Where to look\n\n")[2].partition("\n\n")[0]
    rows = table.splitlines()[2:]
    assert len(rows) >= 4
    for row in rows:
        assert list_files(row), row
        assert list_names(row) or list_classes(row), row
