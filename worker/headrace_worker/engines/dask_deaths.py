"""Makes Dask's scheduler report at once that a process died, and blame only the task that ran
there.

    count_deaths ─► a plugin of the scheduler, which marks the first span of each process

By default, a scheduler runs such a task again in other processes, three times unless configured
otherwise, and blames all tasks that the process had, including those that only waited there. With
this plugin, a death is one attempt of the task that ran: it is reported when the first process
dies, and tasks that waited go to other processes without anybody being told. Tasks of others are
not affected.
"""

# Dask is an extra, and has no types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin


async def count_deaths(client: Any, prefix: str) -> None:
    """Install the plugin in the scheduler of a client, for tasks whose keys begin with ``prefix``.

    It is active until that client disconnects. Raises the errors of the scheduler.
    """
    await client.register_plugin(_Deaths(client.id, prefix), name=prefix)


def _define_plugin() -> Any:
    """Define a class that is pickled by value, so that the scheduler does not need headrace."""

    class HeadraceDeaths(SchedulerPlugin):  # type: ignore[misc]  # Dask has no types
        """Controls ``suspicious``, in which the scheduler counts how often a process died that had
        the task. The scheduler gives a task up if there were more deaths than it allows.
        """

        def __init__(self, client: str, prefix: str) -> None:
            self.client = client
            self.prefix = prefix
            self.scheduler: Any = None
            #: The process in which each of our tasks is.
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
                task.suspicious = -(10**9)  # it waits, so it did not cause any death
                before = self.places[key] = task.processing_on.address
            place = self.scheduler.workers.get(before)
            if place is not None:
                self.mark_first(place)

        def mark_first(self, place: Any) -> None:
            """Make the scheduler give up the task that a process runs now if the process dies."""
            ours = [task for task in place.processing if task.key in self.places]
            allowed = self.scheduler.allowed_failures
            if ours and all(task.suspicious != allowed for task in ours):
                # A process runs its tasks in this order.
                min(ours, key=lambda task: task.priority).suspicious = allowed

    return HeadraceDeaths


_Deaths = _define_plugin()
