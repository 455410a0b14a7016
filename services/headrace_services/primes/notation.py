"""How people write whole numbers: ``1000``, ``1_000``, ``1.5e3``, ``10**3``, ``1e15+1e6``."""

from __future__ import annotations

import re

from headrace_services.gmp import from_decimal, to_decimal

#: How many bits a range's bound has: text for numbers beyond 2^64 is refused.
MAX_BOUND_BITS = 64
#: How many bits a number to be tested has: up to 2^4000000, about 1.2 million decimal digits.
MAX_CANDIDATE_BITS = 4_000_000

#: How many bits a decimal digit represents: log2(10), rounded down.
_BITS_PER_DIGIT = 3.3219
#: The maximum number of digits of an exponent. Longer ones exceed all limits here.
_MAX_EXPONENT_DIGITS = 9
#: How many characters of a number a message shows.
_SHOWN_CHARACTERS = 40

#: A term of a sum.
_TERM = re.compile(
    r"(?P<sign>[+-]?)"
    r"(?P<whole>[0-9]+(?:_[0-9]+)*)"
    r"(?:\.(?P<fraction>[0-9]*))?"
    r"(?:[eE](?P<exponent>[+-]?[0-9]+)|(?:\*\*|\^)(?P<power>[0-9]+))?"
)


class NumberTooLargeError(ValueError):
    """A number is larger than was asked for, whatever it is."""


def parse_number(text: str, max_bits: int = MAX_BOUND_BITS) -> int:
    """Return the whole number for a text. Numbers far above 2^max_bits are not even computed.

    Accepts digits with or without ``_`` between them, ``1e9`` and ``1.5e9`` if they are whole,
    powers such as ``10**9`` or ``2^64``, and sums and differences of such numbers that begin with
    one of the last three forms.

    Raises ValueError with one line that quotes the text, and NumberTooLargeError if the number is
    too large.
    """
    terms = _split(text.strip())
    if not terms:
        raise ValueError(
            f"{_quote(text)} is not a whole number: write it like 1000000, 1_000_000, 1e6, 10**6 "
            "or 2^20"
        )
    try:
        value = sum(_compute(term, max_bits) for term in terms)
    except OverflowError:
        value = 2 ** (max_bits + 2)
    except ArithmeticError:
        raise ValueError(f"{_quote(text)} is not a whole number: it has a fraction") from None
    if value.bit_length() > max_bits + 1:
        raise NumberTooLargeError(
            f"{_quote(text)} is too large: numbers here go up to 2^{max_bits}"
        )
    return value


def _split(text: str) -> list[re.Match[str]]:
    """Return the terms of a sum; an empty list if the text is not a sum."""
    terms: list[re.Match[str]] = []
    place = 0
    while place < len(text):
        term = _TERM.match(text, place)
        # Digits minus other digits are more likely to be a range or a date.
        plain = terms and not (terms[0]["exponent"] or terms[0]["power"])
        if (
            term is None
            or (term["power"] and term["fraction"] is not None)
            or (terms and (plain or not term["sign"]))
        ):
            return []
        terms.append(term)
        place = term.end()
    return terms


def _compute(term: re.Match[str], max_bits: int) -> int:
    """Return the value of a term. Raises the same errors as ``_raise`` and ``_shift``."""
    if term["power"]:
        value = _raise(term["whole"], term["power"], max_bits)
    else:
        value = _shift(term["whole"], term["fraction"], term["exponent"], max_bits)
    return -value if term["sign"] == "-" else value


def _raise(base_text: str, power_text: str, max_bits: int) -> int:
    """Return the power of a base. If it is far above 2^max_bits, this only raises OverflowError."""
    base = _shift(base_text, None, None, max_bits)
    power_text = power_text.lstrip("0") or "0"
    if base > 1 and (
        len(power_text) > _MAX_EXPONENT_DIGITS
        or (base.bit_length() - 1) * int(power_text) > max_bits
    ):
        raise OverflowError
    # 0 and 1 are equal to all of their powers with an exponent above 0.
    return int(base ** (int(power_text) if base > 1 else int(power_text != "0")))


def _shift(whole: str, fraction: str | None, exponent: str | None, max_bits: int) -> int:
    """Return the value of ``whole.fraction`` times a power of ten.

    Raises OverflowError, without computing it, if it is far above 2^max_bits, and ArithmeticError
    if it is not whole.
    """
    fraction = (fraction or "").rstrip("0")
    digits = (whole.replace("_", "") + fraction).lstrip("0")
    if not digits:
        return 0
    exponent = exponent or "0"
    size = exponent.lstrip("+-").lstrip("0") or "0"
    if len(size) > _MAX_EXPONENT_DIGITS:
        raise ArithmeticError if exponent[0] == "-" else OverflowError
    shift = (-int(size) if exponent[0] == "-" else int(size)) - len(fraction)
    if (len(digits) - 1 + shift) * _BITS_PER_DIGIT > max_bits:
        raise OverflowError
    mantissa = from_decimal(digits)
    if shift >= 0:
        return int(mantissa * 10**shift)
    # No number is divisible by a larger power of ten than it has digits.
    value, rest = divmod(mantissa, int(10 ** min(-shift, len(digits))))
    if rest:
        raise ArithmeticError
    return value


def show_number(number: int) -> str:
    """Return decimal text for a message: of a long number, its beginning and the digit count."""
    digits = to_decimal(number)
    if len(digits) <= _SHOWN_CHARACTERS:
        return digits
    return f"{digits[:20]}... ({len(digits.lstrip('-')):,} digits)"


def _quote(text: str) -> str:
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return repr(shown)
