"""Shared state for programs and tasks: values, lists, dicts, locks, events and queues by name.

    Cluster.value("hits") ─► SharedValue ─► SharedSession ─► coordinator
    current_cluster() ─► the same, inside a task

Values travel as arguments of calls do (``headrace_services.calls``), never pickled.
"""

from __future__ import annotations

from headrace.shared.dicts import ABSENT, SharedDict
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
