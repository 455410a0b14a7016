"""A batch: the inputs or values of a span of tasks in one bytes object.

It is a msgpack array with one ``bin`` for each task of the span, in index order. A batch is packed
once, where its items are made, and unpacked once, where they are used. In between it is passed on
unchanged, except if a span has to be divided.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import DecodeError
from msgspec.msgpack import Decoder, Encoder

from headrace_wire.bounds import MAX_BATCH_TASKS
from headrace_wire.errors import ProtocolError
from headrace_wire.refusal import count_entries

#: Items of this average size in bytes take less time to refer to than to copy.
LARGE_BYTES = 2048

_encode = Encoder().encode
_decode = Decoder(list[bytes]).decode
_decode_views = Decoder(list[memoryview]).decode


def pack_batch(items: Sequence[bytes]) -> bytes:
    """Join the items of a span."""
    return _encode(items)


def unpack_batch(batch: bytes) -> list[bytes]:
    """Split a batch into its items. Raises ValueError for anything that is not a batch."""
    return _decode(batch)


def count_batch(batch: bytes) -> int:
    """Return how many items a batch claims to have, from its header alone.

    Raises ValueError if it does not begin like a batch.
    """
    count = count_entries(batch)
    if count < 0:
        raise ValueError("not a batch: no msgpack array begins here")
    return count


def check_batch(batch: bytes) -> int:
    """Check the whole structure of a batch that came over the network, and return how many items it
    has.

    Raises ProtocolError for anything that is not a batch, or has more items than a batch may have.
    """
    count = count_entries(batch)
    if count > MAX_BATCH_TASKS:
        raise ProtocolError(f"a batch has at most {MAX_BATCH_TASKS} items, not {count}")
    decode = _decode_views if count * LARGE_BYTES < len(batch) else _decode
    try:
        decode(batch)
    except DecodeError as error:
        raise ProtocolError(f"not a batch: {error}") from None
    return count


def slice_batch(batch: bytes, start: int, stop: int) -> bytes:
    """Return items [start, stop) as a batch; the batch itself if these are all."""
    if start == 0 and stop == count_batch(batch):
        return batch
    return pack_batch(unpack_batch(batch)[start:stop])
