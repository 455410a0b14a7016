"""A value that tasks and programs share."""

from __future__ import annotations

from typing import Any

from headrace.async_shared.primitives import AsyncValue
from headrace.async_shared.sealing import seal
from headrace.blocking import blocking
from headrace.shared.handle import SharedHandle
from headrace.shared.session import SharedSession
from headrace_wire.messages.shared import VALUE


class SharedValue(SharedHandle):
    """One value with a name. Each method is atomic; ``get`` and then ``set`` is not."""

    kind = VALUE

    def __init__(self, session: SharedSession, name: str, initial: Any = 0) -> None:
        super().__init__(session, name, initial=seal(initial))

    get = blocking(AsyncValue.get)
    set = blocking(AsyncValue.set)
    add = blocking(AsyncValue.add)
    compare_and_set = blocking(AsyncValue.compare_and_set)
