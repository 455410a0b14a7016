"""What crosses the wire, as a released version had it: fields, arguments and words.

    python -m support.wire_shape        writes tests/data/wire_shape.json: `make wire-shape`

It is written again when a version is released, and not before: a later minor version may only add.
"""

from __future__ import annotations

import json
import typing
from typing import Any, Literal

from headrace_wire.api import APIS
from headrace_wire.bounds import read_hints, split_hint
from headrace_wire.signature import read_signatures
from headrace_wire.version import PROTOCOL, VERSION
from support.places import REPOSITORY
from support.wire_messages import MESSAGES

PATH = REPOSITORY / "tests" / "data" / "wire_shape.json"


def read_shape() -> dict[str, Any]:
    """The protocol, each message's fields in their order, and each method's arguments.

    Fields have a name and a type; those from ``required`` on have defaults.
    """
    methods = {
        f"{api}.{name}": {
            **_describe(signature.arguments),
            "answer": _describe(signature.answer)["fields"]["value"],
        }
        for api, kind in APIS.items()
        for name, signature in read_signatures(kind).items()
    }
    return {
        "version": VERSION,
        "protocol": PROTOCOL,
        "messages": {kind.__name__: _describe(kind) for kind in MESSAGES},
        "methods": methods,
    }


def _describe(kind: Any) -> dict[str, Any]:
    hints = read_hints(kind)
    return {
        "fields": {name: _write(hint) for name, hint in hints.items()},
        "required": len(hints) - len(kind.__struct_defaults__),
    }


def _write(hint: Any) -> Any:
    """A type without its bounds; of several words those that there are."""
    kind, _, is_optional = split_hint(hint)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        written: Any = {"words": list(arguments)}
    elif origin in (tuple, dict):
        parts = [_write(one) for one in arguments if one is not Ellipsis]
        written = {origin.__name__: parts}
    else:
        written = getattr(kind, "__name__", str(kind))
    return {"optional": written} if is_optional else written


if __name__ == "__main__":
    PATH.write_text(json.dumps(read_shape(), indent=1) + "\n")
