"""docs/api.md is what signatures and docstrings say, and each public thing has both."""

from __future__ import annotations

import inspect
import pydoc

import pytest

import headrace
from support.api_page import PAGE, list_errors, list_members, list_public, make_page

PUBLIC = [pytest.param(thing, id=thing.__name__) for thing in list_public()]


def test_the_page_is_that_of_the_docstrings() -> None:
    assert PAGE.read_text() == make_page(), "run: make api"


def test_all_that_can_be_imported_is_on_the_page() -> None:
    text = PAGE.read_text()
    assert [name for name in headrace.__all__ if name not in text] == ["__version__"]


@pytest.mark.parametrize("thing", PUBLIC)
def test_whatever_is_public_is_described(thing: type) -> None:
    assert inspect.getdoc(thing)
    undescribed = [name for name, member in list_members(thing) if not inspect.getdoc(member)]
    assert not undescribed


@pytest.mark.parametrize("thing", [*PUBLIC, *list_errors()])
def test_help_shows_a_signature(thing: type) -> None:
    head = pydoc.plain(pydoc.render_doc(thing)).splitlines()[2]
    assert "(...)" not in head
    assert "*args" not in head
