"""Links between the pages lead to files and headings that exist."""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path

import pytest

from support.places import REPOSITORY

PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]


@functools.cache
def _list_anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings)


def _find_broken_link(page: Path, link: str) -> str | None:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists():
        return f"{link}: there is no such file"
    if anchor and anchor not in _list_anchors(target):
        return f"{link}: there is no such heading"
    return None


def test_there_are_pages() -> None:
    assert REPOSITORY / "README.md" in PAGES
    assert "keys-and-roles" in _list_anchors(REPOSITORY / "docs" / "operations.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text())
    broken = [said for link in links if (said := _find_broken_link(page, link))]
    assert not broken


def test_pages_and_headings_that_code_names_exist() -> None:
    listed = subprocess.run(
        ["git", "grep", "-hoP", r"docs/[a-z/_]+\.md(#(?!https:)[a-z0-9-]+)?", "--", ":!*.md"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    named = sorted(set(listed.stdout.split()))
    broken = [said for link in named if (said := _find_broken_link(REPOSITORY / "x", link))]
    assert named
    assert not broken
