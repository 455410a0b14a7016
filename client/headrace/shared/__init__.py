"""Shared state for programs and tasks: values, lists, dicts, locks, events and queues with names.

    Cluster.value("hits") ─► SharedValue ─► SharedSession ─► coordinator
    current_cluster() ─► the same, inside a task

The methods are those of ``headrace.async_shared``, which block here; see ``headrace.blocking``.
Values are encoded like the arguments of calls (``headrace_services.calls``), but never pickled.
"""

from __future__ import annotations

from headrace.async_shared.sealing import ABSENT
from headrace.shared.dicts import SharedDict
from headrace.shared.events import SharedEvent
from headrace.shared.lists import SharedList
from headrace.shared.locks import SharedLock
from headrace.shared.queues import SharedQueue
from headrace.shared.values import SharedValue

__all__ = [
    "ABSENT",
    "SharedDict",
    "SharedEvent",
    "SharedList",
    "SharedLock",
    "SharedQueue",
    "SharedValue",
]
