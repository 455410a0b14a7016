"""Translates msgspec's messages about invalid values: which field is wrong, and what it may be.

For example, for a text that is too long, msgspec's message is "Expected `str` of length <= 200 - at
`$.text`", and people see "text must be up to 200 printable characters".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

from headrace_wire.bounds import KIND_WORDS, describe, is_record, quote, read_hints, split_hint

#: A message, and its position: "… - at `$.jobs[...].name`".
_WHOLE = re.compile(r"(?P<said>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?", re.DOTALL)
_PART = re.compile(r"\.(?P<name>[^.\[]+)|\[[^\]]*\]")

#: Names of types for people, by msgspec's names.
_WORDS = {
    "int": KIND_WORDS[int],
    "float": KIND_WORDS[float],
    "str": KIND_WORDS[str],
    "bytes": KIND_WORDS[bytes],
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}

#: The unit of a length that is too large or too small.
_UNITS = {"str": "characters", "bytes": "bytes"}

_MOST = {"<=": "{} at most", "<": "less than {}", ">=": "{} at least", ">": "more than {}"}


def explain_mismatch(error: Exception, kind: Any = None, whole: str = "it") -> str:
    """Describe what is wrong with a value that msgspec refused.

    ``kind`` is the expected type, if known, so that all allowed values can be described. ``whole``
    is the name of the value itself.
    """
    matched = _WHOLE.fullmatch(str(error))
    said, path = (matched["said"], matched["path"] or "") if matched else (str(error), "")
    name, hint = _follow(path, kind, whole)
    for pattern, explain in _RULES:
        if found := pattern.fullmatch(said):
            return explain(name, hint, *found.groups())
    return said if name == whole else f"{name}: {said}"


def _follow(path: str, hint: Any, name: str) -> tuple[str, Any]:
    """Return the name of a position, and its type, None if not known."""
    is_item = False
    for part in _PART.finditer(path):
        kind: Any = split_hint(hint)[0] if hint is not None else None
        is_item = part["name"] is None
        if part["name"]:
            name = part["name"]
            hint = read_hints(kind).get(name) if is_record(kind) else None
        else:
            arguments = get_args(kind)
            hint = arguments[0] if get_origin(kind) in (tuple, list) else None
    return (f"each of {name}" if is_item else name), hint


def _explain_missing(name: str, hint: Any, field: str) -> str:
    del name, hint
    return f"{field} is missing"


def _explain_unknown(name: str, hint: Any, field: str) -> str:
    del name
    kind = split_hint(hint)[0] if hint is not None else None
    if is_record(kind):
        known = ", ".join(read_hints(kind)) or "none"
        return f"there is no field {quote(field)}: there are {known}"
    return f"there is no field {quote(field)}"


def _explain_word(name: str, hint: Any, word: str) -> str:
    kind = split_hint(hint)[0] if hint is not None else None
    if get_origin(kind) is Literal:
        return f"{name} must be one of {', '.join(map(str, get_args(kind)))}, not {word}"
    return f"{name} may not be {word}"


def _explain_bounds(name: str, hint: Any, otherwise: str) -> str:
    kind, meta, _ = split_hint(hint) if hint is not None else (None, None, False)
    return f"{name} must be {describe(meta, kind)}" if meta else f"{name} {otherwise}"


def _explain_pattern(name: str, hint: Any, pattern: str) -> str:
    other = "other than letters, digits and _ . : + -"
    which = other if "A-Za-z0-9" in pattern else "that cannot be shown"
    return _explain_bounds(name, hint, f"has characters {which}")


def _explain_length(name: str, hint: Any, kind: str, sign: str, length: str) -> str:
    unit = _UNITS.get(kind, "entries")
    return _explain_bounds(name, hint, f"must have {_MOST[sign].format(f'{length} {unit}')}")


def _explain_range(name: str, hint: Any, kind: str, sign: str, bound: str) -> str:
    del kind
    return _explain_bounds(name, hint, f"must be {_MOST[sign].format(bound)}")


def _explain_type(name: str, hint: Any, wanted: str, found: str) -> str:
    del hint
    if (wanted, found) == ("int", "float"):
        return f"{name} must be a whole number, not one with a fraction"
    return f"{name} must be {_name_types(wanted)}, not {_name_types(found)}"


def _explain_size(name: str, hint: Any) -> str:
    return _explain_bounds(name, hint, "is too large a number")


def _explain_syntax(name: str, hint: Any, why: str) -> str:
    del hint
    return f"{name} is not JSON: {why}"


def _explain_end(name: str, hint: Any) -> str:
    del hint
    return f"{name} ends too early"


def _name_types(words: str) -> str:
    return " or ".join(_WORDS.get(word, word) for word in words.split(" | "))


#: Patterns of msgspec's messages, with the functions that translate them.
_RULES: tuple[tuple[re.Pattern[str], Callable[..., str]], ...] = (
    (re.compile(r"Object missing required field `(.*)`", re.DOTALL), _explain_missing),
    (re.compile(r"Object contains unknown field `(.*)`", re.DOTALL), _explain_unknown),
    (re.compile(r"Invalid enum value (.*)", re.DOTALL), _explain_word),
    (re.compile(r"Expected `str` matching regex (.*)", re.DOTALL), _explain_pattern),
    (re.compile(r"Expected `(.*?)` of length (<=|>=|<|>) (\d+)"), _explain_length),
    (re.compile(r"Expected `(.*?)` (<=|>=|<|>) (.*)"), _explain_range),
    (re.compile(r"Expected `(.*?)`, got `(.*)`"), _explain_type),
    (re.compile(r"(?:Number|Integer value) out of range"), _explain_size),
    (re.compile(r"JSON is malformed: (.*)"), _explain_syntax),
    (re.compile(r"Input data was truncated"), _explain_end),
)
