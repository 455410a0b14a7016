"""Pages: as much of a list or dict as goes into one answer."""

from __future__ import annotations

from collections.abc import Iterable

from headrace_coordinator.shared.ground import Item

#: Items and bytes in one page; a single item may be larger.
PAGE_ITEMS = 5000
PAGE_BYTES = 4 << 20


def take_page(items: Iterable[Item]) -> list[Item]:
    """The first items, as many as go into a page; one at least, if there is one."""
    page: list[Item] = []
    size_bytes = 0
    for item in items:
        size_bytes += item.size_bytes
        if page and (size_bytes > PAGE_BYTES or len(page) == PAGE_ITEMS):
            break
        page.append(item)
    return page
