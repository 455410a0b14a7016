"""Many things in few calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from headrace.reach import Reach

#: Bytes and things in one call on its way to the coordinator, and bytes at most where it is far
#: away; a single group may be larger.
PUT_BYTES, PUT_TASKS = 1 << 20, 1000
FAR_PUT_BYTES = 16 << 20
SHARED_BYTES, SHARED_VALUES = 4 << 20, 20_000


def gather_inputs(inputs: Iterable[bytes], reach: Reach) -> Iterator[list[bytes]]:
    """Inputs of tasks, as many as go into one call just then."""
    return gather(((one,) for one in inputs), lambda: reach.size_bytes, PUT_TASKS)


def gather_values(groups: Iterable[tuple[bytes, ...]]) -> Iterator[list[bytes]]:
    """Values of shared objects in groups that stay together, as many as go into one call."""
    return gather(groups, lambda: SHARED_BYTES, SHARED_VALUES)


def gather(
    groups: Iterable[tuple[bytes, ...]], max_bytes: Callable[[], int], most: int
) -> Iterator[list[bytes]]:
    """What is in groups that stay together, in lists of about so many bytes and so long."""
    batch: list[bytes] = []
    size_bytes = 0
    for group in groups:
        group_bytes = sum(map(len, group))
        if batch and (size_bytes + group_bytes > max_bytes() or len(batch) >= most):
            yield batch
            batch, size_bytes = [], 0
        batch += group
        size_bytes += group_bytes
    if batch:
        yield batch
