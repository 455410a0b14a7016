"""Which calls an event of the queue wakes."""

from __future__ import annotations

from headrace_coordinator.queue.events import Event
from headrace_coordinator.serving.topics import name_topic, wake_waiters
from headrace_coordinator.serving.wake import Waiters
from support.queue_builders import Rig


def find_woken(happened: list[Event], *topics: str) -> list[str]:
    """Those of the topics that events are news of."""
    waiters = Waiters()
    before = {topic: waiters.version(topic) for topic in topics}
    wake_waiters(waiters, happened)
    return [topic for topic in topics if waiters.version(topic) != before[topic]]


def test_whoever_reads_a_log_is_woken_when_the_job_has_ended_and_not_by_each_task() -> None:
    rig = Rig()
    rig.join()
    rig.submit(tasks=2)
    rig.queue.state.drain_events()
    job, log = name_topic("job", "job"), name_topic("log", "job")
    (first, *_), (last, *_) = rig.lease(slots=1), rig.lease(slots=1)
    rig.finish(first)
    assert find_woken(rig.queue.state.drain_events(), job, log) == [job]
    rig.finish(last)
    assert find_woken(rig.queue.state.drain_events(), job, log) == [job, log]
