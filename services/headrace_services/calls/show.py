"""Shows calls to people: ``simulate(3, 'x')``, with long values shortened."""

from __future__ import annotations

import reprlib
from typing import Any, cast

from headrace_services.calls.outline import OUTLINES, FrameOutline, Outline
from headrace_services.calls.transport import open_call, open_value
from headrace_services.service import Parameters
from headrace_wire.encoding import unpack

#: Integers of more bits are shown by their size: Python refuses to write very long ones.
_SHOWN_BITS = 256


class _ShortRepr(reprlib.Repr):
    """Representations of values that were decoded in outline."""

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > _SHOWN_BITS:
            return f"<integer of {x.bit_length():,} bits>"
        return super().repr_int(x, level)

    def repr_ndarray(self, x: Any, level: int) -> str:
        del level
        return f"<array {x.dtype} {'x'.join(map(str, x.shape)) or 'of one item'}>"

    def repr_bytes(self, x: bytes, level: int) -> str:
        return self.repr_str(cast("str", x), level)

    def repr_FrameOutline(self, x: FrameOutline, level: int) -> str:  # noqa: N802 - as below
        del level
        return f"<{x.kind}>"

    def repr_Outline(self, x: Outline, level: int) -> str:  # noqa: N802 - reprlib looks for this name
        if x.member is not None:
            return f"{x.kind}.{x.member}" if isinstance(x.member, str) else f"{x.kind}({x.member})"
        if level <= 0:
            return f"{x.kind}(...)"
        items = [self.repr1(item, level - 1) for item in x.items[: self.maxtuple]]
        named = [
            f"{name}={self.repr1(item, level - 1)}"
            for name, item in list(x.parts.items())[: self.maxdict]
        ]
        more = ["..."] if len(x.items) > self.maxtuple or len(x.parts) > self.maxdict else []
        return f"{x.kind}({', '.join([*items, *named, *more])})"


_SHORT = _ShortRepr()


def show_value(value: Any) -> str:
    """Return a short representation of a value that was decoded in outline."""
    return _SHORT.repr(value)


def show_call(operation: str, parameters: Parameters, task_input: bytes | None) -> str:
    """Return a call as its function and arguments, as far as they can be read.

    Pickled values are not unpickled, because this may run anywhere.
    """
    label = str(parameters.get("label") or "call")
    if operation == "call" and task_input is not None:
        _, task_input, label = unpack(task_input)
    if parameters.get("serializer") != "msgpack" or task_input is None:
        return f"{label}(…)"
    if operation in ("apply", "call"):
        args, kwds = open_call("msgpack", task_input, OUTLINES)
    else:
        argument = open_value("msgpack", task_input, OUTLINES)
        args, kwds = (tuple(argument) if operation == "starmap" else (argument,)), {}
    shown = [show_value(value) for value in args]
    shown += [f"{name}={show_value(value)}" for name, value in kwds.items()]
    return f"{label}({', '.join(shown)})"
