"""What all handles of shared objects have in common."""

from __future__ import annotations

import contextlib
import operator
import re
from typing import Any, ClassVar

from headrace.shared.connection import open_task_connection
from headrace.shared.session import SharedSession
from headrace_services.calls import open_result
from headrace_services.calls.values import pack_value
from headrace_wire.encoding import pack
from headrace_wire.errors import UnknownSharedError
from headrace_wire.shared import SharedAnswer, SharedSpec
from headrace_wire.timeouts import Limit

#: What calls can be advised to do with a value that does not travel otherwise.
PICKLING = re.compile(r"(;|, or)( use)? serializer='cloudpickle'")

#: What can be shared.
KEPT = (
    "numbers, text, bytes, None, dates, NumPy arrays, dataclasses of modules that all can import, "
    "and lists, tuples, dicts and sets of these"
)


#: What a shared object of each kind is opened with.
_HANDLES: dict[str, type[SharedHandle]] = {}


class SharedHandle:
    """A shared object of one cluster. There may be many handles of one object, anywhere.

    Pickled into a task, a handle opens the object of its name on the cluster that runs the task.
    """

    kind: ClassVar[str]

    def __init__(
        self, session: SharedSession, name: str, *, initial: bytes = b"", maxsize: int = 0
    ) -> None:
        self.name = check_name(name)
        self._session = session
        session.open(SharedSpec(name, self.kind, initial, maxsize))

    def __init_subclass__(cls) -> None:
        _HANDLES.setdefault(cls.kind, cls)  # a program's own subclass comes later

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_current, (self.kind, self.name)

    def delete(self) -> None:
        """Forget the object, for everybody; it may be gone already."""
        with contextlib.suppress(UnknownSharedError):
            self._change("delete")

    def _read(
        self,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> SharedAnswer:
        return self._session.read(
            self.name, self.kind, operation, *values, numbers=numbers, limit=limit
        )

    def _change(
        self,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> SharedAnswer:
        return self._session.change(
            self.name, self.kind, operation, *values, numbers=numbers, limit=limit
        )


def check_name(name: object) -> str:
    """The name of a shared object. Raises TypeError for what is no text."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a shared object is a str, not {type(name).__name__} {name!r}")
    return name


def seal(value: object, label: str = "the value") -> bytes:
    """Encode a value. Raises TypeError for what cannot travel, and ValueError."""
    try:
        return pack_value(value, label)
    except (TypeError, ValueError) as error:
        said, advised = PICKLING.subn("", str(error))
        if not advised:
            raise
        # There is no pickling here: what else there is to say of it stays.
        raise type(error)(f"{said}; shared state keeps {KEPT}") from None


def open_sealed(value: bytes) -> Any:
    """Decode a value. Raises ValueError, as for a class that is not imported here."""
    return open_result("msgpack", value)


def seal_number(number: object) -> bytes:
    """Encode a number that is to be added. Raises TypeError for what is none, OverflowError."""
    added = number
    if not isinstance(number, bool | float):
        with contextlib.suppress(TypeError):  # an integer of NumPy's, say
            added = operator.index(number)  # type: ignore[arg-type] # that is what is tried
    if isinstance(added, bool) or not isinstance(added, int | float):
        raise TypeError(f"{number!r} cannot be added: it is no int or float")
    return pack(float(added) if isinstance(added, float) else added)


def _open_current(kind: str, name: str) -> SharedHandle:
    return _HANDLES[kind](open_task_connection().open_session(), name)
