"""Numbers of things, and names with their article, in words."""

from __future__ import annotations

import pytest

from headrace_wire.words import add_article, count


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 batches"), (1, "1 batch"), (2, "2 batches"), (1000, "1,000 batches")],
)
def test_one_is_singular_and_all_else_is_plural(number: int, words: str) -> None:
    assert count(number, "batch", "batches") == words


def test_most_plurals_take_an_s() -> None:
    assert [count(1, "task"), count(2, "task")] == ["1 task", "2 tasks"]


@pytest.mark.parametrize(
    "name", ["an ellipsis", "an Event", "a lock", "a UserDict", "a _thread.lock"]
)
def test_the_article_goes_with_the_first_letter(name: str) -> None:
    assert add_article(name.partition(" ")[2]) == name
