"""How people write whole numbers: ``1000``, ``1_000``, ``1.5e3``, ``10**3``, ``2^64-59``."""

from __future__ import annotations

import re

from headrace_services.primes.gmp import from_decimal, to_decimal

#: Bits of a range's bound: such text is refused beyond 2^64.
MAX_BOUND_BITS = 64
#: Bits of a number to be tested: up to 2^4000000, about 1.2 million decimal digits.
MAX_CANDIDATE_BITS = 4_000_000

#: Bits that a decimal digit carries: log2(10), rounded down.
_BITS_PER_DIGIT = 3.3219
#: Digits of an exponent, at most; what has more is beyond any limit here.
_MAX_EXPONENT_DIGITS = 9
#: Characters of a number that a message shows.
_SHOWN_CHARACTERS = 40

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)"
    r"(?P<whole>[0-9]+(?:_[0-9]+)*)"
    r"(?:\.(?P<fraction>[0-9]*))?"
    r"(?:[eE](?P<exponent>[+-]?[0-9]+)|(?:\*\*|\^)(?P<power>[0-9]+))?"
    r"(?P<tail>[+-][0-9]+)?"
)


def parse_number(text: str, max_bits: int = MAX_BOUND_BITS) -> int:
    """Whole number that the text stands for; one far above 2^max_bits is never computed.

    Takes digits with or without ``_`` between them, ``1e9`` and ``1.5e9`` where they are whole,
    powers as ``10**9`` or ``2^64``, and any of the last three with a number added or taken off.

    Raises ValueError with one line that quotes the text.
    """
    match = _NUMBER.fullmatch(text.strip())
    if (
        match is None
        or (match["tail"] and not (match["exponent"] or match["power"]))
        or (match["power"] and match["fraction"] is not None)
    ):
        raise ValueError(
            f"{_quote(text)} is not a whole number: write it like 1000000, 1_000_000, 1e6, 10**6 "
            "or 2^20"
        )
    fraction = (match["fraction"] or "").rstrip("0")
    digits = (match["whole"].replace("_", "") + fraction).lstrip("0")
    exponent, power = match["exponent"] or "0", (match["power"] or "1").lstrip("0") or "0"
    if max(len(exponent.lstrip("+-0")), len(power)) > _MAX_EXPONENT_DIGITS:
        raise ValueError(_refuse_too_large(text, max_bits))
    shift = int(exponent) - len(fraction)
    magnitude_bits = max((len(digits) - 1 + shift) * _BITS_PER_DIGIT if digits else 0, 0)
    if (
        magnitude_bits * int(power) > max_bits
        or len(match["tail"] or "") * _BITS_PER_DIGIT > max_bits + 8
    ):
        raise ValueError(_refuse_too_large(text, max_bits))
    mantissa = from_decimal(digits or "0")
    if mantissa > 1 and (mantissa.bit_length() - 1) * int(power) > max_bits and shift >= 0:
        raise ValueError(_refuse_too_large(text, max_bits))
    # No mantissa is divisible by a larger power of ten than it has digits.
    value, rest = divmod(
        mantissa ** int(power) * 10 ** max(shift, 0), 10 ** min(max(-shift, 0), len(digits) + 1)
    )
    if rest:
        raise ValueError(f"{_quote(text)} is not a whole number: it has a fraction")
    value = -value if match["sign"] == "-" else value
    tail = match["tail"] or "+0"
    value += -from_decimal(tail[1:]) if tail[0] == "-" else from_decimal(tail[1:])
    if value.bit_length() > max_bits + 1:
        raise ValueError(_refuse_too_large(text, max_bits))
    return value


def show_number(number: int) -> str:
    """Decimal text for a message: whole when short, else its head and how many digits it has."""
    digits = to_decimal(number)
    if len(digits) <= _SHOWN_CHARACTERS:
        return digits
    return f"{digits[:20]}... ({len(digits.lstrip('-')):,} digits)"


def _refuse_too_large(text: str, max_bits: int) -> str:
    return f"{_quote(text)} is too large: numbers here go up to 2^{max_bits}"


def _quote(text: str) -> str:
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return repr(shown)
