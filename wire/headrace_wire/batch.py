"""A batch: the inputs or values of a run of tasks in one bytes object.

Layout: a msgpack array with one ``bin`` for each task of the run, in index order. A batch is packed
once, where its items are made, and opened once, where they are used; between the two it is passed
on as it is, except where a run has to be cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgpack

from headrace_wire.bounds import MAX_BATCH_TASKS
from headrace_wire.parts import join, pack_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

# msgpack's functions carry no types.
_msgpack: Any = cast("Any", msgpack)

_FIXARRAY, _ARRAY16, _ARRAY32 = 0x90, 0xDC, 0xDD

#: What is said of an array of other things.
NOT_A_BATCH = "not a batch: an array of byte strings was expected"

#: Items that are looked at one by one: few of them, and such as are so large on average.
FEW_ITEMS = 16
LARGE_BYTES = 4096

_BIN8, _BIN16, _BIN32 = 0xC4, 0xC5, 0xC6


def pack_batch(items: Sequence[bytes]) -> bytes:
    """Join the items of a run."""
    return join(pack_parts(items))


def unpack_batch(batch: bytes) -> list[bytes]:
    """Split a batch into its items. Raises ValueError for anything that is not a batch."""
    # No map belongs in a batch, and one with a list as its key would be a TypeError.
    items: object = _msgpack.unpackb(batch, max_map_len=0)
    if isinstance(items, list):
        found = cast("list[object]", items)
        if all(isinstance(item, bytes) for item in found):
            return cast("list[bytes]", found)
    raise ValueError(NOT_A_BATCH)


def count_batch(batch: bytes) -> int:
    """Read how many items a batch claims to hold, from its header alone.

    Raises ValueError for what does not begin as a batch.
    """
    head = batch[:5]
    if head and head[0] & 0xF0 == _FIXARRAY:
        return head[0] & 0x0F
    if len(head) >= 3 and head[0] == _ARRAY16:
        return int.from_bytes(head[1:3])
    if len(head) == 5 and head[0] == _ARRAY32:
        return int.from_bytes(head[1:5])
    raise ValueError("not a batch: no msgpack array begins here")


def check_batch(batch: bytes) -> int:
    """Count the items of a batch that came from elsewhere, having looked at all of its structure.

    Raises ValueError for anything that is not a batch, or has more items than a batch may have.
    """
    count, size = count_batch(batch), len(batch)
    if count > MAX_BATCH_TASKS:
        raise ValueError(f"a batch has at most {MAX_BATCH_TASKS} items, not {count}")
    if count * 2 > size:  # before anything is made that is as long as the header says
        raise ValueError(f"not a batch: {count} items do not fit into {size} bytes")
    if count <= FEW_ITEMS or count * LARGE_BYTES < size:
        _walk(batch, count)
        return count
    # msgpack makes copies of many small items more quickly than Python looks at them.
    try:
        items: object = _msgpack.unpackb(
            batch, max_array_len=count, max_map_len=0, max_str_len=0, max_ext_len=0
        )
    except ValueError as error:
        raise ValueError(f"{NOT_A_BATCH} ({error})") from None
    if set(map(type, cast("list[object]", items))) != {bytes}:
        raise ValueError(NOT_A_BATCH)
    return count


def _walk(batch: bytes, count: int) -> None:
    """Look at the headers of a batch's items, without making the items."""
    size = len(batch)
    at = 1 if batch[0] & 0xF0 == _FIXARRAY else 3 if batch[0] == _ARRAY16 else 5
    try:
        for _ in range(count):
            head = batch[at]
            if head == _BIN8:
                at += 2 + batch[at + 1]
            elif head == _BIN16:
                at += 3 + (batch[at + 1] << 8 | batch[at + 2])
            elif head == _BIN32:
                at += 5 + int.from_bytes(batch[at + 1 : at + 5])
            else:
                raise ValueError(NOT_A_BATCH)
    except IndexError:
        at = size + 1
    if at != size:
        cut = "ends before its last item does" if at > size else "goes on behind its last item"
        raise ValueError(f"not a batch: it {cut}")


def slice_batch(batch: bytes, start: int, stop: int) -> bytes:
    """Cut out items [start, stop); the batch itself where that is all of it."""
    if start == 0 and stop == count_batch(batch):
        return batch
    return pack_batch(unpack_batch(batch)[start:stop])
