"""Functions over a large table."""

from __future__ import annotations

TABLE: dict[str, bytes] = {}


def init(table: bytes) -> None:
    TABLE["t"] = table


def use(index: int) -> int:
    return TABLE["t"][index]


def look(table: bytes, index: int) -> int:
    return table[index]
