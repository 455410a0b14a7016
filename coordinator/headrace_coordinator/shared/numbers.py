"""Adding to a number in place: the only case in which the coordinator decodes a shared value."""

from __future__ import annotations

from contextlib import suppress

from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import UsageError

#: Bytes of the longest number that msgpack has.
NUMBER_BYTES = 9


def add_numbers(stored: bytes, amount: bytes, name: str) -> bytes:
    """Return the sum of two packed numbers, packed. Raises UsageError for anything else."""
    total = _read_number(stored, name) + _read_number(amount, name)
    try:
        return pack(total)
    except OverflowError:
        raise UsageError(
            f"{name!r} would grow beyond the 64 bits that the coordinator can add to: use a float, "
            "or a lock around reading and writing"
        ) from None


def _read_number(packed: bytes, name: str) -> int | float:
    found: object = None
    if 0 < len(packed) <= NUMBER_BYTES:
        with suppress(ValueError):
            found = unpack(packed)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise UsageError(f"{name!r}: only an int of up to 64 bits or a float can be added to")
    return found
