"""Many values in few calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: Bytes and values in one call; a single group of values may be larger.
BATCH_BYTES = 4 << 20
BATCH_VALUES = 20_000


def gather_batches(groups: Iterable[tuple[bytes, ...]]) -> Iterator[list[bytes]]:
    """Values of groups that stay together, as many as go into one call."""
    batch: list[bytes] = []
    size_bytes = 0
    for group in groups:
        group_bytes = sum(map(len, group))
        if batch and (size_bytes + group_bytes > BATCH_BYTES or len(batch) >= BATCH_VALUES):
            yield batch
            batch, size_bytes = [], 0
        batch += group
        size_bytes += group_bytes
    if batch:
        yield batch
