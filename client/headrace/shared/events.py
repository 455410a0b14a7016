"""An event that tasks and programs share."""

from __future__ import annotations

from headrace.async_shared.primitives import AsyncEvent
from headrace.blocking import blocking
from headrace.shared.handle import SharedHandle
from headrace_wire.messages.shared import EVENT


class SharedEvent(SharedHandle):
    """An event with a name; see ``threading.Event``."""

    kind = EVENT

    is_set = blocking(AsyncEvent.is_set)
    set = blocking(AsyncEvent.set)
    clear = blocking(AsyncEvent.clear)
    wait = blocking(AsyncEvent.wait)
