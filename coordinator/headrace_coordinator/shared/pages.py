"""Pages: as much of a list or dict as fits into one answer."""

from __future__ import annotations

from collections.abc import Iterable

from headrace_coordinator.shared.objects import Item

#: Items and bytes in one page. A single item may be larger.
PAGE_ITEMS = 5000
PAGE_BYTES = 4 << 20


def take_page(items: Iterable[Item]) -> list[Item]:
    """Return the first items, as many as fit into a page, and at least one if there is one."""
    page: list[Item] = []
    size_bytes = 0
    for item in items:
        size_bytes += item.size_bytes
        if page and (size_bytes > PAGE_BYTES or len(page) == PAGE_ITEMS):
            break
        page.append(item)
    return page
