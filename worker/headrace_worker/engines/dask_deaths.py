"""Has Dask's scheduler tell at once of a task with which its process died, and of that one alone.

    count_deaths ─► a plugin of the scheduler: of the spans that a process has, marks the first

By itself a scheduler runs such a task again in other processes, three times unless it is set up
otherwise, and blames all tasks that the process had, those too that only waited there. Here a death
is one attempt of the task that ran: it is told with the first process that dies, and what waited
goes on elsewhere without anybody hearing of it. Other people's tasks are left alone.
"""

# Dask is an extra, and has no types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin


async def count_deaths(client: Any, prefix: str) -> None:
    """Have the scheduler of a client do so for tasks whose keys begin with ``prefix``.

    It lasts until that client leaves. Raises whatever the scheduler has against it.
    """
    await client.register_plugin(_Deaths(client.id, prefix), name=prefix)


def _define_plugin() -> Any:
    """Make a class that travels by value: the scheduler need not have headrace."""

    class HeadraceDeaths(SchedulerPlugin):  # type: ignore[misc]  # Dask has no types
        """A scheduler counts the deaths of a task's processes in ``suspicious``, and gives the task
        up when there are more than it allows.
        """

        def __init__(self, client: str, prefix: str) -> None:
            self.client = client
            self.prefix = prefix
            self.scheduler: Any = None
            #: Where each of our tasks is.
            self.places: dict[str, str] = {}

        async def start(self, scheduler: Any) -> None:
            self.scheduler = scheduler

        def remove_client(self, scheduler: Any, client: str) -> None:
            if client == self.client:
                scheduler.remove_plugin(self.prefix)

        def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
            if not isinstance(key, str) or not key.startswith(self.prefix):
                return
            before = self.places.pop(key, "") if start == "processing" else ""
            if finish == "processing":
                task = self.scheduler.tasks[key]
                task.suspicious = -(10**9)  # it waits, so no death is its own
                before = self.places[key] = task.processing_on.address
            place = self.scheduler.workers.get(before)
            if place is not None:
                self.mark_first(place)

        def mark_first(self, place: Any) -> None:
            """Have the task that a process runs now given up if the process dies."""
            ours = [task for task in place.processing if task.key in self.places]
            allowed = self.scheduler.allowed_failures
            if ours and all(task.suspicious != allowed for task in ours):
                # A process takes them in this order.
                min(ours, key=lambda task: task.priority).suspicious = allowed

    return HeadraceDeaths


_Deaths = _define_plugin()
