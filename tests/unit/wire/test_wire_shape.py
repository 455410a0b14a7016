"""What a released version sends is understood by the next one, and the other way round."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.wire_shape import PATH, read_shape

RELEASED: dict[str, Any] = json.loads(PATH.read_text())
PRESENT = read_shape()

ADVICE = (
    "coordinators and workers of the version before would misread it: add fields at the end, with "
    "defaults (CONTRIBUTING.md, Versions)"
)


def only_adds(present: Any, released: Any) -> bool:
    """Whether a type takes all that it took: there may be more words of which a field has one."""
    if not isinstance(released, dict) or not isinstance(present, dict):
        return bool(present == released)
    ((kind, parts),) = released.items()
    if kind not in present:
        return False
    if kind == "words":
        return set(parts) <= set(present[kind])
    if kind == "optional":
        return only_adds(present[kind], parts)
    return all(map(only_adds, present[kind], parts))


def test_the_protocol_is_the_same_from_one_minor_version_to_the_next() -> None:
    assert PRESENT["protocol"] == RELEASED["protocol"]


@pytest.mark.parametrize("part", ["messages", "methods"])
def test_fields_are_added_at_the_end_with_defaults(part: str) -> None:
    for name, released in RELEASED[part].items():
        assert name in PRESENT[part], f"{name} is gone: {ADVICE}"
        present = PRESENT[part][name]
        fields = list(present["fields"].items())
        for place, (field, kind) in enumerate(released["fields"].items()):
            assert fields[place][0] == field, f"{name}.{field} has another place: {ADVICE}"
            assert only_adds(fields[place][1], kind), f"{name}.{field} is of another type: {ADVICE}"
        assert present["required"] <= released["required"], f"{name} wants more: {ADVICE}"
        assert only_adds(present.get("answer"), released.get("answer")), f"{name}: {ADVICE}"
