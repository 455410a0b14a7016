"""Regular expressions and internet addresses, which the standard library makes from text."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from headrace_services.calls.encoder import (
    FINDERS,
    TAKERS,
    Encoder,
    Taker,
    UntravelableError,
    by_items,
    make_taker,
)
from headrace_services.calls.marks import Mark, expect

if TYPE_CHECKING:
    from headrace_services.calls.building import Building

#: The maximum length of a pattern, because hostile ones take long to compile.
LONGEST_PATTERN = 10_000

#: How much work it may be to compile all patterns of a value, in characters. Those that take the
#: longest, such as sets of letters without case, take a tenth of a millisecond each.
MOST_COMPILED = 100_000

#: A set or range of characters that are not in Latin-1 may be as much work as this many characters.
_WIDE_CHARACTERS = 200

#: Finds characters that are not in Latin-1, or that may not be.
_WIDE = re.compile(r"[^\0-\xff]|\\[uUN]")

#: Flags that change the meaning of a pattern. DEBUG prints, and is left out.
_FLAGS = re.ASCII | re.IGNORECASE | re.LOCALE | re.MULTILINE | re.DOTALL | re.VERBOSE | re.UNICODE

#: The maximum length of an address, with a scope.
_LONGEST_ADDRESS = 200

_ADDRESSES = frozenset({
    "IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface",
})  # fmt: skip


def measure_work(text: str | bytes) -> int:
    """Return how much work it may be to compile a pattern, in characters."""
    if isinstance(text, bytes) or not _WIDE.search(text):
        return len(text)
    return len(text) + _WIDE_CHARACTERS * (text.count("[") + text.count("-"))


def _take_pattern(pattern: re.Pattern[Any], encoder: Encoder) -> list[Any]:
    if len(pattern.pattern) > LONGEST_PATTERN:
        raise UntravelableError(pattern, f"it is longer than {LONGEST_PATTERN:,} characters")
    encoder.compiled += measure_work(pattern.pattern)
    if encoder.compiled > MOST_COMPILED:
        raise UntravelableError(
            pattern, "compiling all patterns of the value would take too long: pass their text"
        )
    return [_PATTERN.sign, pattern.pattern, int(pattern.flags & _FLAGS)]


def _build_pattern(items: list[Any], building: Building) -> Any:
    text, flags = expect(items, (str, bytes), int)
    if len(text) > LONGEST_PATTERN or flags & ~_FLAGS:
        raise ValueError("this is no regular expression")
    building.check_compiled(measure_work(text), MOST_COMPILED)
    return building.classes.make_pattern(text, flags)


def _dump_address(address: Any) -> list[Any]:
    text = str(address)
    if len(text) > _LONGEST_ADDRESS:
        raise UntravelableError(address, "its scope is too long")
    return [type(address).__name__, text]


def _load_address(items: list[Any]) -> Any:
    import ipaddress  # noqa: PLC0415 - few values have one

    name, text = expect(items, str, str)
    if name not in _ADDRESSES or len(text) > _LONGEST_ADDRESS:
        raise ValueError("this is no address")
    return getattr(ipaddress, name)(text)


def _find_address(kind: type) -> Taker | None:
    module = sys.modules.get("ipaddress")
    known = module is not None and kind.__name__ in _ADDRESSES
    return _take_address if known and getattr(module, kind.__name__) is kind else None


_PATTERN = Mark(26, _build_pattern)
TAKERS[re.Pattern] = _take_pattern
_take_address = make_taker(27, _dump_address, by_items(_load_address))
FINDERS.append(_find_address)
