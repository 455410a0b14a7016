"""Combines many items into few calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from headrace.call_size import CallSize

#: The maximum of bytes and items in one call to the coordinator, and that of bytes if it is far
#: away. A single group may be larger.
PUT_BYTES, PUT_TASKS = 1 << 20, 1000
FAR_PUT_BYTES = 16 << 20
SHARED_BYTES, SHARED_VALUES = 4 << 20, 20_000


def gather_inputs(inputs: Iterable[bytes], call_size: CallSize) -> Iterator[list[bytes]]:
    """Yield lists of task inputs, each as large as one call can be at that moment."""
    return gather(((one,) for one in inputs), lambda: call_size.size_bytes, PUT_TASKS)


def gather_values(groups: Iterable[tuple[bytes, ...]]) -> Iterator[list[bytes]]:
    """Yield lists of values of shared objects for one call each. Groups are kept together."""
    return gather(groups, lambda: SHARED_BYTES, SHARED_VALUES)


def gather(
    groups: Iterable[tuple[bytes, ...]], max_bytes: Callable[[], int], most: int
) -> Iterator[list[bytes]]:
    """Yield the items of groups in lists of limited bytes and length. Groups are kept together."""
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
